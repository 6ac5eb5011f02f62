# SPDX-License-Identifier: GPL-3.0-or-later
"""Forced alignment against voices whose phone times are known exactly.

`data/` holds two sentences spoken by flite (voices slt and awb, free) and the times it gave.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.training.alignment import (
    Aligner,
    AlignmentCache,
    AlignmentFailedError,
    Segment,
    align_all,
    quality,
    segment_spans,
    settle,
)
from emoface_core.training.phones import PHONES, PhoneSpan

DATA = Path(__file__).parent / "data"
# flite's reduced vowels have no unit of their own in the recogniser's model.
REDUCED = {"ax": "AH", "axr": "ER", "ix": "IH"}


def sentence(index: int) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """The sound, and (ARPABET, start, end) of each phone that is not a pause."""
    entry = json.loads((DATA / "flite.json").read_text(encoding="utf-8"))[index]
    samples = read_audio(DATA / f"{entry['voice']}.ogg")
    bounds = [0.0] + [end for _, end in entry["ends"]]
    phones = [
        (REDUCED.get(name, name.upper()), start, end)
        for (name, end), start in zip(entry["ends"], bounds, strict=False)
        if name != "pau"
    ]
    return samples, phones


def in_words(phones: list[tuple[str, float, float]]) -> list[list[str]]:
    names = [name for name, _, _ in phones]
    return [names[i : i + 3] for i in range(0, len(names), 3)]


@pytest.mark.parametrize("index", [0, 1])
def test_phones_are_found_when_they_are_spoken(index: int) -> None:
    samples, phones = sentence(index)
    segments = Aligner().align(samples, in_words(phones))
    spoken = [s for s in segments if s.phone != "SIL"]
    assert [s.phone for s in spoken] == [name for name, _, _ in phones]
    errors = np.array([s.start - start for s, (_, start, _) in zip(spoken, phones, strict=True)])
    assert np.median(np.abs(errors)) <= 0.013
    assert np.percentile(np.abs(errors), 90) <= 0.035
    assert abs(np.median(errors)) <= 0.007
    # They cover the clip without gaps.
    assert segments[0].start == 0
    assert segments[-1].end == pytest.approx(len(samples) / SAMPLE_RATE)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(segments))
    assert quality(segments).good


def test_loudness_does_not_matter() -> None:
    samples, phones = sentence(0)
    quiet = Aligner().align(samples * np.float32(0.02), in_words(phones))
    loud = Aligner().align(samples, in_words(phones))
    starts = [np.array([s.start for s in found]) for found in (quiet, loud)]
    assert np.abs(starts[0] - starts[1]).max() < 0.05


def test_wrong_words_fail_or_are_judged_poor() -> None:
    samples, _ = sentence(0)
    _, other = sentence(1)
    try:
        segments = Aligner().align(samples, in_words(other))
    except AlignmentFailedError:
        return
    assert not quality(segments).good


def test_too_many_words_fail_and_the_aligner_lives_on() -> None:
    samples, phones = sentence(0)
    aligner = Aligner()
    with pytest.raises(AlignmentFailedError):
        aligner.align(samples[:8000], in_words(phones) * 3)
    assert aligner.align(samples, in_words(phones))


def test_segments_become_spans_of_our_phones() -> None:
    spans = segment_spans(
        [Segment("SIL", 0, 0.1, -5), Segment("AY", 0.1, 0.3, -9), Segment("CH", 0.3, 0.4, -9)]
    )
    assert [span.phone for span in spans] == ["sil", "a", "ɪ", "t", "ʃ"]
    assert spans[0].end == spans[1].start == 0.1
    assert spans[-1].end == 0.4
    assert {span.phone for span in spans} <= set(PHONES)


def test_a_vowel_does_not_last_into_silence() -> None:
    samples = np.zeros(SAMPLE_RATE, np.float32)
    samples[1600:4800] = 0.3 * np.sin(np.arange(3200) / 5)
    samples += np.random.default_rng(0).normal(0, 1e-4, len(samples)).astype(np.float32)
    spans = [PhoneSpan("sil", 0, 0.1), PhoneSpan("a", 0.1, 0.7), PhoneSpan("sil", 0.7, 1.0)]
    settled = settle(spans, samples)
    assert [span.phone for span in settled] == ["sil", "a", "sil", "sil"]
    assert settled[1].end == pytest.approx(0.3, abs=0.02)
    assert settled[-1].end == 1.0


def test_quality_sees_squeezed_and_stretched_phones() -> None:
    fine = [Segment("AA", 0.1 * i, 0.1 * i + 0.1, -20.0) for i in range(10)]
    assert quality(fine).good
    squeezed = [Segment("AA", 0.03 * i, 0.03 * i + 0.03, -20.0) for i in range(10)]
    assert not quality(squeezed).good
    assert not quality([*fine, Segment("T", 1.0, 1.8, -20.0)]).good
    assert not quality([Segment("AA", s.start, s.end, -80.0) for s in fine]).good
    assert not quality([]).good


def test_the_cache_resumes_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "done.jsonl"
    cache = AlignmentCache(path)
    cache.put("a", [Segment("AA", 0.0, 0.125, -3.5)])
    cache.put("failed", ())
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"id": "b", "segm')  # killed in the middle of a line
    again = AlignmentCache(path)
    assert again.get("a") == (Segment("AA", 0.0, 0.125, -3.5),)
    assert again.get("failed") == ()
    assert again.get("b") is None
    again.put("b", [Segment("M", 0.0, 0.5, -1.0)])
    assert AlignmentCache(path).get("b") == (Segment("M", 0.0, 0.5, -1.0),)
    assert AlignmentCache(path).get("a") is not None


def test_what_is_cached_is_not_aligned_again(tmp_path: Path) -> None:
    cache = AlignmentCache(tmp_path / "done.jsonl")
    cache.put("known", [Segment("AA", 0.0, 1.0, -3.0)])
    samples, phones = sentence(0)
    items = [
        ("known", np.zeros(0, np.float32), [["ZZ"]]),
        ("new", samples, in_words(phones)),
        ("hopeless", samples[:4000], in_words(phones) * 3),
    ]
    found = dict(align_all(iter(items), cache))
    assert found["known"] == (Segment("AA", 0.0, 1.0, -3.0),)
    assert len(found["new"]) > 30
    assert found["hopeless"] == ()
