# SPDX-License-Identifier: GPL-3.0-or-later
"""How good a corpus is: alignment against known times, and the sound against the labels."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.training.alignment import Aligner, AlignmentFailedError
from emoface_core.training.corpus import Corpus
from emoface_core.training.phones import STOPS, VOWELS, PhoneSpan
from emoface_core.training.shards import Utterance

# The English recogniser's nearest unit for phones of any language.
_NEAREST_ARPABET = {
    "i": "IY", "ɪ": "IH", "e": "EY", "ɛ": "EH", "æ": "AE", "a": "AA", "ɑ": "AA", "ɔ": "AO",
    "o": "OW", "ʊ": "UH", "u": "UW", "ʌ": "AH", "ə": "AH", "ɜ": "ER", "y": "UW", "ø": "ER",
    "œ": "ER", "x": "HH", "ç": "SH", "ʁ": "R", "ɹ": "R", "θ": "TH", "ð": "DH", "ʃ": "SH",
    "ʒ": "ZH", "ŋ": "NG", "h": "HH", "j": "Y", "ɡ": "G", "β": "V",
}  # fmt: skip
_KNOWN_TIMES = ("emodb", "flite", "festival")


@dataclass(frozen=True, slots=True)
class AlignmentError:
    """How far aligned starts lie from known ones, in milliseconds; `bias` > 0 is late."""

    source: str
    phones: str
    count: int
    bias: float
    median: float
    percentile_90: float


def alignment_errors(
    utterances: Iterable[Utterance], source: str
) -> tuple[list[AlignmentError], int]:
    """Errors by kind of phone, and how many utterances could not be aligned."""
    aligner = Aligner()
    failed = 0
    errors: dict[str, list[float]] = defaultdict(list)
    for utterance in utterances:
        known = [s for s in utterance.spans if s.phone not in ("sil", "ʔ")]
        known = [s for s in known if s.end - s.start > 0.012]
        names = [_NEAREST_ARPABET.get(s.phone, s.phone.upper()) for s in known]
        samples = utterance.audio.astype(np.float32) / 32768
        try:
            words = [names[i : i + 4] for i in range(0, len(names), 4)]
            found = [s for s in aligner.align(samples, words) if s.phone != "SIL"]
        except AlignmentFailedError:
            failed += 1
            continue
        if len(found) != len(known):
            failed += 1
            continue
        for segment, span in zip(found, known, strict=True):
            error = 1000 * (segment.start - span.start)
            errors["all"].append(error)
            errors[_kind(span)].append(error)
    result = []
    for kind in sorted(errors):
        values = np.array(errors[kind])
        size = np.abs(values)
        result.append(
            AlignmentError(
                source,
                kind,
                len(values),
                float(np.median(values)),
                float(np.median(size)),
                float(np.percentile(size, 90)),
            )
        )
    return result, failed


def _kind(span: PhoneSpan) -> str:
    if span.phone in VOWELS:
        return "vowels"
    if span.phone in "pbm":
        return span.phone
    if span.phone in "fv":
        return "f v"
    return "t d k g" if span.phone in STOPS else "other"


def levels(utterances: Iterable[Utterance]) -> dict[str, float]:
    """Median level of each phone (of a stop: of its closure), in dB below the loudest speech."""
    heard: dict[str, list[float]] = defaultdict(list)
    for utterance in utterances:
        level, top = _level(utterance.audio.astype(np.float64) / 32768)
        for span in utterance.spans:
            first = round(span.start * 200)
            last = round((span.release or span.end) * 200)
            if first < min(last, len(level)):
                heard[span.phone].append(float(level[first:last].mean()) - top)
    return {phone: float(np.median(values)) for phone, values in heard.items()}


def _level(samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Level in dB at 200 a second over 10 ms, and the level of the loudest twentieth."""
    hop, window = SAMPLE_RATE // 200, SAMPLE_RATE // 100
    padded = np.pad(samples, window // 2 - hop // 2)
    energy = np.concatenate([[0.0], np.cumsum(padded**2)])
    starts = np.arange(0, len(padded) - window + 1, hop)
    level = 10 * np.log10((energy[starts + window] - energy[starts]) / window + 1e-9)
    return level, float(np.percentile(level, 95)) if len(level) else 0.0


def check(corpus: Corpus, count: int) -> list[str]:
    """Lines that say how good the labels are, from `count` utterances of each source."""
    lines = ["Forced alignment against known times of phones' starts (ms)"]
    lines.append("source      phones      count    bias  median    90 %")
    for source in _KNOWN_TIMES:
        if source in corpus.info["sources"]:
            chosen = islice(corpus.utterances(sources=[source]), count)
            errors, failed = alignment_errors(chosen, source)
            lines += [
                f"{e.source:11} {e.phones:9} {e.count:7} {e.bias:7.1f} {e.median:7.1f} "
                f"{e.percentile_90:7.1f}"
                for e in errors
            ]
            lines.append(f"{source:11} could not be aligned: {failed}")
    table = {
        source: levels(islice(corpus.utterances(sources=[source]), count))
        for source in corpus.info["sources"]
        if source != "nonspeech"
    }
    return [*lines, "", *_level_lines(table, [*"pbtdkɡmnfvsaiuə", "sil"])]


def _level_lines(table: dict[str, dict[str, float]], phones: Sequence[str]) -> list[str]:
    lines = ["Median level of phones (stops: closures) below the loudest speech (dB)"]
    lines.append("source          " + "".join(f"{phone:>5}" for phone in phones))
    for source, found in table.items():
        cells = (f"{found[phone]:5.0f}" if phone in found else "    -" for phone in phones)
        lines.append(f"{source:16}" + "".join(cells))
    return lines
