# SPDX-License-Identifier: GPL-3.0-or-later
"""Spliced utterances say the same phones, each still where its sound is, in another order."""

from itertools import pairwise

import numpy as np
import pytest

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.training.phones import PHONES, PhoneSpan
from emoface_core.training.splicing import CHUNK_PHONES, splice

COUNT, SECONDS = 40, 0.08


def spoken() -> tuple[np.ndarray, list[PhoneSpan]]:
    """Every phone is a tone of a height of its own."""
    spans = [
        PhoneSpan(PHONES[1 + i], i * SECONDS, (i + 1) * SECONDS, (i + 0.75) * SECONDS)
        for i in range(COUNT)
    ]
    t = np.arange(round(COUNT * SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    hz = 500 + 100 * np.minimum((t / SECONDS).astype(int), COUNT - 1)
    return np.sin(2 * np.pi * hz * t).astype(np.float32), spans


def test_sound_and_spans_move_together() -> None:
    samples, spans = spoken()
    spliced, moved = splice(samples, spans, np.random.default_rng(2))
    assert len(spliced) == len(samples) and len(moved) == len(spans)
    assert {span.phone for span in moved} == {span.phone for span in spans}
    order = [PHONES.index(span.phone) - 1 for span in moved]
    assert order != sorted(order)
    assert moved[0].start == 0 and moved[-1].end == pytest.approx(COUNT * SECONDS)
    assert all(b.start == pytest.approx(a.end, abs=1e-4) for a, b in pairwise(moved))
    for number, span in zip(order, moved, strict=True):
        assert span.release == pytest.approx(span.start + 0.75 * SECONDS)
        piece = spliced[round(span.start * SAMPLE_RATE) + 100 :][:1080]
        peak = np.argmax(np.abs(np.fft.rfft(piece * np.hanning(1080)))) * SAMPLE_RATE / 1080
        assert peak == pytest.approx(500 + 100 * number, abs=20)
    # Joints fade: no click is louder than the tones.
    assert np.abs(spliced).max() < 1.5


def test_chunks_are_neither_short_nor_long() -> None:
    samples, spans = spoken()
    typical = []
    for seed in range(20):
        moved = splice(samples, spans, np.random.default_rng(seed))[1]
        order = np.array([PHONES.index(span.phone) for span in moved])
        bounds = [0, *(np.flatnonzero(np.diff(order) != 1) + 1), COUNT]
        lengths = np.diff(bounds)
        assert lengths.min() >= CHUNK_PHONES[0]
        typical.append(np.median(lengths))
    # Two that happen to stay neighbours look like one, and few are sometimes in order.
    assert np.median(typical) <= CHUNK_PHONES[1]


def test_what_is_short_stays() -> None:
    samples, spans = spoken()
    whole, same = splice(samples, spans[:5], np.random.default_rng(0))
    assert whole is samples and same == tuple(spans[:5])
