# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound files in: any format libsndfile reads, mono at 16 kHz, in memory that does not grow."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from emoface_core.audio.resample import resample_blocks
from emoface_core.errors import InputError

SAMPLE_RATE = 16000
MIN_RATE, MAX_RATE = 1000, 1_536_000
MAX_CHANNELS = 256
# Float files may hold anything; beyond this it is not sound (integers stored as floats stay below).
_LOUDEST = 2.0**33
_READ_VALUES = 1 << 17  # values (frames x channels) read at a time
_FORMATS = "Use a wav, flac, ogg, mp3 or aiff file."


@dataclass(frozen=True, slots=True)
class AudioSource:
    """A readable sound file: its own rate and channels, and its length by its header."""

    path: Path
    sample_rate: int
    channels: int
    seconds: float

    def blocks(self, seconds: float = 10.0) -> Iterator[NDArray[np.float32]]:
        """Mono float32 at 16 kHz in blocks of `seconds` (the last may be shorter, none is empty).

        The samples are the same whatever the block size. Can be called again: each call reads the
        file anew. InputError when the file turns out damaged, cut short, or not sound.
        """
        size = max(1, round(seconds * SAMPLE_RATE))
        parts: list[NDArray[np.float32]] = []
        held = 0
        for chunk in resample_blocks(_mono_frames(self), self.sample_rate, SAMPLE_RATE):
            parts.append(chunk)
            held += len(chunk)
            if held >= size:
                joined = np.concatenate(parts)
                whole = held // size * size
                yield from joined[:whole].reshape(-1, size)
                parts, held = [joined[whole:]], held - whole
        if held:
            yield np.concatenate(parts)


def open_audio(path: Path | str) -> AudioSource:
    """Look at a sound file's header. InputError (one sentence) if it cannot be used."""
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"“{path}” is a folder, not a sound file.", "Choose a file in it.")
        if not path.exists():
            raise InputError(f"There is no file “{path}”.", "Check the path.")
        if not path.is_file():
            raise InputError(f"“{path}” is not an ordinary file.", _FORMATS)
        if path.stat().st_size == 0:
            raise InputError(f"“{path}” is an empty file.", "Export the sound again.")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(
            f"“{path}” cannot be read ({error.strerror}).", "Check its permissions."
        ) from None
    except ValueError:  # a NUL in the name
        raise InputError(f"“{path}” is not a possible file name.", "Check the path.") from None
    with _open(path) as sound:
        rate, channels, frames = sound.samplerate, sound.channels, sound.frames
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(
            f"“{path}” says it has {rate} samples a second, which no sound file has.",
            "Export the sound again, at 44100 or 48000 Hz.",
        )
    if channels > MAX_CHANNELS:
        raise InputError(f"“{path}” has {channels} channels.", "Mix it down to mono or stereo.")
    if frames == 0:
        raise InputError(f"“{path}” holds no sound (zero samples).", "Export the sound again.")
    source = AudioSource(path=path, sample_rate=rate, channels=channels, seconds=frames / rate)
    if _cut_short(path):
        raise _damaged(source, frames)
    return source


def read_audio(path: Path | str) -> NDArray[np.float32]:
    """A whole file as mono float32 at 16 kHz. InputError as `open_audio` and `blocks`."""
    blocks = list(open_audio(path).blocks())
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _open(path: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    # TypeError and ValueError: a name such as x.raw, for which soundfile wants more arguments.
    except (soundfile.SoundFileError, OSError, TypeError, ValueError):
        raise InputError(f"“{path}” is not a sound file that can be read.", _FORMATS) from None


def _mono_frames(source: AudioSource) -> Iterator[NDArray[np.float32]]:
    """The file's own frames, channels averaged, checked as they come."""
    frames = max(1, _READ_VALUES // source.channels)
    done = 0
    with _open(source.path) as sound:
        if (sound.samplerate, sound.channels) != (source.sample_rate, source.channels):
            raise InputError(f"“{source.path}” changed while it was read.", "Try again.")
        promised = sound.frames
        while True:
            try:
                block = sound.read(frames, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError):
                raise _damaged(source, done) from None
            if len(block) == 0:
                break
            # One pass finds NaN, infinity and absurd values alike: a NaN compares false.
            if not np.abs(block).max() <= _LOUDEST:
                raise InputError(
                    f"“{source.path}” holds values that are not sound (NaN, infinite or absurd), "
                    f"near {done / source.sample_rate:.1f} s.",
                    "Export the sound again.",
                )
            done += len(block)
            mono = block[:, 0] if source.channels == 1 else block.mean(axis=1)
            yield np.ascontiguousarray(mono, dtype=np.float32)
    if done == 0:
        raise InputError(f"“{source.path}” holds no sound (zero samples).", "Export it again.")
    # Lengths in mp3 headers are estimates; a tenth of a second or 1 % missing is still whole.
    if promised < 1 << 62 and promised - done > max(source.sample_rate // 10, promised // 100):
        raise _damaged(source, done)


def _cut_short(path: Path) -> bool:
    """Whether a wav or aiff file says that it holds more sound than it does.

    libsndfile reads such a file to its end and says nothing. Programs that write to a pipe leave
    the size at zero or at its greatest: that is no promise.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        form = stream.read(12)[:4]
        if form not in (b"RIFF", b"FORM"):
            return False
        order: Literal["little", "big"] = "little" if form == b"RIFF" else "big"
        while len(header := stream.read(8)) == 8:
            length = int.from_bytes(header[4:], order)
            if header[:4] in (b"data", b"SSND"):
                missing = stream.tell() + length - size
                return length < 0x7FFF_0000 and missing > max(4096, length // 100)
            stream.seek(length + length % 2, os.SEEK_CUR)
    return False


def _damaged(source: AudioSource, frames: int) -> InputError:
    return InputError(
        f"“{source.path}” is damaged or cut short after {frames / source.sample_rate:.1f} s.",
        "Export the sound again.",
    )
