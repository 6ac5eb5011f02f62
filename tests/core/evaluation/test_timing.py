# SPDX-License-Identifier: GPL-3.0-or-later
"""Timing metrics: hand-worked alignments, known shifts, known loudness."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoface_core.evaluation.timing import (
    MTM_LONGEST,
    Mistiming,
    best_lag,
    correlation,
    extrema_of,
    lip_intensity,
    mean_temporal_misalignment,
    smooth,
    speech_intensity,
    speech_lip_correlation,
    warp,
)


def syllables(frames=120, seed=0):
    """A mouth-like curve: smooth bumps of various heights and lengths."""
    rng = np.random.default_rng(seed)
    return smooth(rng.random(frames), 3.0)


def reference_warp(a, b):
    """The alignment as its definition has it, cell by cell."""
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    total[0, 0] = 0
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            total[i, j] = abs(a[i - 1] - b[j - 1]) + min(
                total[i - 1, j], total[i, j - 1], total[i - 1, j - 1]
            )
    return total[-1, -1]


def test_extrema():
    curve = np.array([0, 1, 3, 3, 3, 1, 0, 0, 2, 1.0])
    assert extrema_of(curve) == {3: 1, 6: -1, 8: 1}
    assert extrema_of(np.zeros(5)) == {}
    assert extrema_of(np.arange(5.0)) == {}


def test_smoothing_keeps_constants_and_mass():
    assert smooth(np.full(9, 2.0), 2.0) == pytest.approx(np.full(9, 2.0))
    spike = np.zeros(41)
    spike[20] = 1
    smoothed = smooth(spike, 2.0)
    assert smoothed.sum() == pytest.approx(1)
    # exp(-1/8) between the top and its neighbour
    assert smoothed[21] / smoothed[20] == pytest.approx(math.exp(-0.125))


def test_warp_by_hand():
    # The 5 must meet the 5; both zeros before it and the one after share the rest.
    assert warp(np.array([0, 5, 0.0]), np.array([0, 0, 5, 0.0])) == [(0, 0), (0, 1), (1, 2), (2, 3)]


@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=12),
    st.lists(st.integers(-4, 4), min_size=1, max_size=12),
)
def test_warp_is_the_cheapest_path(a, b):
    a, b = np.array(a, float), np.array(b, float)
    path = warp(a, b)
    assert path[-1] == (len(a) - 1, len(b) - 1)
    assert 0 in path[0]
    steps = {(i2 - i1, j2 - j1) for (i1, j1), (i2, j2) in pairwise(path)}
    assert steps <= {(1, 0), (0, 1), (1, 1)}
    assert sum(abs(a[i] - b[j]) for i, j in path) == pytest.approx(reference_warp(a, b))


def test_mtm_of_a_curve_with_itself_is_zero():
    curve = syllables()
    found = mean_temporal_misalignment(curve, curve, 30)
    assert found.frames == 0
    assert found.match_rate == 1


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_mtm_measures_a_shift(shift):
    curve = syllables(200)
    found = mean_temporal_misalignment(curve[:-shift], curve[shift:], 30)
    assert found.frames == pytest.approx(shift, abs=0.35)
    assert found.milliseconds == pytest.approx(1000 * found.frames / 30)


def test_mtm_of_the_published_example_is_1_64_frames():
    example = Mistiming((2, 2, 1, 0, 1, 0, 1, 2, 1, 1, 3, 2, 1, 6), 20, 25)
    assert round(example.frames, 2) == 1.64
    assert example.milliseconds == pytest.approx(65.7, abs=0.1)


def test_a_dead_mouth_shows_in_the_match_rate():
    found = mean_temporal_misalignment(np.zeros(120), syllables(), 30)
    assert math.isnan(found.frames)
    assert found.match_rate == 0


def test_long_clips_are_cut_into_parts():
    curve = syllables(2 * MTM_LONGEST + 10)
    found = mean_temporal_misalignment(curve, curve, 30)
    assert found.frames == 0
    assert found.match_rate == 1


def test_loud_int16_does_not_overflow():
    assert speech_intensity(np.full(100, 300, np.int16)) == pytest.approx(300)
    assert speech_intensity(np.array([[300, -100]] * 9, np.int16)) == pytest.approx(100)


def test_lip_intensity_by_hand():
    lips = np.zeros((3, 2, 3))
    lips[1, 0] = (0.003, 0.004, 0)  # 5 mm there and back; the other vertex stands still
    assert lip_intensity(lips) == pytest.approx(0.0025)
    assert lip_intensity(lips[:1]) == 0


def test_slcc_is_within_speakers():
    # Each speaker moves more when louder; between them it is the other way round.
    speech = [1, 2, 3, 101, 102, 103]
    lips = [11, 12, 13, 1, 2, 3]
    speakers = ["a"] * 3 + ["b"] * 3
    assert speech_lip_correlation(speech, lips, speakers) == pytest.approx(1)
    assert correlation(np.array(speech), np.array(lips)) < 0
    assert math.isnan(speech_lip_correlation([1, 2], [1, 2], ["a", "b"]))


@given(st.integers(-2, 2), st.integers(0, 50))
def test_lag_is_found_with_its_sign(lag, seed):
    curve = syllables(80, seed)
    first = curve[2 - lag : 70 - lag]  # first[t + lag] == second[t]
    second = curve[2:70]
    found = best_lag(first, second, 2)
    assert found.lag == lag
    assert found.r == pytest.approx(1)


def test_constant_curves_have_no_correlation():
    assert math.isnan(correlation(np.ones(9), np.arange(9.0)))
    assert math.isnan(best_lag(np.ones(9), np.arange(9.0), 2).r)
