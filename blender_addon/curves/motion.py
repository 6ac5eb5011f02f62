# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion that a bake keeps in the file, so that no later change needs the engine. No bpy."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_FORMAT = 2
_STEPS = 32767  # of a curve's peak: a key of 34 mm errs by half a micrometre


@dataclass(frozen=True, slots=True)
class Motion:
    """All curves of a performance as the engine made them. F frames, R1 and R2 keys.

    A key's curve says how much of its shape is shown. Arrays are read-only.
    """

    fps: float
    speech_keys: tuple[str, ...]  # R1 shapes of the rig, such as "jawOpen"
    speech: Floats  # (F, R1)
    emotion_keys: tuple[str, ...]  # R2, such as "browDown_L", "mouthSmile_L.mouth"
    emotion: Floats  # (F, 8, R2) each emotion alone at intensity 1
    voice: Floats  # (F, 8) how much of each emotion is heard in the voice, rows sum to 1
    emotion_names: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """For a custom property: about 12 kB a second of sound."""
        speech, speech_steps = _quantized(self.speech)
        emotion, emotion_steps = _quantized(self.emotion.reshape(len(self.emotion), -1))
        voice, voice_steps = _quantized(self.voice)
        header = {
            "format": _FORMAT,
            "fps": self.fps,
            "frames": len(self.speech),
            "speech_keys": self.speech_keys,
            "emotion_keys": self.emotion_keys,
            "emotion_names": self.emotion_names,
        }
        steps = np.concatenate([speech_steps, emotion_steps, voice_steps]).astype("<f4")
        text = json.dumps(header).encode()
        body = b"".join([steps.tobytes(), speech, emotion, voice])
        return len(text).to_bytes(4, "little") + text + zlib.compress(body, 1)


@lru_cache(maxsize=4)
def motion_from_bytes(data: bytes) -> Motion:
    """What `Motion.to_bytes` made. ValueError if it is not that."""
    start = 4 + int.from_bytes(data[:4], "little")
    try:
        header = json.loads(data[4:start])
        if header["format"] != _FORMAT:
            raise ValueError("another version wrote it")
        body = memoryview(zlib.decompress(data[start:]))
        return _read(header, body)
    except (KeyError, TypeError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"not a motion: {error}") from None


def _read(header: Mapping, body: memoryview) -> Motion:
    frames, names = header["frames"], len(header["emotion_names"])
    widths = [len(header["speech_keys"]), names * len(header["emotion_keys"]), names]
    columns = sum(widths)
    if len(body) != 4 * columns + 2 * frames * columns:
        raise ValueError("not a motion: another length")
    steps = np.frombuffer(body[: 4 * columns], "<f4")
    arrays, at, column = [], 4 * columns, 0
    for width in widths:
        size = 2 * frames * width
        curves = _restored(body[at : at + size], steps[column : column + width], frames)
        curves.flags.writeable = False
        arrays.append(curves)
        at, column = at + size, column + width
    speech, emotion, voice = arrays
    return Motion(
        fps=float(header["fps"]),
        speech_keys=tuple(header["speech_keys"]),
        speech=speech,
        emotion_keys=tuple(header["emotion_keys"]),
        emotion=emotion.reshape(frames, names, -1),
        voice=voice,
        emotion_names=tuple(header["emotion_names"]),
    )


def _quantized(curves: Floats) -> tuple[bytes, Floats]:
    """Steps from frame to frame in 16 bits, low and high bytes apart, which compresses well.

    Also the size (columns,) of a step in each column.
    """
    peaks = np.abs(curves).max(axis=0, initial=0.0)
    steps = (np.where(peaks > 0, peaks, 1) / _STEPS).astype(np.float32)
    whole = np.rint(curves / steps).astype(np.int16)
    change = np.diff(whole, axis=0, prepend=np.int16(0)).T  # wraps around, as adding up does
    return np.ascontiguousarray(change, "<i2").view("u1").reshape(-1, 2).T.tobytes(), steps


def _restored(data: memoryview, steps: Floats, frames: int) -> Floats:
    planes = np.frombuffer(data, "u1").reshape(2, -1).T
    change = np.ascontiguousarray(planes).view("<i2").reshape(len(steps), frames)
    whole = np.cumsum(change, axis=1, dtype=np.int16)
    return np.ascontiguousarray((whole * steps[:, None]).T, np.float32)
