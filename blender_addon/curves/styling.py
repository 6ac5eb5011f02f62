# SPDX-License-Identifier: GPL-3.0-or-later
"""How a performance is styled after it was made: curves in, curves out. NumPy, no bpy.

Everything here works on the curves of named shapes of the rig, so a change is exact and quick.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .contacts import LIPS, MOUTH, bite, closure, keep_contacts, lip_slopes
from .cues import Accent, Cue, Feeling, gain_over_time, weights_over_time
from .motion import Motion
from .plan import ROOM

Floats = NDArray[np.float32]

REGIONS = ("brows", "eyes", "cheeks", "mouth", "jaw")
_PREFIXES = {"brow": 0, "eye": 1, "Pupil": 1, "cheek": 2, "nose": 2, "mouth": 3, "jaw": 4}
_UPPER = 3  # regions before this one are of the upper face

_ROUNDING = {"mouthFunnel", "mouthPucker"}
_LIP_OPENING = {"mouthUpperUp_L", "mouthUpperUp_R", "mouthLowerDown_L", "mouthLowerDown_R"}
_PRESS = {"mouthPress_L", "mouthPress_R"}

_SQUEEZE, _RELAX = 0.001, 0.0025  # metres between the lips at closing force 2 and 0


@dataclass(frozen=True, slots=True)
class SpeechStyle:
    """How the speech is spoken; 1 is as heard."""

    strength: float = 1.0
    jaw_opening: float = 1.0
    lip_opening: float = 1.0
    lip_closing: float = 1.0
    rounding: float = 1.0
    smoothing_upper: float = 0.0  # seconds
    smoothing_lower: float = 0.0  # seconds
    offset: float = 0.0  # frames; positive: the face comes later


@dataclass(frozen=True, slots=True)
class RegionStyle:
    """How strong the emotion is in each region; 1 is as made."""

    brows: float = 1.0
    eyes: float = 1.0
    cheeks: float = 1.0
    mouth: float = 1.0
    jaw: float = 1.0


@dataclass(frozen=True, slots=True)
class Style:
    """All that can be changed after a bake, without the engine."""

    feeling: Feeling = field(default_factory=Feeling)  # before the first cue
    cues: tuple[Cue, ...] = ()
    lower: Feeling | None = None  # of mouth and jaw throughout; None: as the rest of the face
    speech: SpeechStyle = field(default_factory=SpeechStyle)
    accents: tuple[Accent, ...] = ()
    regions: RegionStyle = field(default_factory=RegionStyle)


def region_of(key: str) -> int:
    """Index into REGIONS of a key such as "browDown_L" or "mouthSmile_L.mouth"."""
    return next((region for start, region in _PREFIXES.items() if key.startswith(start)), 3)


def styled(motion: Motion, style: Style, first_frame: float) -> tuple[Floats, Floats]:
    """Curves (F, R1) of the speech keys and (F, R2) of the emotion keys.

    `first_frame`: the scene frame of the motion's first row, where cues are counted from.
    """
    frames = np.float32(first_frame) + np.arange(len(motion.speech), dtype=np.float32)
    speech = speech_curves(
        motion.speech,
        motion.speech_keys,
        style.speech,
        motion.fps,
        gain_over_time(style.accents, frames) if style.accents else None,
    )
    return speech, emotion_curves(motion, style, frames, speech)


def speech_curves(
    curves: Floats,
    keys: Sequence[str],
    style: SpeechStyle,
    fps: float,
    gain: Floats | None = None,
) -> Floats:
    """Curves (F, R) of the speech keys, in the style.

    Lips that were shut stay shut however far the jaw or the lips open otherwise, and a lower lip
    at the teeth stays there; the closing force presses or loosens lips that are shut. `gain` (F,)
    scales all of it over time.
    """
    gains = np.array([_speech_gain(key, style) for key in keys], np.float32)
    made = curves * gains
    made += bite(curves, keys)[:, None] * (curves * np.float32(style.strength) - made)
    if LIPS in keys and style != SpeechStyle(strength=style.strength):
        made[:, keys.index(LIPS)] += _closing(curves, made, keys, style)
    if gain is not None:
        made *= gain[:, None]
    made = _smoothed(made, keys, style, fps)
    return _moved(made, style.offset)


def _speech_gain(key: str, style: SpeechStyle) -> float:
    if key == "jawOpen":
        return style.strength * style.jaw_opening
    if key in _ROUNDING:
        return style.strength * style.rounding
    if key in _LIP_OPENING:
        return style.strength * style.lip_opening
    if key in _PRESS:
        return style.strength * style.lip_closing
    return style.strength


def _closing(before: Floats, after: Floats, keys: Sequence[str], style: SpeechStyle) -> Floats:
    """(F,) to be added to `mouthClose`, so that what was shut is shut."""
    slopes = np.array([lip_slopes().get(key, 0.0) for key in keys], np.float32)
    gap = before @ slopes
    shut, force = closure(gap, before, keys), style.lip_closing - 1
    wanted = gap * style.strength - force * (_SQUEEZE if force > 0 else _RELAX)
    return shut * (wanted - after @ slopes) / lip_slopes()[LIPS]


def emotion_curves(motion: Motion, style: Style, frames: Floats, speech: Floats) -> Floats:
    """Curves (F, R) of the emotion keys at intensity 1 of the face, at scene frames (F,).

    Its part about the mouth comes with the `speech` (F, S) that it is laid on, whose contacts it
    keeps, whatever the style of the regions.
    """
    weights = weights_over_time(style.feeling.mixture(), style.cues, frames, motion.voice)
    regions = np.array([region_of(key) for key in motion.emotion_keys], np.int64)
    layers = motion.emotion
    if style.speech.offset != 0:
        mouth = [key.endswith(MOUTH) for key in motion.emotion_keys]
        layers = layers.copy()
        layers[:, :, mouth] = _moved(layers[:, :, mouth], style.speech.offset)
    made = np.einsum("tk,tkr->tr", weights, layers)
    mixed = made
    if style.lower is not None:
        lower = regions >= _UPPER
        strength = weights.sum(axis=1, keepdims=True)  # the cues' intensity holds for both
        shares = style.lower.mixture()
        weights = strength * (shares[:-1] + shares[-1:] * motion.voice)
        mixed = made.copy()
        mixed[:, lower] = np.einsum("tk,tkr->tr", weights, layers[:, :, lower])
    strengths = np.array([getattr(style.regions, name) for name in REGIONS], np.float32)
    # A lip at the teeth stays there if mouth and jaw go together: both as the weaker of them.
    together = np.where(regions >= _UPPER, strengths[_UPPER:].min() - strengths[regions], 0)
    felt = mixed * (strengths[regions] + bite(speech, motion.speech_keys)[:, None] * together)
    felt = _smoothed(felt, motion.emotion_keys, style.speech, motion.fps)
    if style.lower is None and style.regions == RegionStyle():
        return felt
    made = _smoothed(made, motion.emotion_keys, style.speech, motion.fps)
    return keep_contacts(speech, motion.speech_keys, felt, made, motion.emotion_keys)


def _smoothed(curves: Floats, keys: Sequence[str], style: SpeechStyle, fps: float) -> Floats:
    if style.smoothing_upper <= 0 and style.smoothing_lower <= 0:
        return curves
    upper = np.array([region_of(key) < _UPPER for key in keys])
    made = curves.copy()
    for columns, seconds in ((upper, style.smoothing_upper), (~upper, style.smoothing_lower)):
        if seconds > 0 and columns.any():
            made[:, columns] = _gaussian(curves[:, columns], seconds * fps)
    return made


def _gaussian(curves: Floats, deviation: float) -> Floats:
    """Convolve columns (F, n) with a Gaussian of that deviation in frames; zero outside."""
    reach = max(1, int(np.ceil(3 * deviation)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    padded = np.pad(curves, ((reach, reach), (0, 0)))
    made = np.zeros_like(curves)
    for shift, weight in enumerate(kernel):
        made += weight * padded[shift : shift + len(curves)]
    return made


def _moved(curves: Floats, offset: float) -> Floats:
    """Curves (F, …) that come `offset` frames later, at most ROOM; between frames straight."""
    offset = float(np.clip(offset, -ROOM, ROOM))
    if offset == 0:
        return curves
    whole = int(np.floor(offset))
    part = np.float32(offset - whole)
    room = ((ROOM + 1, ROOM + 1), *[(0, 0)] * (curves.ndim - 1))
    padded = np.pad(curves, room)
    start, count = ROOM + 1 - whole, len(curves)
    return (1 - part) * padded[start : start + count] + part * padded[start - 1 : start - 1 + count]
