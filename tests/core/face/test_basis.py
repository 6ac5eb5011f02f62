# SPDX-License-Identifier: GPL-3.0-or-later
"""Key shapes give back a motion within the tolerance, with few keys and tame curves."""

import numpy as np
import pytest

from emoface_core.face.basis import fit_keys

VERTICES = 400


class LowRank:
    """Rows of a known rank; a few vertices far from the telling ones move on their own."""

    def __init__(self, rows: int, rank: int, hidden: bool = False, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        times = np.arange(rows)[:, None] / 30
        self.rows = rows
        self.curves = np.sin(times * random.uniform(1, 20, rank)).astype(np.float32)
        self.shapes = random.standard_normal((rank, VERTICES, 3)).astype(np.float32) * 2e-3
        self.telling = np.arange(0, VERTICES, 4)
        if hidden:
            self.shapes[-1] = 0
            self.shapes[-1, 101] = 3e-3

    def whole(self, rows: np.ndarray) -> np.ndarray:
        return np.tensordot(self.curves[rows], self.shapes, 1)

    def part(self, rows: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        return np.tensordot(self.curves[rows], self.shapes[:, vertices], 1)


def _worst(motion: LowRank, keys) -> float:
    every = motion.whole(np.arange(motion.rows))
    return float(np.linalg.norm(every - np.tensordot(keys.curves, keys.basis, 1), axis=2).max())


@pytest.mark.parametrize(("rows", "rank"), [(1, 1), (2, 1), (50, 5), (3000, 12), (20000, 30)])
def test_the_tolerance_is_kept_with_as_many_keys_as_the_rank(rows: int, rank: int) -> None:
    motion = LowRank(rows, rank)
    keys = fit_keys(motion, 5e-5)
    assert len(keys.basis) <= rank
    assert _worst(motion, keys) <= 5e-5
    assert keys.worst <= 5e-5
    assert np.abs(keys.curves).max() <= 1 + 1e-6


def test_vertices_that_nothing_tells_of_are_found() -> None:
    motion = LowRank(600, 8, hidden=True)
    assert 101 not in motion.telling
    assert _worst(motion, fit_keys(motion, 5e-5)) <= 5e-5


def test_a_rare_moment_is_found() -> None:
    motion = LowRank(20000, 6)
    motion.curves[:, 5] = 0
    motion.curves[12345:12350, 5] = 1
    assert _worst(motion, fit_keys(motion, 5e-5)) <= 5e-5


def test_a_looser_tolerance_needs_fewer_keys() -> None:
    motion = LowRank(500, 30)
    motion.shapes *= 0.7 ** np.arange(30, dtype=np.float32)[:, None, None]
    tight, loose = fit_keys(motion, 2e-5), fit_keys(motion, 4e-4)
    assert len(loose.basis) < len(tight.basis)
    assert _worst(motion, loose) <= 4e-4


def test_a_still_face_has_one_key_that_does_nothing() -> None:
    motion = LowRank(100, 2)
    motion.shapes[:] = 0
    keys = fit_keys(motion, 5e-5)
    assert len(keys.basis) == 1
    assert not keys.basis.any()
    assert np.isfinite(keys.curves).all()


def test_noise_gets_the_best_that_the_keys_can_do() -> None:
    random = np.random.default_rng(0)
    motion = LowRank(300, 1)
    motion.curves = np.eye(300, dtype=np.float32)
    motion.shapes = random.standard_normal((300, VERTICES, 3)).astype(np.float32) * 1e-3
    keys = fit_keys(motion, 1e-6, most=40)
    assert len(keys.basis) <= 40
    assert keys.worst > 1e-6


def test_the_same_motion_gives_the_same_keys() -> None:
    first, second = (fit_keys(LowRank(400, 9), 5e-5) for _ in range(2))
    np.testing.assert_array_equal(first.basis, second.basis)
    np.testing.assert_array_equal(first.curves, second.curves)
