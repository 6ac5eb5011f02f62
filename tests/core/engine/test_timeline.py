# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames are the sound at t / fps, whatever fps; closures are seen even between frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoface_core.engine.timeline import (
    cubic,
    frame_count,
    frame_times,
    rows_for,
    snap_to_closures,
)

RATES = st.sampled_from([12.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60.0])


@given(seconds=st.floats(0.05, 7200), fps=RATES)
def test_frames_are_seconds_times_fps(seconds: float, fps: float) -> None:
    assert frame_count(seconds, fps) == max(1, round(seconds * fps))


def test_ntsc_does_not_drift_over_an_hour() -> None:
    times = frame_times(frame_count(3600.0, 30000 / 1001), 30000 / 1001)
    assert times[-1] == pytest.approx((len(times) - 1) * 1001 / 30000, abs=1e-9)


@given(
    coefficients=st.tuples(*[st.floats(-2, 2)] * 3),
    positions=st.lists(st.floats(1, 18), min_size=1, max_size=20),
)
def test_cubic_reproduces_parabolas(coefficients: tuple, positions: list[float]) -> None:
    a, b, c = coefficients
    rows = (a + b * np.arange(20) + c * np.arange(20) ** 2).astype(np.float32)[:, None]
    at = np.array(positions)
    expected = a + b * at + c * at**2
    np.testing.assert_allclose(cubic(rows, at)[:, 0], expected, atol=1e-3)


def test_cubic_passes_through_the_rows_and_is_smooth() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    np.testing.assert_array_equal(cubic(rows, np.arange(30.0)), rows)
    step = 1e-3
    before = (cubic(rows, np.arange(1, 29.0)) - cubic(rows, np.arange(1, 29) - step)) / step
    after = (cubic(rows, np.arange(1, 29) + step) - cubic(rows, np.arange(1, 29.0))) / step
    np.testing.assert_allclose(before, after, atol=0.02)


@given(fps=RATES, seconds=st.floats(0.1, 20), first=st.integers(0, 50), count=st.integers(1, 90))
def test_any_part_alone_equals_the_whole(
    fps: float, seconds: float, first: int, count: int
) -> None:
    rows = np.random.default_rng(1).standard_normal((int(seconds * 50) + 2, 2)).astype(np.float32)
    times = frame_times(frame_count(seconds, fps), fps)
    first = min(first, len(times) - 1)
    part = times[first : first + count]
    begin, end = rows_for(part, len(rows))
    alone = cubic(rows[begin:end], part * 50 - begin)
    np.testing.assert_allclose(alone, cubic(rows, part * 50), atol=1e-5)


def _mouth(centres: list[float], width: float, seconds: float = 4.0) -> np.ndarray:
    """A lip gap at 50 a second: 6 mm open, shut for `width` seconds about each centre.

    As a mouth moves: some 50 ms from open to shut.
    """
    times = np.arange(int(seconds * 50) + 2) / 50
    away = np.min([np.abs(times - c) for c in centres], axis=0)
    x = np.clip((away - width / 2) / 0.05, 0, 1)
    return (0.006 * x * x * (3 - 2 * x)).astype(np.float32)


@given(offset=st.floats(0, 1), fps=RATES, width=st.floats(0.02, 0.06))
def test_a_short_closure_shows_on_a_frame(offset: float, fps: float, width: float) -> None:
    gap = _mouth([2.0 + offset / 24], width)
    times = frame_times(frame_count(4.0, fps), fps)
    seen = cubic(gap[:, None], snap_to_closures(times, fps, gap) * 50)[:, 0]
    least = max(0.0, float(gap.min()))  # of what 50 frames a second hold of it
    if fps >= 23:
        assert seen.min() <= least + 0.46e-3


def test_without_snapping_24_fps_misses_closures() -> None:
    """Why it is worth it: lips that touch for a moment, at 24 fps, wherever the frames fall."""
    missed = {False: 0, True: 0}
    for offset in np.arange(0, 1, 0.02):
        gap = _mouth([2.0 + offset / 24], 0.0)
        times = frame_times(96, 24.0)
        for snap in missed:
            at = snap_to_closures(times, 24.0, gap) if snap else times
            seen = cubic(gap[:, None], at * 50)[:, 0].min()
            missed[snap] += seen > max(gap.min(), 0) + 0.5e-3
    assert missed[False] >= 15
    assert missed[True] == 0


@given(
    centres=st.lists(st.floats(0, 4), min_size=1, max_size=30),
    fps=RATES,
    width=st.floats(0, 0.08),
)
def test_snapping_keeps_order_and_stays_within_half_a_frame(
    centres: list[float], fps: float, width: float
) -> None:
    times = frame_times(frame_count(4.0, fps), fps)
    snapped = snap_to_closures(times, fps, _mouth(centres, width))
    assert (np.abs(snapped - times) <= 0.5 / fps + 1e-9).all()
    assert (np.diff(snapped) >= -1e-9).all()


def test_an_open_or_a_resting_mouth_is_not_touched() -> None:
    times = frame_times(96, 24.0)
    wavy = (0.004 + 0.002 * np.sin(np.arange(202))).astype(np.float32)
    for gap in (np.zeros(202, np.float32), wavy, _mouth([2.0], 0.2)):
        np.testing.assert_array_equal(snap_to_closures(times, 24.0, gap), times)


def test_a_tiny_difference_in_the_gap_makes_a_tiny_difference_in_time() -> None:
    gap = _mouth([1.013, 2.37, 3.1], 0.03)
    noise = np.random.default_rng(0).standard_normal(len(gap)).astype(np.float32) * 1e-7
    times = frame_times(96, 24.0)
    difference = snap_to_closures(times, 24.0, gap) - snap_to_closures(times, 24.0, gap + noise)
    assert np.abs(difference).max() < 1e-3
