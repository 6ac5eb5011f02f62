# SPDX-License-Identifier: GPL-3.0-or-later
"""The articulation teacher: phones with times in, curves of the expression rig out.

Coarticulation follows Cohen & Massaro (1993): each phone pulls each articulator towards its target
with a weight (its dominance), and the articulator is the weighted mean over a window in time; short
phones therefore undershoot, and weak ones take their neighbours' shape. Here the window is a smooth
kernel, wider ahead than behind for rounding, so that lips round early. What must not be averaged
away is a constraint instead: p b m shut the lips and f v bring the lower lip to the upper teeth,
solved on the rig so that they just meet; in silence the face is exactly neutral.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.contacts import CORNERS_IN_F, MouthRig, mouth_rig
from emoface_core.training.phones import BILABIALS, LABIODENTALS, PHONES, SILENCE, PhoneSpan
from emoface_core.training.prosody import Prosody, smooth

NETWORK_RATE = 50.0
Curves = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ArticulationStyle:
    """How somebody speaks: factors on what the phones ask for, all 1 for plain speech."""

    jaw: float = 1.0
    lips: float = 1.0  # raising and lowering of the lips
    spread: float = 1.0
    rounding: float = 1.0
    press: float = 1.0  # how firmly the lips meet on p b m
    emphasis: float = 1.0  # how much loudness opens the mouth
    brows: float = 1.0  # how much the brows rise on accents


# Articulators: jaw, lower lip down, upper lip up, corners apart, lips pursed, lips protruded open.
# Then how much the phone cares about: jaw, height of the lips, width and rounding of the lips.
_TARGETS: dict[str, tuple[float, ...]] = {
    #       jaw   lower upper spread pucker funnel   jaw  lips width
    "sil": (0.04, 0.05, 0.02, 0.00, 0.00, 0.00, 0.06, 0.06, 0.06),
    "i": (0.10, 0.32, 0.20, 0.62, 0.00, 0.00, 1.0, 1.0, 1.0),
    "ɪ": (0.16, 0.32, 0.18, 0.36, 0.00, 0.00, 0.8, 0.8, 0.7),
    "e": (0.21, 0.36, 0.22, 0.46, 0.00, 0.00, 1.0, 1.0, 0.9),
    "ɛ": (0.31, 0.40, 0.24, 0.28, 0.00, 0.00, 1.0, 1.0, 0.8),
    "æ": (0.42, 0.48, 0.32, 0.36, 0.00, 0.00, 1.2, 1.0, 0.9),
    "a": (0.46, 0.44, 0.28, 0.10, 0.00, 0.00, 1.2, 1.0, 0.6),
    "ɑ": (0.47, 0.38, 0.22, 0.02, 0.00, 0.00, 1.2, 1.0, 0.6),
    "ɔ": (0.34, 0.18, 0.10, 0.00, 0.34, 0.30, 1.1, 1.0, 1.2),
    "o": (0.21, 0.10, 0.05, 0.00, 0.68, 0.30, 1.0, 1.0, 1.5),
    "ʊ": (0.14, 0.10, 0.05, 0.00, 0.58, 0.18, 0.8, 0.8, 1.2),
    "u": (0.09, 0.06, 0.03, 0.00, 1.00, 0.26, 1.0, 1.0, 1.7),
    "ʌ": (0.32, 0.34, 0.18, 0.06, 0.00, 0.00, 1.0, 0.9, 0.4),
    "ə": (0.20, 0.26, 0.13, 0.08, 0.00, 0.00, 0.5, 0.5, 0.2),
    "ɜ": (0.20, 0.22, 0.12, 0.00, 0.20, 0.18, 0.8, 0.8, 0.8),
    "y": (0.07, 0.08, 0.05, 0.00, 0.95, 0.16, 1.0, 1.0, 1.6),
    "ø": (0.18, 0.12, 0.08, 0.00, 0.60, 0.28, 1.0, 1.0, 1.5),
    "œ": (0.28, 0.18, 0.12, 0.00, 0.42, 0.32, 1.0, 1.0, 1.3),
    "p": (0.05, 0.10, 0.05, 0.00, 0.00, 0.00, 0.8, 0.3, 0.10),
    "b": (0.05, 0.10, 0.05, 0.00, 0.00, 0.00, 0.8, 0.3, 0.10),
    "m": (0.05, 0.10, 0.05, 0.00, 0.00, 0.00, 0.8, 0.3, 0.10),
    "f": (0.07, 0.05, 0.25, 0.12, 0.00, 0.00, 0.8, 0.5, 0.25),
    "v": (0.07, 0.05, 0.25, 0.12, 0.00, 0.00, 0.8, 0.5, 0.25),
    "θ": (0.13, 0.28, 0.16, 0.10, 0.00, 0.00, 0.9, 0.6, 0.3),
    "ð": (0.13, 0.26, 0.15, 0.10, 0.00, 0.00, 0.7, 0.5, 0.25),
    "t": (0.06, 0.24, 0.12, 0.10, 0.00, 0.00, 1.2, 0.4, 0.15),
    "d": (0.07, 0.24, 0.12, 0.10, 0.00, 0.00, 1.1, 0.4, 0.15),
    "n": (0.11, 0.24, 0.12, 0.10, 0.00, 0.00, 0.6, 0.4, 0.12),
    "l": (0.19, 0.26, 0.14, 0.10, 0.00, 0.00, 0.7, 0.5, 0.20),
    "s": (0.03, 0.36, 0.20, 0.26, 0.00, 0.00, 2.0, 0.8, 0.45),
    "z": (0.03, 0.34, 0.19, 0.24, 0.00, 0.00, 1.8, 0.8, 0.40),
    "ʃ": (0.04, 0.20, 0.14, 0.00, 0.50, 0.46, 1.8, 0.9, 1.4),
    "ʒ": (0.04, 0.20, 0.14, 0.00, 0.48, 0.44, 1.7, 0.9, 1.3),
    "k": (0.14, 0.22, 0.10, 0.05, 0.00, 0.00, 0.35, 0.3, 0.10),
    "ɡ": (0.14, 0.22, 0.10, 0.05, 0.00, 0.00, 0.35, 0.3, 0.10),
    "ŋ": (0.15, 0.22, 0.10, 0.05, 0.00, 0.00, 0.30, 0.3, 0.10),
    "x": (0.18, 0.24, 0.12, 0.02, 0.00, 0.00, 0.35, 0.3, 0.10),
    "ç": (0.08, 0.30, 0.16, 0.30, 0.00, 0.00, 0.7, 0.5, 0.40),
    "h": (0.20, 0.24, 0.12, 0.02, 0.00, 0.00, 0.08, 0.08, 0.05),
    "ɹ": (0.13, 0.16, 0.12, 0.00, 0.42, 0.26, 0.7, 0.6, 1.0),
    "ʁ": (0.19, 0.24, 0.12, 0.02, 0.00, 0.00, 0.4, 0.3, 0.12),
    "w": (0.05, 0.03, 0.02, 0.00, 1.10, 0.05, 1.0, 1.0, 1.9),
    "j": (0.09, 0.28, 0.15, 0.36, 0.00, 0.00, 0.8, 0.5, 0.6),
    "ʔ": (0.20, 0.24, 0.12, 0.02, 0.00, 0.00, 0.08, 0.08, 0.05),
    "β": (0.07, 0.10, 0.05, 0.00, 0.00, 0.00, 0.7, 0.3, 0.10),
}
_TABLE = np.array([_TARGETS[phone] for phone in PHONES])
_GROUP = (0, 1, 1, 2, 2, 2)  # which weight each articulator listens to
_IS_SILENCE = PHONES.index(SILENCE)

# How far each group of articulators looks ahead and remembers, seconds (half-widths of a Hann).
_REACH = ((0.085, 0.090), (0.080, 0.085), (0.200, 0.140))
_FINEST = 200.0  # grid points a second while averaging, at the least

# Which shapes make an articulator, and how much of each.
_MADE_OF: tuple[tuple[tuple[str, float], ...], ...] = (
    (("jawOpen", 1.0),),
    (("mouthLowerDown", 1.0),),
    (("mouthUpperUp", 1.0),),
    (("mouthStretch", 0.45), ("mouthSmile", 0.32), ("mouthDimple", 0.12)),
    (("mouthPucker", 1.0),),
    (("mouthFunnel", 1.0),),
)

_CLOSING, _OPENING = 0.085, 0.100  # lips to and from a closure, seconds
_SHORTEST_CLOSURE = 0.065
_LABIODENTAL_MOVE = 0.080
_AFTER_SPEECH, _BEFORE_SPEECH = 0.28, 0.14  # to and from the rest pose, seconds
_REST_FROM, _REST_FULL = 0.08, 0.25  # pauses in between rest only partly, seconds
_LOUDNESS_OPENS = (0.36, 0.12, 0.12)  # jaw, lower lip, upper lip: share per unit of accent
_BROWS_FOLLOW = (("browInnerUp", 0.18), ("browOuterUp", 0.24))
_NARROWEST, _NARROW_SOFTNESS = 0.0020, 0.0004  # metres between the lips in speech
# A stop labelled as one span is shut for this part of it; the rest is burst and breath.
_SHUT_SHARE = {"p": 0.62, "b": 0.78, "m": 1.0, "β": 1.0}


@dataclass(frozen=True, slots=True)
class Gesture:
    """What the mouth of an utterance aims at, before a style and a rig make it a face.

    `articulators` (N, 6): jaw, lower lip down, upper lip up, corners apart, pursing, protrusion.
    The rest are (N,), 0 to 1: `shut` (lips shut for p b m), `teeth` (lower lip at the upper teeth
    for f v), `rest` (silence). From the prosody, 0 without: `accent`, and `lift`, how far the
    brows follow the accents that stand out.
    """

    articulators: NDArray[np.float64]
    shut: NDArray[np.float64]
    teeth: NDArray[np.float64]
    rest: NDArray[np.float64]
    accent: NDArray[np.float64]
    lift: NDArray[np.float64]

    def curves(
        self, style: ArticulationStyle = ArticulationStyle(), rig: MouthRig | None = None
    ) -> NDArray[np.float64]:
        """(N, K) rig weights in a way of speaking."""
        rig = rig or mouth_rig()
        tracks = self.articulators * [
            *(style.jaw, style.lips, style.lips),
            *(style.spread, style.rounding, style.rounding),
        ]
        louder = style.emphasis * np.clip(self.accent, -1, 1.5)
        tracks[:, :3] *= 1 + louder[:, None] * _LOUDNESS_OPENS
        weights = _on_rig(tracks, self.shut, self.teeth, style, rig)
        for name, share in _BROWS_FOLLOW:
            weights[:, rig.columns(name)] += style.brows * share * self.lift[:, None]
        return np.asarray(weights * (1 - self.rest)[:, None])


def plan(
    spans: Sequence[PhoneSpan],
    seconds: float,
    *,
    rate: float = NETWORK_RATE,
    prosody: Prosody | None = None,
) -> Gesture:
    """Coarticulated targets and constraints at times i / rate, N = floor(seconds * rate) + 2.

    `spans` are in order and do not overlap; time that they leave out is silence. With `prosody`
    (at the same rate) loud syllables open the mouth further and soft ones less.
    """
    count = int(np.floor(seconds * rate + 1e-9)) + 2
    times = np.arange(count) / rate
    whole = _fill_silence(spans, max(seconds, float(times[-1])))
    accent = np.zeros(count)
    if prosody is not None:
        heard = prosody.accent[:count]
        accent[: len(heard)] = heard
    lift = smooth(np.clip(accent - 0.2, 0, None), 0.08 * rate)
    return Gesture(_averaged(whole, count, rate), *_constraints(whole, times), accent, lift)


def articulate(
    spans: Sequence[PhoneSpan],
    seconds: float,
    *,
    rate: float = NETWORK_RATE,
    style: ArticulationStyle = ArticulationStyle(),
    prosody: Prosody | None = None,
) -> Curves:
    """(N, K) weights of the rig's shapes at times i / rate; see `plan` for the arguments."""
    return np.asarray(plan(spans, seconds, rate=rate, prosody=prosody).curves(style), np.float32)


def closure_interval(span: PhoneSpan) -> tuple[float, float]:
    """When the lips are shut in a span of p, b or m, seconds."""
    if span.release is not None:
        return span.start, max(span.release, span.start)
    return span.start, span.start + (span.end - span.start) * _SHUT_SHARE[span.phone]


def _fill_silence(spans: Sequence[PhoneSpan], seconds: float) -> list[PhoneSpan]:
    """Spans without gaps from 0 to `seconds`, neighbouring silences joined."""
    whole: list[PhoneSpan] = []

    def add(phone: str, start: float, end: float, release: float | None = None) -> None:
        if end <= start:
            return
        if phone == SILENCE and whole and whole[-1].phone == SILENCE:
            whole[-1] = PhoneSpan(SILENCE, whole[-1].start, end)
        else:
            whole.append(PhoneSpan(phone, start, end, release))

    at = 0.0
    for span in spans:
        if span.end <= at or span.start >= seconds:
            continue
        add(SILENCE, at, span.start)
        add(span.phone, max(span.start, at), min(span.end, seconds), span.release)
        at = max(at, min(span.end, seconds))
    add(SILENCE, at, seconds)
    return whole


def _averaged(spans: Sequence[PhoneSpan], count: int, rate: float) -> NDArray[np.float64]:
    """(N, 6) articulators: weighted means of the phones' targets under the kernels."""
    steps = int(np.ceil(_FINEST / rate))
    fine = rate * steps
    pad = int(np.ceil(max(max(r) for r in _REACH) * fine)) + 1
    total = count * steps + 2 * pad
    edges = (np.arange(total + 1) - pad - 0.5) / fine
    ids = np.array([PHONES.index(span.phone) for span in spans])
    bounds = np.array([spans[0].start, *(span.end for span in spans)])
    bounds[0], bounds[-1] = min(bounds[0], edges[0]), max(bounds[-1], edges[-1])
    targets, cares = _TABLE[ids, :6], _TABLE[ids, 6:]
    pulled = np.concatenate([targets * cares[:, _GROUP], cares], 1)
    # Exact mean of a step function over each grid cell: differences of its integral.
    integral = np.zeros((len(bounds), 9))
    np.cumsum(pulled * np.diff(bounds)[:, None], axis=0, out=integral[1:])
    place = np.clip(np.searchsorted(bounds, edges, side="right") - 1, 0, len(spans) - 1)
    at_edges = integral[place] + pulled[place] * (edges - bounds[place])[:, None]
    cells = np.diff(at_edges, axis=0) * fine
    out = np.empty((count, 9))
    for group, (ahead, behind) in enumerate(_REACH):
        kernel = _kernel(ahead, behind, fine)
        columns = [i for i in range(6) if _GROUP[i] == group] + [6 + group]
        first = pad - round(behind * fine)
        windows = np.lib.stride_tricks.sliding_window_view(cells[:, columns], len(kernel), axis=0)
        smooth = windows[first : first + count * steps : steps] @ kernel
        out[:, columns] = smooth
    weights = out[:, 6:][:, _GROUP]
    return np.asarray(out[:, :6] / np.maximum(weights, 1e-9))


def _kernel(ahead: float, behind: float, fine: float) -> NDArray[np.float64]:
    """Two halves of a Hann window; index 0 is the farthest behind."""
    before, after = round(behind * fine), round(ahead * fine)
    t = np.arange(-before, after + 1)
    window = np.cos(0.5 * np.pi * t / np.where(t < 0, before + 1, after + 1)) ** 2
    return np.asarray(window / window.sum())


def _eased(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 to 1 with still ends (C1)."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def _constraints(
    spans: Sequence[PhoneSpan], times: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """shut, teeth and rest (each (N,), 0 to 1)."""
    open_lips, off_teeth = np.ones_like(times), np.ones_like(times)
    rest = np.zeros_like(times)

    def hold(start: float, end: float, before: float, after: float) -> tuple[slice, np.ndarray]:
        first, last = np.searchsorted(times, (start - before, end + after))
        t = times[first:last]
        up = _eased((t - (start - before)) / before)
        return slice(int(first), int(last)), up * _eased((end + after - t) / after)

    for i, span in enumerate(spans):
        quiet_before = i == 0 or spans[i - 1].phone == SILENCE
        quiet_after = i == len(spans) - 1 or spans[i + 1].phone == SILENCE
        if span.phone in BILABIALS or span.phone == "β":
            start, end = closure_interval(span)
            missing = max(_SHORTEST_CLOSURE - (end - start), 0)
            start, end = start - 0.6 * missing, end + 0.4 * missing
            before = 2 * _BEFORE_SPEECH if quiet_before else _CLOSING
            after = 1.2 * _AFTER_SPEECH if quiet_after and span.phone == "m" else _OPENING
            where, how = hold(start, end, before, after)
            open_lips[where] *= 1 - how * (0.82 if span.phone == "β" else 1.0)
        elif span.phone in LABIODENTALS:
            inset = 0.1 * (span.end - span.start)
            missing = max(0.04 - 0.8 * (span.end - span.start), 0) / 2
            before = _BEFORE_SPEECH if quiet_before else _LABIODENTAL_MOVE
            where, how = hold(
                span.start + inset - missing, span.end - inset + missing, before, _LABIODENTAL_MOVE
            )
            off_teeth[where] *= 1 - how
        elif span.phone == SILENCE:
            length = span.end - span.start
            depth = float(_eased(np.array((length - _REST_FROM) / (_REST_FULL - _REST_FROM))))
            closing = min(_AFTER_SPEECH, 0.55 * length)
            opening = min(_BEFORE_SPEECH, 0.35 * length)
            first, last = np.searchsorted(times, (span.start, span.end))
            if quiet_after:
                last = len(times)
            t = times[first:last]
            shape = np.full(len(t), 1.0 if i == 0 or i == len(spans) - 1 else depth)
            if i > 0:
                shape *= _eased((t - span.start) / closing)
            if not quiet_after:
                shape *= _eased((span.end - t) / opening)
            rest[first:last] = shape
    return 1 - open_lips, 1 - off_teeth, rest


def _on_rig(
    tracks: NDArray[np.float64],
    shut: NDArray[np.float64],
    teeth: NDArray[np.float64],
    style: ArticulationStyle,
    rig: MouthRig,
) -> NDArray[np.float64]:
    """(N, K) weights of the articulators, bent to the constraints."""
    mix = np.zeros((len(_MADE_OF), len(rig.index)))
    for row, made_of in zip(mix, _MADE_OF, strict=True):
        for name, share in made_of:
            row[rig.columns(name)] = share
    weights = tracks @ mix
    # Only a closure closes: a tight u or w is still an opening, whatever rounding does to it.
    tight = (_NARROWEST - rig.lip_gap(weights)) / _NARROW_SOFTNESS
    missing = _NARROW_SOFTNESS * np.logaddexp(0, tight)
    weights[:, rig.index["jawOpen"]] += missing / rig.jaw_slope

    # f, v: the upper lip clears the teeth, the lower one rolls in and rises to meet them.
    some = np.flatnonzero(teeth > 0)
    if len(some):
        bite = tracks[some] * [0.8, 0.0, 0.5, 0.5, 0.35, 0.2]
        bite[:, 2] += 0.10
        at_teeth = bite @ mix
        at_teeth[:, rig.columns("mouthSmile")] += CORNERS_IN_F
        at_teeth = rig.with_bite(at_teeth)
        weights[some] += teeth[some, None] * (at_teeth - weights[some])

    # p, b, m: what jaw and rounding leave open, mouthClose shuts; the lips press together.
    some = np.flatnonzero(shut > 0)
    if len(some):
        closed = (tracks[some] * [0.85, 0.0, 0.0, 0.8, 1.0, 0.0]) @ mix
        closed[:, rig.columns("mouthPress")] = 0.22 * style.press
        closed[:, rig.columns("mouthRollLower")] = 0.08 * style.press
        closed[:, rig.columns("mouthRollUpper")] = 0.08 * style.press
        closed = rig.with_gap(closed, 0.0)
        weights[some] += shut[some, None] * (closed - weights[some])
    return weights
