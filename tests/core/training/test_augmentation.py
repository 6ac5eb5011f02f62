# SPDX-License-Identifier: GPL-3.0-or-later
"""Augmentation: the sound changes, and the phones' times stay right."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.training.augmentation import (
    AugmentOptions,
    add_at_snr,
    augment,
    babble,
    change_speed,
    clip,
    mu_law,
    pad,
    room_response,
    stretch_time,
)
from emoface_core.training.phones import PhoneSpan, from_arpabet, split_span

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def spoken() -> tuple[np.ndarray, tuple[PhoneSpan, ...]]:
    entry = json.loads((DATA / "flite.json").read_text(encoding="utf-8"))[0]
    samples = read_audio(DATA / "slt.ogg")
    spans: list[PhoneSpan] = []
    start = 0.0
    for name, stop in entry["ends"]:
        end = min(stop, len(samples) / SAMPLE_RATE)
        spans += split_span(from_arpabet(name), start, end)
        start = end
    return samples, tuple(spans)


def clicks(times: list[float], seconds: float = 2.0) -> np.ndarray:
    """A hum that is loud for 40 ms from each time on."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    loud = np.any([(t >= at) & (t < at + 0.04) for at in times], axis=0)
    return (np.sin(2 * np.pi * 150 * t) * np.where(loud, 0.8, 0.01)).astype(np.float32)


def onsets(samples: np.ndarray) -> np.ndarray:
    level = np.convolve(np.abs(samples), np.ones(107) / 107, "same") > 0.15
    return np.flatnonzero(np.diff(level.astype(int)) == 1) / SAMPLE_RATE


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_speed_moves_the_spans_with_the_sound(factor: float) -> None:
    times = [0.3, 0.9, 1.6]
    spans = [PhoneSpan("p", at, at + 0.04, release=at + 0.02) for at in times]
    samples, moved = change_speed(clicks(times), spans, factor)
    assert onsets(samples) == pytest.approx([span.start for span in moved], abs=0.005)
    assert [span.release for span in moved] == pytest.approx(
        [s.start + 0.02 / factor for s in moved]
    )
    assert len(samples) == round(2 * SAMPLE_RATE / factor)


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(samples))


def test_speed_raises_the_pitch_and_stretching_does_not() -> None:
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 200 * t).astype(np.float32)
    assert pitch(change_speed(tone, (), 1.2)[0]) == pytest.approx(240, abs=1)
    for factor in (0.8, 1.3):
        stretched, _ = stretch_time(tone, (), factor)
        assert len(stretched) == round(2 * SAMPLE_RATE * factor)
        assert pitch(stretched) == pytest.approx(200, abs=1)
        # No beating where the pieces overlap.
        middle = stretched[2000:-2000]
        peaks = np.abs(middle[: len(middle) // 800 * 800]).reshape(-1, 800).max(1)
        assert peaks.min() > 0.9


@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_stretching_keeps_times_within_a_hundredth(factor: float) -> None:
    times = [0.3, 0.9, 1.6]
    samples, moved = stretch_time(
        clicks(times), [PhoneSpan("p", t, t + 0.04) for t in times], factor
    )
    assert onsets(samples) == pytest.approx([span.start for span in moved], abs=0.015)


def test_padding_is_silence_and_shifts() -> None:
    samples, spans = pad(np.ones(16000, np.float32), [PhoneSpan("a", 0, 1, 0.5)], 0.25, 0.5)
    assert len(samples) == 28000
    assert not samples[:4000].any()
    assert not samples[20000:].any()
    assert spans == (
        PhoneSpan("sil", 0.0, 0.25),
        PhoneSpan("a", 0.25, 1.25, 0.75),
        PhoneSpan("sil", 1.25, 1.75),
    )


def test_noise_is_as_loud_as_asked() -> None:
    rng = np.random.default_rng(0)
    samples = np.sin(np.arange(32000) / 9).astype(np.float32) * 0.3
    for snr in (0.0, 10.0, 30.0):
        noise = add_at_snr(samples, rng.normal(0, 5, 32000).astype(np.float32), snr) - samples
        assert 10 * np.log10(np.mean(samples**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.3)
    silence = np.zeros(3200, np.float32)
    assert np.isfinite(add_at_snr(silence, rng.normal(0, 1, 3200).astype(np.float32), 10)).all()


def test_the_direct_sound_comes_first_and_strongest() -> None:
    for seed in range(30):
        response = room_response(np.random.default_rng(seed))
        assert np.argmax(np.abs(response)) == 0
        quarter = len(response) // 4
        assert np.sum(response[-quarter:] ** 2) < 0.2 * np.sum(response[1:] ** 2)


def test_mu_law_and_clipping() -> None:
    samples = (0.5 * np.sin(np.arange(16000) / 7)).astype(np.float32)
    coded = mu_law(samples)
    assert 0 < np.abs(coded - samples).max() < 0.5 * 0.025
    assert len(np.unique(coded)) <= 255
    assert np.abs(clip(samples, 0.5)).max() == pytest.approx(0.25, abs=1e-3)
    silence = np.zeros(100, np.float32)
    assert not mu_law(silence).any()
    assert not clip(silence, 0.5).any()
    assert np.isfinite(babble(samples, np.random.default_rng(0))).all()


def test_many_variants_are_sound_and_covered(spoken: tuple) -> None:
    samples, spans = spoken
    seen = set()
    for seed in range(60):
        varied, moved = augment(samples, spans, np.random.default_rng(seed))
        assert varied.dtype == np.float32
        assert np.isfinite(varied).all()
        assert np.abs(varied).max() <= 1
        assert moved[0].start == 0
        assert moved[-1].end == pytest.approx(len(varied) / SAMPLE_RATE, abs=0.01)
        assert all(a.end == pytest.approx(b.start, abs=1e-3) for a, b in pairwise(moved))
        assert [s.phone for s in moved if s.phone != "sil"] == [
            s.phone for s in spans if s.phone != "sil"
        ]
        seen.add(len(varied))
    assert len(seen) > 20


def test_same_seed_same_variant(spoken: tuple) -> None:
    one, two, other = (augment(*spoken, np.random.default_rng(seed))[0] for seed in (5, 5, 6))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_vowels_stay_louder_than_closures(spoken: tuple) -> None:
    """In clean variants p is silent where its span says so: times and sound belong together."""
    options = AugmentOptions(room=0, noise=0, babble=0, clip=0, mu_law=0, level_db=(0, 0))
    for seed in range(12):
        samples, spans = augment(*spoken, np.random.default_rng(seed), options)
        power = {"p": [], "vowel": []}
        for span in spans:
            middle = (span.start + span.end) / 2
            piece = samples[round((middle - 0.015) * 16000) : round((middle + 0.015) * 16000)]
            if span.phone == "p":
                power["p"].append(np.mean(piece**2))
            elif span.phone in "aɑæɛoɔuʌə":
                power["vowel"].append(np.mean(piece**2))
        assert np.median(power["p"]) < 0.02 * np.median(power["vowel"])
