# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks and gaze, which no voice tells: planned as events in seconds, by a seed.

Every event belongs to a cell of time and is drawn from (seed, cell) alone. So the same seed gives
the same moments at every frame rate, in every NumPy, and however long the sound goes on; a higher
blink rate only adds blinks; and another emotion in one shot changes the blinks of that shot alone.

Where the figures are from:
- blinks a minute: 26 in conversation, 17 at rest (Bentivoglio et al., Movement Disorders 1997);
  95 % of people within 10.5 to 32.5 in conversation (Doughty, Optometry and Vision Science 2001);
- a speaker blinks where phrases end and in pauses (Nakano and Kitazawa, Experimental Brain
  Research 2010);
- a blink closes in about 80 ms, stays shut for about 55 and opens slowly; shown to people, about
  0.3 s with full closure looks best (Trutoiu et al., ACM TAP 2011);
- size, direction and duration of glances and the time between them: Lee, Badler and Badler, Eyes
  Alive, SIGGRAPH 2002.
What an emotion does to the rates, and how much of the published glances a face in close-up shows,
are choices of ours.
"""

from bisect import bisect, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.easing import smoothstep
from emoface_core.emotions import EMOTIONS
from emoface_core.face.head import Head
from emoface_core.phones import SILENCE

Floats = NDArray[np.float32]
Track = NDArray[np.float64]

MOST_BLINKS = 40.0  # a minute; `BLINK_APART` leaves room for no more
BLINK_APART = 1.0  # seconds between the beginnings of two blinks, at least
QUIET_START = 0.3  # seconds at the beginning of the sound without a blink

_CELL = 0.05  # seconds
_PAUSE = 0.2  # seconds: a shorter silence is a stop consonant
_SHORTEST_PHRASE = 0.15  # seconds: less is a noise

_AT_REST = 17 / 26  # of the blinks while speaking
_END_BEFORE, _END_AFTER = 0.1, 0.35  # seconds about a phrase's end
_END_GAIN = 5.0  # how many times likelier a blink is there than inside the phrase
_SHIFT_SECONDS, _SHIFT_GAIN = 0.12, 3.0  # a glance brings a blink along

_CLOSE, _HOLD, _OPEN = (0.070, 0.090), (0.048, 0.062), (0.19, 0.27)  # seconds: least, most

_GLANCE_APART = 1.6  # seconds
_GLANCE_RATE, _GLANCE_RATE_AT_REST = 0.246, 0.12  # a second: 3.1 s + 0.93 s, 7.9 s + 0.43 s
_START_BEFORE, _START_AFTER, _START_GAIN = 0.25, 0.45, 3.0  # one looks away to begin to speak
_HAND_OVER = 0.6  # seconds before a phrase's end: one looks at whom one speaks to
_AWAY_LEAST, _AWAY_MEAN, _AWAY_MOST = 0.35, 0.93, 2.2  # seconds
# Sizes fall off exponentially (A = -6.9 ln(P / 15.7) degrees); what looks like looking away is the
# part above 8 degrees, and a close-up shows less of it than a conversation.
_SIZE_LEAST, _SIZE_FALL, _SIZE_MOST, _SIZE_SHARE = 8.0, 6.9, 27.5, 0.45
_DIRECTIONS = np.radians(np.arange(0, 360, 45))  # 0 = the person's left, 90 = up
_DIRECTION_SHARES = np.array([15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.79])
LARGEST_GLANCE = _SIZE_MOST * _SIZE_SHARE  # degrees at gaze 1, and a small step more
_FLATTER = 0.7  # up and down the eyes turn less than to the sides

_STEP_APART, _STEP_RATE = 0.3, 1.1  # the small steps of a look from eye to eye to mouth
_STEP_SIDE, _STEP_UP, _STEP_DOWN = 1.3, 0.5, 1.5  # degrees: a face a metre and a half away
_LAST_STEP = 0.2  # seconds before the sound's end: the eyes are back

_BEFORE_IRIS = slice(4, 8)  # of the pairs of a head's lids

_FULL_LOOK = {"Out": 30.0, "In": 30.0, "Up": 25.0, "Down": 30.0}  # degrees of `eyeLook*` at 1

# How much oftener than neutral a feeling blinks, and looks away.
_BLINKING = {"calm": 0.8, "happy": 1.1, "sad": 0.85, "angry": 0.75, "fearful": 1.35}
_BLINKING |= {"disgust": 1.1, "surprised": 0.6}
_AVOIDING = {"calm": 0.7, "happy": 0.8, "sad": 1.5, "angry": 0.4, "fearful": 1.5}
_AVOIDING |= {"disgust": 1.3, "surprised": 0.4}

EYE_SHAPES = tuple(
    f"eye{what}_{side}"
    for what in ("Blink", "LookOut", "LookIn", "LookUp", "LookDown")
    for side in "LR"
)


@dataclass(frozen=True, slots=True)
class EyeSettings:
    """What an animator sets."""

    seed: int = 0
    blinks_per_minute: float = 20.0  # while speaking; 0: none; above `MOST_BLINKS` as that
    gaze: float = 1.0  # 0: the eyes look ahead; 1: as planned; 2: twice as far


@dataclass(frozen=True, slots=True)
class Phrase:
    """From `start` to `end` somebody speaks. Seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What the eyes react to: a sound of some `seconds`, its phrases, and what is felt in it."""

    seconds: float
    phrases: tuple[Phrase, ...] = ()
    emotion_weights: Floats | None = None  # (T, 8) at `fps`, times intensity; None: neutral
    fps: float = 0.0  # of `emotion_weights`

    def factor(self, times: Track, table: dict[str, float]) -> Track:
        """A rate's factor by what is felt at `times`; half as strong a feeling does half of it."""
        if self.emotion_weights is None or not len(self.emotion_weights):
            return np.ones(len(times))
        more = np.array([table.get(name, 1.0) - 1.0 for name in EMOTIONS])
        each = np.clip(1.0 + self.emotion_weights @ more, 0.1, 3.0)
        return np.interp(times * self.fps, np.arange(len(each)), each)


@dataclass(frozen=True, slots=True)
class Blink:
    """Seconds: when the lids begin to close, how long they close, stay shut, and open."""

    start: float
    close: float
    hold: float
    open: float

    @property
    def end(self) -> float:
        """When they are open again."""
        return self.start + self.close + self.hold + self.open


@dataclass(frozen=True, slots=True)
class Glance:
    """From `start` seconds the eyes move by `yaw`, `pitch` degrees (+ the person's left, up)."""

    start: float
    yaw: float
    pitch: float

    @property
    def duration(self) -> float:
        """Seconds, by the main sequence of saccades."""
        return float(0.025 + 0.0024 * np.hypot(self.yaw, self.pitch))


def phrases_heard(
    names: Sequence[str], start: NDArray, end: NDArray, index: NDArray
) -> tuple[Phrase, ...]:
    """Phrases from the phones heard (spans in order, `index` into `names`)."""
    found: list[Phrase] = []
    for begin, finish, which in zip(start, end, index, strict=True):
        if names[int(which)] == SILENCE:
            continue
        if found and begin - found[-1].end < _PAUSE:
            found[-1] = Phrase(found[-1].start, float(finish))
        else:
            found.append(Phrase(float(begin), float(finish)))
    return tuple(phrase for phrase in found if phrase.end - phrase.start >= _SHORTEST_PHRASE)


def plan_blinks(scene: Scene, settings: EyeSettings) -> tuple[Blink, ...]:
    """Blinks in order, each with its end within the sound.

    The moments do not depend on `settings.gaze`, and those of a lower rate are among those of a
    higher one.
    """
    rate = min(max(settings.blinks_per_minute, 0.0), MOST_BLINKS) / 60
    random = _Random(settings.seed, 1, scene.seconds)
    weight = _blink_weight(random.times, scene)
    for away, _back in _aversions(scene, settings.seed):
        since = random.times - away.start
        weight[(since >= 0) & (since < _SHIFT_SECONDS)] *= _SHIFT_GAIN
    cells = random.apart(weight, rate, BLINK_APART)
    lengths = [
        least + (most - least) * random.uniform(stream, cells)
        for stream, (least, most) in enumerate((_CLOSE, _HOLD, _OPEN), 2)
    ]
    events = np.stack([random.times[cells], *lengths], axis=1).tolist()
    return tuple(Blink(*event) for event in events)


def _blink_weight(times: Track, scene: Scene) -> Track:
    """How likely a blink begins at `times`, about 1 on average while somebody speaks."""
    weight = np.full(len(times), _AT_REST)
    inside = []
    for phrase in scene.phrases:
        length, window = phrase.end - phrase.start, _END_BEFORE + _END_AFTER
        inside.append((length + _END_AFTER) / (length - _END_BEFORE + _END_GAIN * window))
        weight[(times >= phrase.start) & (times < phrase.end)] = inside[-1]
    for phrase, share in zip(scene.phrases, inside, strict=True):
        near = (times >= phrase.end - _END_BEFORE) & (times < phrase.end + _END_AFTER)
        weight[near] = _END_GAIN * share
    longest = _CLOSE[1] + _HOLD[1] + _OPEN[1]
    weight[(times < QUIET_START) | (times > scene.seconds - longest)] = 0.0
    return weight * scene.factor(times, _BLINKING)


def plan_gaze(scene: Scene, settings: EyeSettings) -> tuple[Glance, ...]:
    """Movements of the eyes in order at gaze 1, which sum to nothing: ahead, away, ahead.

    Glances away come oftener as somebody begins to speak, and end before the phrase does; while
    the eyes rest on the viewer they step about a little, as over a face.
    """
    moves = [move for pair in _aversions(scene, settings.seed) for move in pair]
    random = _Random(settings.seed, 20, scene.seconds)
    late = scene.seconds - 2 * _LAST_STEP
    weight = ((random.times >= QUIET_START) & (random.times <= late)).astype(float)
    cells = random.apart(weight, _STEP_RATE, _STEP_APART)
    yaw = _STEP_SIDE * (2 * random.uniform(21, cells) - 1)
    pitch = _STEP_UP - (_STEP_UP + _STEP_DOWN) * random.uniform(22, cells)
    starts = np.append(random.times[cells], scene.seconds - _LAST_STEP)
    by = np.diff(np.stack([yaw, pitch], axis=1), axis=0, prepend=0.0, append=0.0)
    if cells.size:
        moves += [
            Glance(start, *step) for start, step in zip(starts.tolist(), by.tolist(), strict=True)
        ]
    return tuple(sorted(moves, key=lambda move: move.start))


def _aversions(scene: Scene, seed: int) -> list[tuple[Glance, Glance]]:
    """Looks away from the viewer, each with its way back."""
    random = _Random(seed, 10, scene.seconds)
    times = random.times
    weight = np.full(len(times), _GLANCE_RATE_AT_REST / _GLANCE_RATE)
    for phrase in scene.phrases:
        weight[(times >= phrase.start) & (times < phrase.end)] = 1.0
    for phrase in scene.phrases:
        begins = (times >= phrase.start - _START_BEFORE) & (times < phrase.start + _START_AFTER)
        weight[begins] = _START_GAIN
        weight[(times >= phrase.end - _HAND_OVER) & (times < phrase.end)] = 0.0
    last = scene.seconds - _LAST_STEP
    weight[(times < QUIET_START) | (times > last - _AWAY_LEAST)] = 0.0
    cells = random.apart(weight * scene.factor(times, _AVOIDING), _GLANCE_RATE, _GLANCE_APART)
    starts = times[cells]
    stay = _AWAY_LEAST - (_AWAY_MEAN - _AWAY_LEAST) * np.log(random.uniform(11, cells))
    until = np.minimum(starts + np.minimum(stay, _AWAY_MOST), last)
    until[:-1] = np.minimum(until[:-1], starts[1:] - _AWAY_LEAST)
    for phrase in scene.phrases:
        inside = slice(*np.searchsorted(starts, [phrase.start, phrase.end]))
        until[inside] = np.minimum(until[inside], phrase.end - _HAND_OVER / 2)
    until = np.maximum(until, starts + _AWAY_LEAST)
    size = _SIZE_LEAST - _SIZE_FALL * np.log(random.uniform(12, cells))
    size = np.minimum(size, _SIZE_MOST) * _SIZE_SHARE
    shares = np.cumsum(_DIRECTION_SHARES) / _DIRECTION_SHARES.sum()
    turn = _DIRECTIONS[np.searchsorted(shares[:-1], random.uniform(13, cells))]
    yaw, pitch = size * np.cos(turn), _FLATTER * size * np.sin(turn)
    return [
        (Glance(start, x, y), Glance(back, -x, -y))
        for start, back, x, y in np.stack([starts, until, yaw, pitch], axis=1).tolist()
    ]


def blink_curve(times: NDArray, blinks: Sequence[Blink], frame_seconds: float = 0.0) -> Floats:
    """How far the lids are shut at `times` seconds, in order: 0 to 1, fast down, shut, slowly up.

    The lids stay shut for at least `frame_seconds`, so that a frame shows it at any frame rate.
    """
    times = np.asarray(times, np.float64)
    curve = np.zeros(len(times))
    for blink in blinks:
        hold = max(blink.hold, frame_seconds)
        first, last = np.searchsorted(times, [blink.start, blink.end - blink.hold + hold])
        since = times[first:last] - blink.start
        down = smoothstep(since / blink.close)
        up = np.clip((since - blink.close - hold) / blink.open, 0.0, 1.0)
        shut = down - smoothstep(1 - (1 - up) ** 1.5)  # the last bit is slow
        curve[first:last] = np.maximum(curve[first:last], shut)
    return curve.astype(np.float32)


def gaze_curves(times: NDArray, glances: Sequence[Glance]) -> tuple[Floats, Floats]:
    """Yaw and pitch in degrees at `times` seconds, which are in order."""
    times = np.asarray(times, np.float64)
    turned = np.zeros((len(times) + 1, 2))  # by movements that are over
    turning = np.zeros((len(times), 2))
    for glance in glances:
        first, last = np.searchsorted(times, [glance.start, glance.start + glance.duration])
        by = np.array([glance.yaw, glance.pitch])
        moved = smoothstep((times[first:last] - glance.start) / glance.duration)
        turning[first:last] += moved[:, None] * by
        turned[last] += by
    yaw, pitch = (np.cumsum(turned, axis=0)[:-1] + turning).T
    return yaw.astype(np.float32), pitch.astype(np.float32)


def eye_curves(scene: Scene, settings: EyeSettings, frames: int, fps: float) -> Floats:
    """(frames, 10) weights of `EYE_SHAPES` at times t / fps; at rest where the sound begins, ends.

    A blink is 1 where the lids are to meet: see `lid_openings` for how far that is.
    """
    times = np.arange(frames) / fps
    blink = blink_curve(times, plan_blinks(scene, settings), 1 / fps)
    yaw, pitch = gaze_curves(times, plan_gaze(scene, settings))
    yaw, pitch = yaw * settings.gaze, pitch * settings.gaze
    left, right = np.maximum(yaw, 0), np.maximum(-yaw, 0)
    up, down = np.maximum(pitch, 0), np.maximum(-pitch, 0)
    looks = {"Out": (left, right), "In": (right, left), "Up": (up, up), "Down": (down, down)}
    curves = {
        f"eyeLook{way}_{side}": curve / _FULL_LOOK[way]
        for way, both in looks.items()
        for side, curve in zip("LR", both, strict=True)
    }
    curves |= {"eyeBlink_L": blink, "eyeBlink_R": blink}
    return np.stack([curves[name] for name in EYE_SHAPES], axis=1).astype(np.float32)


def lid_openings(template: NDArray, offsets: NDArray, head: Head) -> tuple[Floats, Floats]:
    """What a blink has to close, in weights of `eyeBlink`: (2,) of the template, (R, 2) of shapes.

    Shapes add up, and so do openings: with shapes at weights w, `eyeBlink` at
    `of_template + w @ of_shapes` brings the lids together before the iris, whatever else holds
    them half shut. `template` (V, 3) and `offsets` (R, V, 3) are in the head's frame; columns are
    left and right. Lids that are held wide (`eyeWide`) must be let go instead: `eyeBlink` above 1
    runs into the eyeball.
    """
    blinks = np.stack([head.shape(f"eyeBlink_{side}") for side in "LR"])
    closing = -np.diag(_lids_apart(blinks, head))
    of_template = _lids_apart(np.asarray(template)[None], head)[0] / closing
    of_shapes = _lids_apart(np.asarray(offsets), head) / closing
    return of_template.astype(np.float32), of_shapes.astype(np.float32)


def _lids_apart(vertices: NDArray, head: Head) -> Track:
    """(n, 2) how far upper lids are from lower ones, before the iris; linear in (n, V, 3)."""
    apart = []
    for pairs in (head.lid_pairs_left, head.lid_pairs_right):
        upper, lower = pairs[_BEFORE_IRIS].T
        axis = (head.vertices[upper] - head.vertices[lower]).mean(axis=0)
        apart.append((vertices[:, upper] - vertices[:, lower]).mean(axis=1) @ axis)
    return np.stack(apart, axis=1).astype(np.float64)


class _Random:
    """Events in cells of time, each drawn from the seed, a stream and the cell's number alone."""

    def __init__(self, seed: int, stream: int, seconds: float) -> None:
        self._seed, self._stream = seed, stream
        cells = np.arange(max(0, int(np.ceil(seconds / _CELL))))
        self.times: Track = (cells + self.uniform(stream, cells)) * _CELL
        # The first event of a cell, in a world where events come at rate 1 after "time" has gone
        # on for so long: an event is there at rate r if it comes before r.
        self._arrival = -np.log(self.uniform(stream + 1000, cells)) / _CELL

    def uniform(self, stream: int, cells: NDArray) -> Track:
        """Numbers in (0, 1) that belong to cells: SplitMix64 (Steele, Lea and Flood 2014)."""
        with np.errstate(over="ignore"):
            start = np.uint64(self._seed % 2**32) << np.uint64(32)
            state = (
                start + cells.astype(np.uint64) + np.uint64(stream) * np.uint64(0xD1342543DE82EF95)
            )
            for _ in range(2):  # near seeds, streams and cells must not look alike
                state = state + np.uint64(0x9E3779B97F4A7C15)
                state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                state = state ^ (state >> np.uint64(31))
        return ((state >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def apart(self, weight: Track, rate: float, distance: float) -> NDArray[np.int64]:
        """Cells with an event, in order: `rate` a second where `weight` (one per cell) is 1.

        No two are nearer than `distance` seconds. Those that come first in the cells' own time
        stay, so fewer events are always among the more of a higher rate.
        """
        horizon = rate * _crowding(rate * distance)
        comes = self._arrival / np.maximum(weight, 1e-12)
        early = np.flatnonzero(comes < horizon)
        taken: list[float] = []
        cells = []
        for cell in early[np.argsort(comes[early], kind="stable")]:
            time = float(self.times[cell])
            place = bisect(taken, time)
            if all(abs(time - other) >= distance for other in taken[max(0, place - 1) : place + 1]):
                insort(taken, time)
                cells.append(int(cell))
        return np.array(sorted(cells), np.int64)


def _crowding(wanted: float) -> float:
    """How many times as often events must be tried as they are `wanted` per distance kept.

    The coverage of a line after k tries a length is the integral of exp(-2 (ln u + γ + E1(u)))
    from 0 to k (Rényi 1958, the parking problem); it ends at 0.7476.
    """
    if wanted <= 0:
        return 1.0
    v = np.linspace(0.0, 12.0, 2401)
    step = v[1]
    inner = np.ones_like(v)
    inner[1:] = -np.expm1(-v[1:]) / v[1:]
    density = np.exp(-2 * step * (np.cumsum(inner) - (inner + inner[0]) / 2))
    coverage = step * (np.cumsum(density) - (density + density[0]) / 2)
    return float(np.interp(wanted, coverage, v)) / wanted
