# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips that nothing was trained on, with their labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.evaluation.performers import Heard
from emoface_core.evaluation.words import emodb_spoken
from emoface_core.training import alignment, speech_sets
from emoface_core.training.corpus import open_corpus
from emoface_core.training.phones import SILENCE, PhoneSpan

T = TypeVar("T")

_BY_EAR = "forced alignment by an earlier model"


@dataclass(frozen=True, slots=True)
class CorpusSet:
    """Sources of a corpus that are evaluated together, and where their labels come from."""

    title: str
    labels: str
    sources: tuple[str, ...]


CORPUS_SETS = {
    "prompts": CorpusSet("telephone prompts", _BY_EAR, ("asterisk",)),
    "dialogues": CorpusSet("acted dialogues", _BY_EAR, ("dialogues",)),
    "stamps": CorpusSet("volunteers' descriptions", _BY_EAR, ("stamps",)),
    "synthetic": CorpusSet(
        "synthetic voices", "exact times", ("flite", "festival", "espeak", "diphone")
    ),
}


def emodb_clips(data: Path, limit: int | None = None, *, held_out: bool = True) -> Iterator[Heard]:
    """EmoDB's held-out clips (or all the others), with hand labels. `limit` as in `spread`."""
    items = speech_sets.emodb(data / "speech" / "emodb")
    for item in spread([item for item in items if item.held_out == held_out], limit):
        spans = item.spans or ()
        yield replace(_heard(item, spans), text=emodb_spoken(item.text, spans).text)


def speechocean_clips(data: Path, limit: int | None = None) -> Iterator[Heard]:
    """speechocean762's held-out speakers, aligned; what cannot be aligned well is left out."""
    aligner = alignment.Aligner()
    items = speech_sets.speechocean762(data / "speech" / "speechocean762")
    for item in spread([item for item in items if item.held_out], limit):
        try:
            segments = aligner.align(item.samples, item.words or ())
        except alignment.AlignmentFailedError:
            continue
        if alignment.quality(segments).good:
            yield _heard(item, alignment.settle(alignment.segment_spans(segments), item.samples))


def corpus_clips(corpus: Path, name: str, limit: int | None = None) -> Iterator[Heard]:
    """The held-out utterances of a corpus on disk; `name` is one of `CORPUS_SETS`."""
    items = open_corpus(corpus).utterances("held_out", CORPUS_SETS[name].sources)
    for item in spread(list(items), limit):
        audio = item.audio.astype(np.float32) / 32768
        yield Heard(item.id, audio, item.spans, item.speaker, item.emotion, item.text)


def spread(items: Sequence[T], limit: int | None) -> Sequence[T]:
    """At most `limit` of the items, evenly over the whole, so that few clips are many speakers."""
    if limit is None or len(items) <= limit:
        return items
    return [items[k * len(items) // limit] for k in range(limit)]


def silent_clips(seconds: float = 6.0) -> list[Heard]:
    """Digital silence; and a room: noise that falls with frequency, and hum, at -60 dB."""
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20))
    room = np.fft.irfft(spectrum, count)
    room += 0.3 * room.std() * np.sin(2 * np.pi * 50 * np.arange(count) / SAMPLE_RATE)
    room *= 10 ** (-60 / 20) / np.sqrt(np.mean(room**2))
    spans = (PhoneSpan(SILENCE, 0.0, seconds),)
    return [
        Heard("digital silence", np.zeros(count, np.float32), spans),
        Heard("room silence", room.astype(np.float32), spans),
    ]


def _heard(item: speech_sets.Recording, spans: Sequence[PhoneSpan]) -> Heard:
    return Heard(item.id, item.samples, tuple(spans), item.speaker, item.emotion, item.text)
