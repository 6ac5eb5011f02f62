# SPDX-License-Identifier: GPL-3.0-or-later
"""Forced alignment: when each phone of a known sentence is spoken in a recording.

The recogniser is pocketsphinx with the American English model that its package carries (BSD).
Two passes: words with optional pauses first, then phones within them. What was found the hard way:
a sentence that runs to the very end of the sound fails (so half a second of faint noise is put
around it); `bestpath` loses the last word now and then and then the second pass fails; beams of
1e-100 underflow; and a decoder that failed once must not be used again.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.audio.level import level_gain
from emoface_core.errors import EmoFaceError
from emoface_core.training.phones import STOPS, VOWELS, PhoneSpan, from_arpabet, split_span

_PAD_SECONDS = 0.5
_FRAME_SECONDS = 0.01
# A frame's window of 25.6 ms begins with the frame, so its content lies 7.8 ms after the frame's
# middle. Against voices with exact times the starts come 7 ms early (median): this.
_WINDOW_SHIFT = 0.007


class AlignmentFailedError(EmoFaceError):
    """The recogniser found no path through the sentence."""

    code = "alignment_failed"


@dataclass(frozen=True, slots=True)
class Segment:
    """A phone (ARPABET, `SIL` for a pause) with times in seconds and its log score a frame."""

    phone: str
    start: float
    end: float
    score: float


class Aligner:
    """Aligns recordings with known phones. Not for several threads at once."""

    def __init__(self) -> None:
        self._decoder = self._new_decoder()

    @staticmethod
    def _new_decoder() -> Any:
        from pocketsphinx import Decoder

        return Decoder(
            samprate=float(SAMPLE_RATE),
            lm=None,
            bestpath=False,
            beam=1e-60,
            pbeam=1e-60,
            wbeam=1e-40,
            loglevel="FATAL",
        )

    def align(
        self, samples: NDArray[np.float32], words: Sequence[Sequence[str]]
    ) -> tuple[Segment, ...]:
        """Segments that cover the clip. `samples` mono at 16 kHz; each word its ARPABET phones.

        Raises AlignmentFailedError when the words cannot be laid onto the sound.
        """
        decoder = self._decoder
        names = []
        for word in words:
            phones = [phone.upper() for phone in word]
            name = "-".join(phones)
            if decoder.lookup_word(name) is None:
                decoder.add_word(name, " ".join(phones), True)
            names.append(name)
        pad = round(_PAD_SECONDS * SAMPLE_RATE)
        noise = np.random.default_rng(0).standard_normal(2 * pad) * 1e-4
        loud = np.clip(samples * level_gain(samples), -1, 1)
        padded = np.concatenate([noise[:pad], loud, noise[pad:]])
        sound = (padded * 32767).astype("<i2").tobytes()
        try:
            decoder.set_align_text(" ".join(names))
            self._decode(sound)
            if decoder.hyp() is None:
                raise RuntimeError("no hypothesis")
            decoder.set_alignment()
            self._decode(sound)
            found = [
                (p.name, p.start, p.duration, p.score)
                for word in decoder.get_alignment()
                for p in word
            ]
        except RuntimeError as error:
            self._decoder = self._new_decoder()
            raise AlignmentFailedError(f"The words do not fit the recording ({error}).") from None
        wanted = [phone.upper() for word in words for phone in word]
        if [name for name, *_ in found if name in wanted] != wanted:
            raise AlignmentFailedError("The recogniser left phones out.")
        return _unpad(found, len(samples) / SAMPLE_RATE)

    def _decode(self, sound: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()


def _unpad(found: Iterable[tuple[str, int, int, int]], seconds: float) -> tuple[Segment, ...]:
    segments = []
    for name, start, duration, score in found:
        shift = _WINDOW_SHIFT - _PAD_SECONDS
        begin = min(max(start * _FRAME_SECONDS + shift, 0.0), seconds)
        end = min(max((start + duration) * _FRAME_SECONDS + shift, 0.0), seconds)
        if end > begin:
            segments.append(Segment(name, begin, end, score / duration))
    return tuple(segments)


def segment_spans(segments: Iterable[Segment]) -> tuple[PhoneSpan, ...]:
    """Spans of the project's phones; diphthongs and affricates are split."""
    spans: list[PhoneSpan] = []
    for segment in segments:
        spans += split_span(from_arpabet(_plain(segment.phone)), segment.start, segment.end)
    return tuple(spans)


def settle(spans: Sequence[PhoneSpan], samples: NDArray[np.float32]) -> tuple[PhoneSpan, ...]:
    """Spans with the quiet ends of vowels before a pause given to the pause.

    The recogniser likes to stretch the last sound of a phrase into the silence after it, and a
    mouth that stays open there looks wrong. Times in seconds.
    """
    hop = SAMPLE_RATE // 100
    count = len(samples) // hop
    level = np.mean(samples[: count * hop].reshape(count, hop).astype(np.float64) ** 2, axis=1)
    level_db = 10 * np.log10(level + 1e-10)
    if count == 0:
        return tuple(spans)
    quiet = max(np.percentile(level_db, 95) - 38.0, np.percentile(level_db, 5) + 6.0)
    result: list[PhoneSpan] = []
    for i, span in enumerate(spans):
        last = i + 1 == len(spans)
        if span.phone in VOWELS and (last or spans[i + 1].phone == "sil"):
            first, stop = int(span.start * 100), min(int(span.end * 100), count)
            loud = np.flatnonzero(level_db[first:stop] > quiet)
            end = (first + int(loud[-1]) + 2) / 100 if len(loud) else span.end
            if end < span.end - 0.02:
                result += [PhoneSpan(span.phone, span.start, end), PhoneSpan("sil", end, span.end)]
                continue
        result.append(span)
    return tuple(result)


def _plain(phone: str) -> str:
    return "sil" if phone.startswith(("<", "[", "+")) else phone


@dataclass(frozen=True, slots=True)
class AlignmentQuality:
    """What says whether an alignment can be trusted."""

    score: (
        float  # mean log score a frame over the phones; -20 is usual, below -34 are the worst 4 %
    )
    hurried: float  # share of phones at the shortest possible length: a squeezed sentence
    stretched: float  # the longest phone against what its kind allows
    phones_a_second: float

    @property
    def good(self) -> bool:
        """Whether it may be learnt from."""
        return (
            self.score > -34.0
            and self.hurried < 0.35
            and self.stretched < 1.0
            and self.phones_a_second < 20.0
        )


def quality(segments: Sequence[Segment]) -> AlignmentQuality:
    """Judge an alignment by its scores and by how long its phones are."""
    spoken = [s for s in segments if from_arpabet(_plain(s.phone)) != ("sil",)]
    if not spoken:
        return AlignmentQuality(-1e3, 1.0, 9.0, 0.0)
    lengths = np.array([s.end - s.start for s in spoken])
    limits = np.array([_longest(s.phone) for s in spoken])
    scores = np.array([s.score for s in spoken])
    return AlignmentQuality(
        score=float(np.average(scores, weights=lengths)),
        hurried=float(np.mean(lengths < 0.035)),
        stretched=float(np.max(lengths / limits)),
        phones_a_second=len(spoken) / float(lengths.sum()),
    )


def _longest(phone: str) -> float:
    parts = from_arpabet(phone)
    if parts[0] in VOWELS:
        return 0.6 if len(parts) == 1 else 0.75
    return 0.4 if parts[0] in STOPS and len(parts) == 1 else 0.5


class AlignmentCache:
    """Alignments of a data set in a file of JSON lines that only grows, so that work resumes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, list] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a killed run
                self._known[entry["id"]] = entry["segments"]

    def get(self, key: str) -> tuple[Segment, ...] | None:
        """The segments of an utterance, () if it failed, None if it was not tried yet."""
        entry = self._known.get(key)
        return None if entry is None else tuple(Segment(*item) for item in entry)

    def put(self, key: str, segments: Sequence[Segment]) -> None:
        """Keep an alignment, at once and for good."""
        rows = [[s.phone, round(s.start, 4), round(s.end, 4), round(s.score, 1)] for s in segments]
        self._known[key] = rows
        with self.path.open("a", encoding="utf-8") as stream:
            if stream.tell() and not self._ends_line():
                stream.write("\n")
            stream.write(json.dumps({"id": key, "segments": rows}) + "\n")

    def _ends_line(self) -> bool:
        with self.path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"


def align_all(
    items: Iterable[tuple[str, NDArray[np.float32], Sequence[Sequence[str]]]],
    cache: AlignmentCache,
) -> Iterator[tuple[str, tuple[Segment, ...]]]:
    """Align (id, samples, words) one after the other; () for what cannot be aligned."""
    aligner = Aligner()
    for key, samples, words in items:
        segments = cache.get(key)
        if segments is None:
            try:
                segments = aligner.align(samples, words)
            except AlignmentFailedError:
                segments = ()
            cache.put(key, segments)
        yield key, segments
