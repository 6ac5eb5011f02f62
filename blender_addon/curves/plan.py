# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake will write: shape keys in the mesh's own space, and their curves. NumPy, no bpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.easing import smoothstep
from emoface_core.layers import BakeLayers

from .motion import Motion
from .naming import key_name
from .timing import Clip

EASE_SECONDS = 0.2  # how long the mouth takes to leave and to regain its rest around the sound
FEELING_SECONDS = 0.8  # and the rest of the face: a feeling neither comes nor goes at once
ROOM = 12  # frames at rest before and after that, for motion that is moved in time


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """One shape key."""

    name: str
    layer: str  # "speech", "emotion", or a layer of another module's
    offsets: NDArray[np.float32]  # (V, 3) in the mesh's own units and orientation, at value 1
    values: NDArray[np.float32]  # (F,)


@dataclass(frozen=True, slots=True)
class BakePlan:
    """All shape keys of a bake, and the scene frames of their values."""

    frames: NDArray[np.float32]  # (F,) the sound's frames, and some around them
    keys: tuple[KeyPlan, ...]  # speech, then emotion, in the order of `motion`; then others
    motion: Motion
    first_frame: int  # of the sound, or from where on the face feels
    sound_frames: int  # from there on
    fps: float
    worst_error: float  # metres
    before: int = 0  # of the sound's frames, in which the face only feels
    after: int = 0
    scale: float = 1.0  # of the mesh: its units per metre


def plan_bake(layers: BakeLayers, clip: Clip) -> BakePlan:
    """Lay out the keys and curves of an animation for a clip's place on the timeline.

    A key is a shape of the rig at full strength, so its value means the same in every bake.
    Before and after the sound the face eases from and to its rest.
    """
    pad = max(1, round(FEELING_SECONDS * clip.fps)) + ROOM
    frames = np.arange(-pad, layers.frames + pad, dtype=np.float32) + np.float32(clip.felt_from)
    motion = Motion(
        fps=clip.fps,
        speech_keys=layers.speech_keys,
        speech=_eased(layers.speech_curves, max(1, round(EASE_SECONDS * clip.fps)), pad),
        emotion_keys=layers.emotion_keys,
        emotion=_eased(layers.emotion_curves, pad - ROOM, pad),
        voice=np.pad(layers.voice_weights, ((pad, pad), (0, 0)), mode="edge"),
        emotion_names=layers.emotion_names,
    )
    weights = np.pad(layers.emotion_weights, ((pad, pad), (0, 0)), mode="edge")
    emotion = np.einsum("tk,tkr->tr", weights, motion.emotion)
    to_mesh = np.asarray(layers.to_mesh[:3, :3], np.float32).T
    keys = [
        KeyPlan(key_name(layer, name), layer, shape @ to_mesh, values)
        for layer, names, basis, curves in (
            ("speech", layers.speech_keys, layers.speech_basis, motion.speech),
            ("emotion", layers.emotion_keys, layers.emotion_basis, emotion),
        )
        for name, shape, values in zip(names, basis, curves.T, strict=True)
    ]
    return BakePlan(
        frames=frames,
        keys=tuple(keys),
        motion=motion,
        first_frame=clip.felt_from,
        before=clip.before,
        after=clip.after,
        sound_frames=layers.frames,
        fps=clip.fps,
        worst_error=layers.worst_error,
        scale=float(np.cbrt(abs(np.linalg.det(layers.to_mesh[:3, :3])))),
    )


def _eased(curves: NDArray[np.float32], ease: int, pad: int) -> NDArray[np.float32]:
    """Lead (T, …) curves in from zero and out to it in `ease` of `pad` frames around them."""
    ramp = smoothstep(np.arange(ease, dtype=np.float32) / np.float32(ease))
    ramp = ramp.reshape(-1, *[1] * (curves.ndim - 1))
    still = np.zeros((pad - ease, *curves.shape[1:]), np.float32)
    return np.concatenate(
        [still, curves[:1] * ramp, curves, curves[-1:] * ramp[::-1], still], dtype=np.float32
    )
