# SPDX-License-Identifier: GPL-3.0-or-later
"""Resampling: against SciPy, against sines, and however the sound is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from emoface_core.audio.resample import resample, resample_blocks

RATES = [8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000, 192000, 44101, 15999]


def sine(hz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate + 0.3).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hz", [60.0, 997.0, 3300.0])
def test_a_sine_stays_itself_in_time_and_size(rate: int, hz: float) -> None:
    result = resample(sine(hz, rate), rate, 16000)
    assert len(result) == 16000
    # Not the first and last few milliseconds: outside there is silence.
    assert np.abs(result - sine(hz, 16000))[300:-300].max() < 1e-3


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_what_does_not_fit_goes_away(rate: int) -> None:
    """Above the new Nyquist frequency nothing may fold back into the band."""
    for hz in (8400.0, 9500.0):
        result = resample(sine(hz, rate), rate, 16000)[300:-300]
        assert 20 * np.log10(np.abs(result).max()) < -70


@pytest.mark.parametrize(("rate", "up", "down"), [(44100, 160, 441), (48000, 1, 3), (8000, 2, 1)])
def test_agrees_with_scipy_below_the_edge(rate: int, up: int, down: int) -> None:
    rng = np.random.default_rng(0)
    noise = signal.sosfilt(
        signal.butter(12, 3000, fs=rate, output="sos"), rng.normal(0, 0.2, rate)
    ).astype(np.float32)
    reference = signal.resample_poly(noise, up, down, window=("kaiser", 12.0))
    assert np.abs(resample(noise, rate, 16000) - reference)[500:-500].max() < 2e-3


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(RATES),
    st.integers(1, 30000),
    st.lists(st.integers(0, 30000), max_size=6),
)
def test_cutting_changes_no_bit(rate: int, count: int, cuts: list[int]) -> None:
    sound = np.random.default_rng(count).normal(0, 0.1, count).astype(np.float32)
    whole = resample(sound, rate, 16000)
    assert len(whole) == -(-count * 16000 // rate)
    pieces = np.split(sound, sorted(min(cut, count) for cut in cuts))
    streamed = list(resample_blocks(pieces, rate, 16000))
    assert np.array_equal(np.concatenate(streamed), whole)


@pytest.mark.parametrize("count", [4095, 4096, 4097, 8192])
def test_a_whole_number_of_chunks_is_not_lost(count: int) -> None:
    assert len(resample(np.ones(count, np.float32), 8000, 16000)) == 2 * count


def test_a_constant_stays_constant() -> None:
    for rate in RATES:
        result = resample(np.ones(rate, np.float32), rate, 16000)
        assert np.abs(result[300:-300] - 1).max() < 1e-5
