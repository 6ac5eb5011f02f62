# SPDX-License-Identifier: GPL-3.0-or-later
"""Sounds that Blender plays and the engine does not read, such as a film's: decoded by Blender."""

import hashlib
import tempfile
import wave
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from emoface_core.files import atomic_path

from ..curves.timing import Clip

try:
    import aud
except ImportError:  # Blender 4.2 as a Python module is built without sound
    aud = None

_BLOCK = 1 << 20  # samples
_BEGINNINGS = (b"fLaC", b"OggS", b"ID3", b"caff", b".snd", b"RF64", b"RIFX")
_FORMS = ((b"RIFF", b"WAVE"), (b"FORM", b"AIFF"), (b"FORM", b"AIFC"))


def readable(path: Path, clip: Clip) -> tuple[Path, Clip]:
    """A sound file as the engine can read it, and the part that is heard of it.

    What the engine reads itself, and what Blender cannot read either, stays as it is. Of anything
    else Blender writes the part that is heard, mono, into its temporary folder; once for each part.
    """
    if aud is None or _is_read_by_engine(path):
        return path, clip
    wav = temporary_folder() / f"{path.stem} {_digest(path, clip)}.wav"
    if not wav.is_file():
        sound = aud.Sound.file(str(path))
        if clip.seconds is not None:  # Blender leaps to it as it does when it plays the strip
            sound = sound.limit(clip.start, clip.start + clip.seconds)
        try:
            rate, samples = round(sound.specs[0]), sound.rechannel(1).data()
        except aud.error:
            return path, clip  # the engine says what is wrong with it
        _write(wav, samples, rate)
    return wav, clip if clip.seconds is None else replace(clip, start=0.0)


def _write(wav: Path, samples: NDArray[np.float32], rate: int) -> None:
    with atomic_path(wav) as unfinished, wave.open(str(unfinished), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for start in range(0, len(samples), _BLOCK):
            block = samples[start : start + _BLOCK].clip(-1.0, 1.0) * 32767
            file.writeframesraw(block.astype("<i2").tobytes())


def _is_read_by_engine(path: Path) -> bool:
    """Whether a file begins as those do that libsndfile knows."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return True  # it says why it cannot be read
    is_mpeg = len(start) > 1 and start[0] == 0xFF and start[1] >= 0xE0 and start[1] & 0x06 != 0
    return is_mpeg or start.startswith(_BEGINNINGS) or (start[:4], start[8:]) in _FORMS


def _digest(path: Path, clip: Clip) -> str:
    found = path.stat()
    of = (str(path.absolute()), found.st_size, found.st_mtime_ns, clip.start, clip.seconds)
    return hashlib.sha256(repr(of).encode()).hexdigest()[:8]


def temporary_folder() -> Path:
    """Blender's own, which goes when Blender ends."""
    return Path(bpy.app.tempdir or tempfile.gettempdir())
