# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake will write: shape keys in the mesh's own space, and their curves. NumPy, no bpy."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emoface_core.layers import BakeLayers

from .naming import key_name
from .timing import Clip

EASE_SECONDS = 0.2  # how long the face takes to leave and to regain its rest around the sound
# Curves peak at 1, the intensity goes to 1.5, and there is room for hand animation on top.
SLIDER = 2.0

Layer = Literal["speech", "emotion"]


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """One shape key."""

    name: str
    layer: Layer
    offsets: NDArray[np.float32]  # (V, 3) in the mesh's own units and orientation, at value 1
    values: NDArray[np.float32]  # (F,) within ±1


@dataclass(frozen=True, slots=True)
class BakePlan:
    """All shape keys of a bake, and the scene frames of their values."""

    frames: NDArray[np.float32]  # (F,) the sound's frames, and a few around them
    keys: tuple[KeyPlan, ...]
    palette: NDArray[np.float32]  # (F, 8, R2 + 1): see `mix_palette`
    first_frame: int  # of the sound
    sound_frames: int
    fps: float
    worst_error: float  # metres

    def layer(self, layer: Layer) -> tuple[KeyPlan, ...]:
        """The keys of one layer."""
        return tuple(key for key in self.keys if key.layer == layer)


def plan_bake(layers: BakeLayers, clip: Clip) -> BakePlan:
    """Lay out the keys and curves of an animation for a clip's place on the timeline.

    Each curve is scaled to a peak of 1 and its shape by the inverse. Emotion shapes are scaled by
    the peak over all eight emotions, so another choice of emotion changes the curves alone. Before
    and after the sound the face eases from and to its rest.
    """
    to_mesh = layers.to_mesh[:3, :3]
    speech_peak = _peaks(layers.speech_curves)
    emotion_peak = _peaks(layers.emotion_curves)
    pad = max(1, round(EASE_SECONDS * clip.fps))
    frames = np.arange(-pad, layers.frames + pad, dtype=np.float32) + np.float32(clip.first_frame)

    speech = _ease(layers.speech_curves / speech_peak, pad)
    each_emotion = _ease(layers.emotion_curves / emotion_peak, pad)
    weights = np.pad(layers.emotion_weights, ((pad, pad), (0, 0)), mode="edge")
    voice = np.pad(layers.voice_weights, ((pad, pad), (0, 0)), mode="edge")
    emotion = np.einsum("tk,tkr->tr", weights, each_emotion)

    keys: list[KeyPlan] = []
    for layer, basis, peaks, values in (
        ("speech", layers.speech_basis, speech_peak, speech),
        ("emotion", layers.emotion_basis, emotion_peak, emotion),
    ):
        offsets = (basis * peaks[:, None, None]) @ to_mesh.T
        keys += [
            KeyPlan(
                key_name(layer, index),
                layer,  # type: ignore[arg-type]
                np.ascontiguousarray(offsets[index], np.float32),
                np.ascontiguousarray(values[:, index], np.float32),
            )
            for index in range(len(basis))
        ]
    return BakePlan(
        frames=frames,
        keys=tuple(keys),
        palette=np.concatenate([each_emotion, voice[:, :, None]], axis=2),
        first_frame=clip.first_frame,
        sound_frames=layers.frames,
        fps=clip.fps,
        worst_error=layers.worst_error,
    )


def _peaks(curves: NDArray[np.float32]) -> NDArray[np.float32]:
    """(R,) largest absolute value of each curve; 1 for a curve that is zero throughout."""
    peaks = np.abs(curves).reshape(-1, curves.shape[-1]).max(axis=0, initial=0.0)
    return np.where(peaks > 0, peaks, 1).astype(np.float32)


def _ease(curves: NDArray[np.float32], pad: int) -> NDArray[np.float32]:
    """Lead (T, …) curves in from zero and out to it, `pad` frames on each side."""
    ramp = np.arange(pad, dtype=np.float32) / pad
    ramp = (ramp * ramp * (3 - 2 * ramp)).reshape(-1, *[1] * (curves.ndim - 1))
    return np.concatenate([curves[:1] * ramp, curves, curves[-1:] * ramp[::-1]])


def mix_palette(
    palette: NDArray[np.float32], chosen: int | None, preference: float | None
) -> NDArray[np.float32]:
    """(F, R) curves of the emotion keys for another choice, with no new inference.

    A palette (F, 8, R + 1) holds the curves of each of the eight emotions alone and, last, how
    much of each is heard in the voice. `chosen`: index of an emotion, None for the voice's own;
    `preference`: 0 all voice, 1 (or None) all choice.
    """
    each_emotion, voice = palette[:, :, :-1], palette[:, :, -1]
    weights = voice
    if chosen is not None:
        share = np.float32(1.0 if preference is None else preference)
        weights = (1 - share) * voice + share * np.eye(voice.shape[1], dtype=np.float32)[chosen]
    return np.einsum("tk,tkr->tr", weights, each_emotion)
