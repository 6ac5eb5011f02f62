# SPDX-License-Identifier: GPL-3.0-or-later
"""What the eyes' layer holds: its shape keys, their curves, and how far a blink must go. No bpy.

Keys of the layer add to those of speech and emotion, so a blink on lids that a smile has half shut
would push them through each other. Its key is therefore driven by what the other keys leave open:

    eyeBlink = blink * (open + slope1 * key1 + slope2 * key2 + …)
    eyeWide  = -blink * (what the emotion widens)

They read the other keys' values in the frame itself. So lids meet with any emotion, at any
intensity, keyed or posed by hand, and another choice of emotion needs no new blink.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.eyes import (
    EYE_SHAPES,
    EyeSettings,
    Phrase,
    Scene,
    eye_curves,
    lid_openings,
    phrases_heard,
)
from emoface_core.face.head import load_head
from emoface_core.layers import BakeLayers

from .naming import key_name
from .plan import KeyPlan

Floats = NDArray[np.float32]

LAYER = "eyes"
SOUND = "emoface.eyes"  # custom property of the Key: a HeardSound
BLINK = "blink"  # the driver variable that carries the plan's curve

_RELEASED = ("eyeWide_L", "eyeWide_R")  # shapes that a blink takes back
_LEAST_SLOPE = 0.02  # of a blink's way: what moves the lids less is no matter
_LONGEST = 256  # characters that Blender keeps of a driver's expression
_NAMES = "abcdfghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class HeardSound:
    """What of a sound the eyes need, kept in the file so that no later change needs the engine."""

    seconds: float
    phrases: tuple[Phrase, ...]
    turn: tuple[tuple[float, ...], ...]  # (3, 3) takes offsets in the head's frame to the mesh's

    @staticmethod
    def of(layers: BakeLayers) -> "HeardSound":
        """From a performance."""
        heard = phrases_heard(
            layers.phone_names, layers.phone_start, layers.phone_end, layers.phone_index
        )
        turn = tuple(tuple(row) for row in layers.to_mesh[:3, :3].tolist())
        return HeardSound(layers.seconds, heard, turn)

    def to_json(self) -> str:
        """For a custom property."""
        times = [[round(p.start, 3), round(p.end, 3)] for p in self.phrases]
        return json.dumps({"seconds": self.seconds, "phrases": times, "turn": self.turn})

    @staticmethod
    def from_json(text: str) -> "HeardSound":
        """What `to_json` made. ValueError if it is not that."""
        try:
            read = json.loads(text)
            turn = tuple(tuple(float(x) for x in row) for row in read["turn"])
            if [len(row) for row in turn] != [3, 3, 3]:
                raise ValueError("not a turn")
            phrases = tuple(Phrase(float(start), float(end)) for start, end in read["phrases"])
            return HeardSound(float(read["seconds"]), phrases, turn)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not what a bake keeps of a sound: {error}") from None


@dataclass(frozen=True, slots=True)
class Lid:
    """How a key of the layer is driven: the expression, and the keys that its variables read."""

    expression: str
    reads: Mapping[str, str]  # variable: key


def eye_keys(
    sound: HeardSound, settings: EyeSettings, weights: Floats, frames: int, fps: float
) -> tuple[KeyPlan, ...]:
    """The layer's keys, which move for as many `frames` with rest on both sides.

    `weights` (T, 8) is what is felt in the sound's T frames. Of driven keys (`is_driven`) the
    values are the blink, which the driver scales.
    """
    head = load_head()
    turn = np.asarray(sound.turn, np.float32).T
    moved = eye_values(sound, settings, weights, frames, fps)
    return tuple(
        KeyPlan(key_name(LAYER, name), LAYER, head.shape(name) @ turn, moved[name])
        for name in (*EYE_SHAPES, *_RELEASED)
    )


def eye_values(
    sound: HeardSound, settings: EyeSettings, weights: Floats, frames: int, fps: float
) -> dict[str, Floats]:
    """(frames,) for each shape of the layer; see `eye_keys`."""
    count = len(weights)
    scene = Scene(sound.seconds, sound.phrases, weights, fps)
    before = (frames - count) // 2
    around = ((before, frames - count - before), (0, 0))
    curves = np.pad(eye_curves(scene, settings, count, fps), around)
    values = dict(zip(EYE_SHAPES, np.ascontiguousarray(curves.T), strict=True))
    return values | {name: values[f"eyeBlink_{name[-1]}"] for name in _RELEASED}


def is_driven(name: str) -> bool:
    """Whether a shape of the layer is driven, its curve being only the blink."""
    return name.startswith("eyeBlink") or name in _RELEASED


def lids(rest: Floats, others: Mapping[str, Floats], sound: HeardSound) -> dict[str, Lid]:
    """How the driven shapes of the layer are driven, by their names.

    `rest` (V, 3): the mesh's neutral. `others`: offsets (V, 3) of all other keys that show, by
    name, at value 1.
    """
    back = np.linalg.inv(np.asarray(sound.turn)).T
    released = {side: [] for side in "LR"}  # type: dict[str, list[str]]
    closed = []
    for name in others:
        shape = name.split(".", 2)[-1]
        if shape in _RELEASED:
            released[shape[-1]].append(name)
        else:
            closed.append(name)
    shapes = np.stack([others[name] for name in closed]) if closed else np.zeros((0, *rest.shape))
    opening, slopes = lid_openings(rest @ back, shapes @ back, load_head())
    made = {}
    for number, side in enumerate("LR"):
        made[f"eyeBlink_{side}"] = _closing(float(opening[number]), closed, slopes[:, number])
        reads = dict(zip(_NAMES, released[side], strict=False))
        total = "+".join(reads) or "0"
        made[f"eyeWide_{side}"] = Lid(f"-{BLINK}*({total})", reads)
    return made


def _closing(opening: float, keys: Sequence[str], slopes: Floats) -> Lid:
    order = [n for n in np.argsort(-np.abs(slopes)) if abs(slopes[n]) >= _LEAST_SLOPE]
    terms, reads = f"{opening:.3f}", {}
    for variable, n in zip(_NAMES, order, strict=False):
        term = f"{slopes[n]:+.3f}*{variable}"
        if len(f"{BLINK}*max(0,min(2,{terms}{term}))") >= _LONGEST:
            break
        terms += term
        reads[variable] = keys[n]
    return Lid(f"{BLINK}*max(0,min(2,{terms}))", reads)
