# SPDX-License-Identifier: GPL-3.0-or-later
"""The expression teacher: what an emotion adds to speech, as curves of the rig that move.

Each emotion is a pose after the prototypes of FACS (Ekman, Friesen & Hager 2002), a way of
articulating, and gestures on the voice's accents; it swells over phrases, wanders a little and is
never quite symmetric. The layer is made at intensity 1 and multiplied by the intensity afterwards,
so everything here is linear in it: where speech needs a contact, the layer's own effect on that
contact is zero, which holds at every intensity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emoface_core.emotions import EMOTIONS, emotion_index
from emoface_core.face.contacts import MouthRig, mouth_rig
from emoface_core.training.articulation import (
    NETWORK_RATE,
    ArticulationStyle,
    Curves,
    Gesture,
    plan,
)
from emoface_core.training.phones import PhoneSpan
from emoface_core.training.prosody import Prosody, prosody, smooth

Track = NDArray[np.float64]
Pose = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Feeling:
    """One emotion on the face.

    `upper` and `mouth` are poses (a shape without _L/_R means both sides), `accent` what a
    stressed syllable adds, `style` how it speaks, `parted` (metres) how far the lips part in
    silence, `pace` how lively the face wanders.
    """

    upper: Pose
    mouth: Pose
    accent: Pose
    style: ArticulationStyle
    parted: float = 0.0
    pace: float = 1.0
    lips_tight: Pose = field(default_factory=dict)


FEELINGS: Mapping[str, Feeling] = {
    "calm": Feeling(
        upper={"eyeBlink": 0.20, "eyeSquint": 0.06, "browOuterUp": 0.06, "cheekSquint": 0.08},
        mouth={"mouthSmile": 0.30, "mouthDimple": 0.08},
        accent={"browInnerUp": 0.08},
        style=ArticulationStyle(jaw=0.90, lips=0.9, press=0.8, emphasis=0.6),
        pace=0.5,
    ),
    # AU 6 + 12
    "happy": Feeling(
        upper={
            **{"cheekSquint": 0.85, "cheekRaiser": 0.60, "eyeSquint": 0.30},
            **{"browInnerUp": 0.20, "browOuterUp": 0.30},
        },
        mouth={
            "mouthSmile": 1.05,
            "mouthDimple": 0.15,
            "mouthUpperUp": 0.10,
            "mouthLowerDown": 0.25,
        },
        accent={"browInnerUp": 0.30, "browOuterUp": 0.36, "mouthSmile": 0.10, "cheekSquint": 0.10},
        style=ArticulationStyle(jaw=1.10, lips=1.25, spread=1.25, rounding=0.85),
    ),
    # AU 1 + 4 + 15 + 17
    "sad": Feeling(
        upper={
            **{"browInnerUp": 1.55, "browDown": 0.32, "eyeBlink": 0.24, "eyeLookDown": 0.30},
            **{"cheekRaiser": 0.20, "eyeSquint": 0.10},
        },
        mouth={"mouthFrown": 1.0, "mouthShrugLower": 0.50, "mouthLowerDown": 0.10},
        accent={"browInnerUp": 0.30, "browDown": 0.08},
        style=ArticulationStyle(jaw=0.76, lips=0.78, spread=0.6, press=0.8, emphasis=0.7),
        pace=0.6,
    ),
    # AU 4 + 5 + 7 + 10 + 23/24; the outer brow stays up, which slants it
    "angry": Feeling(
        upper={
            **{"browDown": 1.70, "browOuterUp": 0.50, "noseSneer": 0.50},
            **{"eyeSquint": 0.40, "eyeWide": 0.42},
        },
        mouth={
            **{"mouthFrown": 0.30, "mouthUpperUp": 0.22, "mouthLowerDown": 0.30},
            **{"jawForward": 0.25, "mouthStretch": 0.16},
        },
        accent={"browDown": 0.30, "noseSneer": 0.26, "eyeWide": 0.22, "mouthUpperUp": 0.14},
        style=ArticulationStyle(jaw=1.20, lips=1.45, spread=1.1, press=2.0, emphasis=1.6),
        lips_tight={"mouthPress": 0.60, "mouthRollUpper": 0.22, "mouthRollLower": 0.18},
    ),
    # AU 1 + 2 + 4 + 5 + 20
    "fearful": Feeling(
        upper={"browInnerUp": 1.45, "browOuterUp": 0.50, "browDown": 0.35, "eyeWide": 1.25},
        mouth={"mouthStretch": 0.95, "mouthLowerDown": 0.26, "mouthFrown": 0.12},
        accent={"browInnerUp": 0.24, "eyeWide": 0.20, "mouthStretch": 0.12},
        style=ArticulationStyle(jaw=0.95, lips=1.1, spread=1.25, rounding=0.85),
        pace=1.8,
    ),
    # AU 9 + 10 + 15/17
    "disgust": Feeling(
        upper={
            **{"noseSneer": 1.10, "browDown": 0.80, "eyeSquint": 0.50},
            **{"cheekSquint": 0.60, "cheekRaiser": 0.25, "eyeBlink": 0.08},
        },
        mouth={"mouthUpperUp": 0.40, "mouthFrown": 0.60, "mouthShrugLower": 0.30},
        accent={"noseSneer": 0.26, "browDown": 0.16, "mouthUpperUp": 0.12},
        style=ArticulationStyle(jaw=0.85, lips=1.0, spread=0.9, rounding=0.9),
        pace=0.8,
    ),
    # AU 1 + 2 + 5 + 26
    "surprised": Feeling(
        upper={"browInnerUp": 1.35, "browOuterUp": 1.30, "eyeWide": 1.20},
        mouth={"jawOpen": 0.24, "mouthFunnel": 0.12},
        accent={"browInnerUp": 0.20, "browOuterUp": 0.26, "eyeWide": 0.15},
        style=ArticulationStyle(jaw=1.28, lips=1.0, spread=0.9, rounding=1.05, emphasis=1.3),
        parted=0.007,
    ),
}

# What may the layer do to the opening of the lips, as shares of the opening that speech has there.
_MORE, _LESS = 0.6, 0.4
_CLEARLY_OPEN, _FAR_FROM_F = 0.003, 0.0045  # metres
# How much of the mouth's pose gives way to a rounded vowel, and to f and v.
_ROUND_KEEPS, _TEETH_KEEP = 0.6, 0.5


def express(
    spans: Sequence[PhoneSpan],
    voice: NDArray[np.floating] | Prosody,
    seconds: float,
    emotion: str,
    *,
    rate: float = NETWORK_RATE,
    seed: int = 0,
) -> Curves:
    """(N, K) the layer of `emotion` at intensity 1, to add to what `articulate` gives.

    `voice`: mono 16 kHz samples or their `Prosody` at `rate`. N = floor(seconds * rate) + 2.
    "neutral" is all zeros. InputError if there is no such emotion.
    """
    index = emotion_index(emotion)
    heard = _heard(voice, seconds, rate)
    gesture = plan(spans, seconds, rate=rate, prosody=heard)
    return np.asarray(_layer(EMOTIONS[index], gesture, rate, seed, mouth_rig()), np.float32)


def express_all(
    spans: Sequence[PhoneSpan],
    voice: NDArray[np.floating] | Prosody,
    seconds: float,
    *,
    rate: float = NETWORK_RATE,
    seed: int = 0,
) -> Curves:
    """(N, 8, K) the layers of every emotion, in the order of `EMOTIONS`; see `express`."""
    gesture = plan(spans, seconds, rate=rate, prosody=_heard(voice, seconds, rate))
    rig = mouth_rig()
    layers = [_layer(name, gesture, rate, seed, rig) for name in EMOTIONS]
    return np.asarray(np.stack(layers, 1), np.float32)


def _heard(voice: NDArray[np.floating] | Prosody, seconds: float, rate: float) -> Prosody:
    if isinstance(voice, Prosody):
        return voice
    return prosody(voice, int(np.floor(seconds * rate + 1e-9)) + 2, rate=rate)


def _layer(
    emotion: str, gesture: Gesture, rate: float, seed: int, rig: MouthRig
) -> NDArray[np.float64]:
    plain = gesture.curves(rig=rig)
    if emotion not in FEELINGS:
        return np.zeros_like(plain)
    feeling = FEELINGS[emotion]
    random = np.random.default_rng([seed, EMOTIONS.index(emotion)])
    count = len(plain)
    swell = _swell(gesture, rate)
    accent = smooth(np.clip(gesture.accent, -0.4, 1.5), 0.07 * rate) * (1 - gesture.rest)
    rounding = np.clip(gesture.articulators[:, 4] + gesture.articulators[:, 5], 0, 1)
    yielding = 1 - (1 - gesture.rest) * np.maximum(
        _ROUND_KEEPS * rounding, _TEETH_KEEP * gesture.teeth
    )

    layer = gesture.curves(feeling.style, rig) - plain
    speaking = 1 - gesture.rest
    tight = 0.35 * gesture.rest + 0.65 * gesture.shut * speaking
    parts = (
        (feeling.upper, swell),
        (feeling.mouth, swell * yielding),
        (feeling.lips_tight, swell * tight),
        (feeling.accent, accent),
    )
    names = sorted({name for part, _ in parts for name in part})
    places = {name: rig.columns(name) for name in names}
    # A shape wanders as a whole; its two sides differ by a constant lean and a little drift.
    slow = _wander(random, count, len(names) + layer.shape[1], feeling.pace, rate)
    lean = 0.05 * random.standard_normal(layer.shape[1])
    alive = 1 + lean + 0.03 * slow[:, len(names) :]
    for i, name in enumerate(names):
        drive = sum(part[name] * strength for part, strength in parts if name in part)
        drive = drive * (1 + 0.10 * slow[:, i])
        columns = places[name]
        layer[:, columns] += drive[:, None] * (alive[:, columns] if len(columns) == 2 else 1)
    return _keep_contacts(layer, plain, gesture, feeling, rig)


def _keep_contacts(
    layer: NDArray[np.float64],
    plain: NDArray[np.float64],
    gesture: Gesture,
    feeling: Feeling,
    rig: MouthRig,
) -> NDArray[np.float64]:
    """Bound what the layer does to the lips' opening by the opening that speech has.

    Where speech shuts the lips that bound is zero, so they stay shut at any intensity; where it
    rests they may part as far as the feeling wants. Then the same for lip and teeth.
    """
    close, shrug = rig.index["mouthClose"], rig.index["mouthShrugLower"]
    quiet = 1 - gesture.rest
    spoken = np.maximum(rig.lip_gap(plain), 0)
    opens = rig.lip_gap(plain + layer) - spoken
    parted = feeling.parted * gesture.rest * (1 - gesture.shut)
    target = spoken + np.clip(opens, -_LESS * spoken, _MORE * spoken) * quiet + parted
    # Too wide: the lower lip follows, half of it by the chin (AU 17). Too tight: it gives way.
    layer[:, shrug] += 0.5 * np.maximum(spoken + opens - target, 0) / rig.shrug_slope
    layer = rig.with_gap(plain + layer, target) - plain
    # A smile lifts the lower lip to the teeth: where speech is open it must not look like an f.
    narrow = np.clip(spoken / _CLEARLY_OPEN, 0, 1) * np.clip(2 - spoken / _FAR_FROM_F, 0, 1)
    free = quiet * (1 - gesture.shut) * (1 - gesture.teeth) * narrow
    lower = rig.columns("mouthLowerDown")
    lifted = np.maximum(layer @ rig.rim_rows[0], 0) * free
    layer[:, lower] -= (lifted / rig.rim_rows[0, lower].sum())[:, None]
    # f and v keep the lip where speech has it.
    hold = gesture.teeth * (1 - gesture.shut) * quiet
    moved = layer @ rig.rim_rows.T
    knobs = [close, rig.index["mouthRollLower"]]
    layer[:, knobs] -= hold[:, None] * np.linalg.solve(rig.rim_rows[:, knobs], moved.T).T
    return layer


def _swell(gesture: Gesture, rate: float) -> Track:
    """About 1 in the middle of phrases, less in long silences: a quick onset, a slow offset."""
    speaking = 1 - gesture.rest
    kernel_time = np.arange(int(-0.35 * rate), int(1.1 * rate) + 1) / rate
    reach = np.where(kernel_time < 0, 0.36, 1.12)
    kernel = np.cos(0.5 * np.pi * kernel_time / reach) ** 2
    before, after = int(0.35 * rate), len(kernel) - 1 - int(0.35 * rate)
    padded = np.pad(speaking, (after, before), mode="edge")
    phrase = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return np.asarray(0.86 + 0.16 * phrase)


def _wander(
    random: np.random.Generator, count: int, tracks: int, pace: float, rate: float
) -> NDArray[np.float64]:
    """(count, tracks) slow noise of about unit size, nearly all of it below 0.6 Hz * pace."""
    step = max(rate / (1.2 * pace), 1.0)
    knots = random.standard_normal((int(np.ceil(count / step)) + 4, tracks))
    at = np.arange(count) / step
    i = at.astype(np.int64)
    f = (at - i)[:, None]
    # A cubic B-spline is C2 whatever its knots.
    return np.asarray(
        (1 - f) ** 3 / 6 * knots[i]
        + (3 * f**3 - 6 * f**2 + 4) / 6 * knots[i + 1]
        + (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6 * knots[i + 2]
        + f**3 / 6 * knots[i + 3]
    )
