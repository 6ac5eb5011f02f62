# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer key frames, and an error that is what it says."""

import numpy as np
import pytest

from blender_addon.curves.thinning import reduced, thin


@pytest.mark.parametrize("seed", range(10))
def test_lines_between_the_rows_that_stay_err_by_no_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, rng.integers(2, 60)).astype(np.float32)
    most = rng.uniform(0, 0.5)
    kept = reduced(values, most)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    line = np.interp(np.arange(len(values)), kept, values[kept])
    assert np.abs(line - values).max() <= most + 1e-6


def test_a_straight_curve_needs_its_ends() -> None:
    assert list(reduced(np.linspace(0, 1, 50, dtype=np.float32), 1e-6)) == [0, 49]


def test_all_keys_together_stay_within_the_tolerance() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(200)[:, None] / 30
    curves = np.sin(time * rng.uniform(1, 15, 30) + rng.uniform(0, 6, 30)).astype("f4")
    shapes = rng.normal(0, 1, (30, 50, 3)).astype("f4")  # they move the same vertices
    kept, error = thin(curves, shapes, 0.5)
    rows = np.arange(len(curves))
    lines = np.stack([np.interp(rows, k, c[k]) for k, c in zip(kept, curves.T, strict=True)], 1)
    wrong = np.linalg.norm(np.tensordot(lines - curves, shapes, 1), axis=2).max()
    assert wrong <= 0.5
    assert abs(wrong - error) < 1e-4
    assert sum(map(len, kept)) < 0.8 * curves.size
