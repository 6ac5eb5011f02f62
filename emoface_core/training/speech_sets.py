# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of recorded data sets: sound, what is said when, by whom and how."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.errors import InputError
from emoface_core.files import load_npz
from emoface_core.training.phones import PhoneSpan, label_spans

# Letter 6 of an EmoDB name is the emotion's German initial. Boredom is the nearest to calm.
EMODB_EMOTIONS = {
    "W": "angry",
    "L": "calm",
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
EMODB_HELD_OUT_SPEAKERS = frozenset({"14", "15"})
EMODB_HELD_OUT_SENTENCES = frozenset({"a02", "b03"})
SPEECHOCEAN_HELD_OUT_EVERY = 10

FACEGOOD_LAG_FRAMES = (1, 2)
FACEGOOD_HELD_OUT = "1114_2_05"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording with what its data set says about it.

    `samples` mono float32 at 16 kHz. `spans` are hand-made labels, or None; `words` are the ARPABET
    phones a native would say, word by word, or None.
    """

    id: str
    samples: NDArray[np.float32]
    speaker: str
    held_out: bool
    text: str = ""
    emotion: str | None = None
    spans: tuple[PhoneSpan, ...] | None = None
    words: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """A captured performance: sound and named curves (frames, names) at `fps`.

    The motion trails the sound by `lag_frames` (least, most): sound at t belongs to motion there.
    """

    id: str
    samples: NDArray[np.float32]
    curves: NDArray[np.float32]
    names: tuple[str, ...]
    fps: float
    lag_frames: tuple[int, int]
    held_out: bool


def emodb(folder: Path) -> Iterator[Recording]:
    """Berlin EmoDB: German, seven acted emotions, phones labelled by hand (CC0).

    Held out are two speakers, and two sentences of everybody: it has few sentences, so that a new
    speaker alone would be no test.
    """
    for sound in _files(folder, "*.flac"):
        name = sound.stem
        labels = read_lablaut(folder / f"{name}xx.lablaut")
        if len(labels) < 2:  # a few files were never labelled
            continue
        samples = read_audio(sound)
        yield Recording(
            id=name,
            samples=samples,
            speaker=f"emodb-{name[:2]}",
            held_out=name[:2] in EMODB_HELD_OUT_SPEAKERS or name[2:5] in EMODB_HELD_OUT_SENTENCES,
            text=name[2:5],
            emotion=EMODB_EMOTIONS[name[5]],
            spans=label_spans(labels, len(samples) / SAMPLE_RATE),
        )


def read_lablaut(path: Path) -> list[tuple[float, str]]:
    """(start in seconds, label) of a label file of EmoDB (an xlabel file, Latin-1)."""
    try:
        text = path.read_text(encoding="latin-1")
    except OSError:
        raise InputError(f"There is no label file “{path}”.", "Check the data folder.") from None
    _, mark, body = text.partition("\n#\n")
    labels = []
    for line in body.splitlines():
        parts = line.split(None, 2)
        if len(parts) >= 2:
            labels.append((float(parts[0]), parts[2].strip() if len(parts) == 3 else ""))
    if not mark:
        raise InputError(f"“{path}” is not a label file of EmoDB.", "Check the data folder.")
    return labels


def speechocean762(folder: Path) -> Iterator[Recording]:
    """speechocean762: English read by Mandarin natives, half of them children; phones, no times.

    Every tenth speaker is held out.
    """
    rows = _table(folder / "utterances.tsv", "\t")
    speakers = sorted({row["speaker"] for row in rows})
    held_out = set(speakers[::SPEECHOCEAN_HELD_OUT_EVERY])
    for row in rows:
        words = tuple(
            tuple(phone.split("_")[0].rstrip("012") for phone in word.split())
            for word in row["phones"].split("|")
        )
        yield Recording(
            id=row["utterance"],
            samples=read_audio(folder / f"{row['utterance']}.ogg"),
            speaker=f"speechocean762-{row['speaker']}",
            held_out=row["speaker"] in held_out,
            text=row["text"],
            words=tuple(word for word in words if word),
        )


def speechocean762_texts(folder: Path) -> list[str]:
    """What is said in speechocean762, in capitals, without reading the sound."""
    return [row["text"] for row in _table(folder / "utterances.tsv", "\t")]


def ljspeech(folder: Path) -> Iterator[Recording]:
    """LJ Speech: one woman reading English (public domain); text, no phones."""
    for row in _table(folder / "metadata.csv", "|"):
        name = Path(row["audio_file"]).stem
        yield Recording(
            id=name,
            samples=read_audio(folder / f"{name}.flac"),
            speaker="ljspeech",
            held_out=False,
            text=row["transcription"],
            emotion="neutral",
        )


def facegood(folder: Path) -> Iterator[Take]:
    """FACEGOOD's takes: Mandarin, one woman, 116 Maya curves at 30 fps (MIT)."""
    for path in _files(folder, "*.npz"):
        arrays = load_npz(path)
        yield Take(
            id=path.stem,
            samples=read_audio(path.with_suffix(".flac")),
            curves=arrays["values"].astype(np.float32),
            names=tuple(str(name) for name in arrays["names"]),
            fps=float(arrays["fps"]),
            lag_frames=FACEGOOD_LAG_FRAMES,
            held_out=path.stem == FACEGOOD_HELD_OUT,
        )


def _files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if not found:
        raise InputError(f"There is no {pattern} in “{folder}”.", "Check the data folder.")
    return found


def _table(path: Path, delimiter: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream, delimiter=delimiter, quoting=csv.QUOTE_NONE))
    except OSError:
        raise InputError(f"There is no table “{path}”.", "Check the data folder.") from None
