# SPDX-License-Identifier: GPL-3.0-or-later
"""Mel features: against a slow reference, for windows of long sounds, and at the right time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_core.audio.mel import (
    FEATURE_RATE,
    N_MELS,
    hz_to_mel,
    log_mel,
    log_mel_window,
    mel_frames,
    mel_to_hz,
    network_frames,
)


def speechlike(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corners = np.arange(0, count + 1600, 800)
    envelope = np.interp(np.arange(count), corners, rng.uniform(0, 1, len(corners))) ** 3
    return (rng.normal(0, 0.3, count) * envelope).astype(np.float32)


def slow_log_mel(samples: np.ndarray) -> np.ndarray:
    """The definition, spelt out: one frame, one frequency, one band at a time, in doubles."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    window /= np.sqrt(np.sum(window**2))
    centres = mel_to_hz(np.linspace(hz_to_mel(20.0), hz_to_mel(7600.0), 82))
    hz = np.arange(257) * 16000 / 512
    bands = [
        np.maximum(0, np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)))
        for low, mid, high in zip(centres, centres[1:], centres[2:], strict=False)
    ]
    dft = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
    padded = np.pad(samples.astype(float), 1000)
    rows = []
    for frame in range(mel_frames(len(samples))):
        start = 1000 + frame * 160 - 200
        piece = padded[start : start + 400]
        power = np.abs(dft @ (np.pad(piece, (0, 400 - len(piece))) * window)) ** 2
        rows.append([np.log10(power @ band + 1e-6) for band in bands])
    return (np.array(rows) + 4.4) / 1.4


@pytest.mark.parametrize("count", [1, 1600, 4801])
def test_against_the_definition(count: int) -> None:
    samples = speechlike(count)
    result = log_mel(samples)
    assert result.dtype == np.float32
    assert result.shape == (mel_frames(count), N_MELS)
    assert np.abs(result - slow_log_mel(samples)).max() < 2e-4


def test_the_mel_scale_is_slaneys() -> None:
    """Known points: 1000 Hz is 15 mel, 6400 Hz is 42."""
    assert hz_to_mel(1000.0) == pytest.approx(15)
    assert hz_to_mel(6400.0) == pytest.approx(42)
    hz = np.array([20.0, 500.0, 3000.0, 7600.0])
    assert mel_to_hz(hz_to_mel(hz)) == pytest.approx(hz)


def test_every_band_hears_something() -> None:
    quiet = log_mel(np.zeros(16000, np.float32))
    noise = log_mel(np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32))
    assert (noise[10:90].mean(0) > quiet[10:90].max(0) + 1).all()


def test_frames_cover_the_clip_in_pairs() -> None:
    for count in (1, 159, 320, 16000, 123457):
        seconds = count / 16000
        frames = network_frames(seconds)
        assert frames == count // 320 + 2
        assert (frames - 1) / 50 > seconds
        assert mel_frames(count) == 2 * frames


def test_a_click_is_seen_at_its_time() -> None:
    for at in (0.25, 0.5, 0.731):
        samples = np.zeros(16000, np.float32)
        samples[round(at * 16000)] = 1.0
        energy = log_mel(samples).sum(1)
        heard = np.flatnonzero(energy > energy.min() + 1)
        assert heard.mean() / FEATURE_RATE == pytest.approx(at, abs=0.004)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 400), st.integers(1, 900), st.integers(0, 4000))
def test_a_window_is_the_whole_bit_for_bit(first: int, count: int, extra: int) -> None:
    samples = speechlike(9 * 16000)
    whole = log_mel(samples, 1.7)
    count = min(count, len(whole) - first)
    begin = max(0, first * 160 - 200 - extra)
    piece = samples[begin : (first + count) * 160 + 200 + extra]
    window = log_mel_window(piece, begin, first, count, 1.7)
    assert np.array_equal(window, whole[first : first + count])


def test_gain_is_applied_before_the_logarithm() -> None:
    samples = speechlike(8000)
    assert np.array_equal(log_mel(samples, 2.0), log_mel(samples * np.float32(2.0)))
