# SPDX-License-Identifier: GPL-3.0-or-later
"""A few key shapes and a curve for each that give back a long motion within a tolerance."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_KEYS = 400
_FIRST_SAMPLES = 240  # rows that the first attempt looks at
_MORE_SAMPLES = 80  # badly met rows that each further attempt adds
_CHECKED = 32  # rows that look worst, and as many others, are checked on all vertices
_ATTEMPTS = 6
_MOST_SAMPLES = 1200
_CHUNK = 2048  # rows at a time
_MARGIN = 0.9  # of the tolerance, on the few vertices: the others may be a little worse


class Motion(Protocol):
    """Rows of offsets that are too many to hold at once: N rows, V vertices, v of them telling."""

    @property
    def rows(self) -> int:
        """N."""

    @property
    def telling(self) -> NDArray[np.intp]:
        """(v,) vertices that show how well the whole face is met."""

    def whole(self, rows: NDArray[np.intp]) -> Floats:
        """(n, V, 3) metres: some rows, all vertices."""

    def part(self, first: int, last: int) -> Floats:
        """(last - first, v, 3) metres: rows in order, the telling vertices."""


@dataclass(frozen=True, slots=True)
class KeyShapes:
    """motion[t] = sum_r curves[t, r] * basis[r]; the first key matters most."""

    basis: Floats  # (R, V, 3) metres
    curves: Floats  # (N, R), each reaching 1 at its largest (in either direction)
    worst: float  # metres: the largest error of a vertex that was found


def fit_keys(motion: Motion, tolerance: float, most: int = MAX_KEYS) -> KeyShapes:
    """Few key shapes with the worst vertex error of every row at most `tolerance` metres.

    Principal directions of a sample of rows; curves by least squares on the telling vertices, where
    every row's error is seen. The rows that look worst are then checked on all vertices, and join
    the sample until all are met: memory and time depend little on the number of rows.
    With more than `most` keys needed (noise, an untrained model), the best that many can do is
    given, and `worst` says how good that is.
    """
    # Drawn, not evenly spaced: rows may repeat with a period (emotions side by side do).
    drawn = np.random.default_rng(0).permutation(motion.rows)
    sample = np.sort(drawn[:_FIRST_SAMPLES])
    margin = _MARGIN
    best: KeyShapes | None = None
    for attempt in range(_ATTEMPTS):
        basis = _principal(motion.whole(sample), motion.telling, margin * tolerance, most)
        curves, error = _curves(motion, basis)
        suspects = np.union1d(np.argsort(error)[-_CHECKED:], drawn[:_CHECKED])
        errors = _distance(motion.whole(suspects) - np.tensordot(curves[suspects], basis, 1))
        worst = float(max(errors.max(initial=0.0), error.max(initial=0.0)))
        if best is None or worst < best.worst:
            best = KeyShapes(basis, curves, worst)
        if worst <= tolerance:
            break
        if error.max(initial=0.0) <= tolerance:  # the telling vertices flatter the others
            margin *= 0.95 * tolerance / worst
        bad = np.flatnonzero(error > 0.7 * tolerance)
        more = bad[:: max(1, len(bad) // (_MORE_SAMPLES << attempt))]
        sample = np.union1d(sample, np.union1d(more, suspects))
        if len(sample) > _MOST_SAMPLES:
            break
    assert best is not None  # noqa: S101
    return _scaled(best)


def _principal(shapes: Floats, telling: NDArray[np.intp], tolerance: float, most: int) -> Floats:
    """(R, V, 3): as few directions of (n, V, 3) shapes as give back each within the tolerance."""
    count = len(shapes)
    few = shapes[:, telling].reshape(count, -1)
    # The Gram matrix of n samples is small; its eigenvectors say which mixtures of samples matter.
    values, vectors = np.linalg.eigh((few @ few.T).astype(np.float64))
    order = np.argsort(values)[::-1][:most]
    values, vectors = values[order], vectors[:, order]
    order = values > max(values[0], 1e-30) * 1e-9  # below lies the rounding of float32
    mixtures = (vectors[:, order] / np.sqrt(values[order])).astype(np.float32).T
    directions = mixtures @ few
    low, high = 0, len(directions)  # `high` directions are the best there is
    weights = few @ directions.T
    while low < high:
        middle = (low + high) // 2
        rest = few - weights[:, :middle] @ directions[:middle]
        if _distance(rest.reshape(count, -1, 3)).max(initial=0.0) <= tolerance:
            high = middle
        else:
            low = middle + 1
    basis = mixtures[: max(low, 1)] @ shapes.reshape(count, -1)
    return basis.reshape(-1, *shapes.shape[1:])


def _curves(motion: Motion, basis: Floats) -> tuple[Floats, Floats]:
    """Curves (N, R) by least squares on the telling vertices, and each row's worst error there."""
    few = basis[:, motion.telling].reshape(len(basis), -1)
    solve = np.linalg.pinv(few.astype(np.float64), rcond=1e-7).astype(np.float32)
    curves = np.empty((motion.rows, len(basis)), np.float32)
    error = np.empty(motion.rows, np.float32)
    for first in range(0, motion.rows, _CHUNK):
        last = min(first + _CHUNK, motion.rows)
        part = motion.part(first, last)
        flat = part.reshape(len(part), -1)
        curves[first:last] = flat @ solve
        rest = flat - curves[first:last] @ few
        error[first:last] = _distance(rest.reshape(part.shape)).max(axis=1, initial=0.0)
    return curves, error


def _scaled(keys: KeyShapes) -> KeyShapes:
    """Curves brought to ±1, well within the ±10 that a shape key can take."""
    size = np.abs(keys.curves).max(axis=0, initial=0.0)
    size[size < 1e-12] = 1.0
    return KeyShapes(keys.basis * size[:, None, None], keys.curves / size, keys.worst)


def _distance(offsets: Floats) -> Floats:
    return np.sqrt(np.einsum("...i,...i->...", offsets, offsets))
