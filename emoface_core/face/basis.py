# SPDX-License-Identifier: GPL-3.0-or-later
"""A few key shapes and a curve for each that give back a long motion within a tolerance."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_KEYS = 320
_STUDIED = 2400  # rows whose telling vertices are looked at to choose the number of directions
_SKETCHED = 800  # of these, rows that the directions themselves are found from
_HARDEST = 200  # rows that the number of directions is first chosen by
_LIFTED = 4  # whole rows for each key, from which the key's whole shape is found
_LEAST = 320  # whole rows, if there are as many
_CHECKED = 24  # rows that look worst, and as many others, are checked on all vertices
_ATTEMPTS = 8
_MORE_TELLING = 40  # vertices that join after each attempt
_CHUNK = 4096  # rows at a time
_MARGIN = 1.0  # of the tolerance: what the lifted keys miss is measured, and tends to be less
_GUESSED = 240  # rows that the number of directions is guessed from


class Motion(Protocol):
    """Rows of offsets that are too many to hold at once: N rows, V vertices."""

    @property
    def rows(self) -> int:
        """N."""

    @property
    def telling(self) -> NDArray[np.intp]:
        """A few hundred vertices that show how well the whole face is met."""

    def whole(self, rows: NDArray[np.intp]) -> Floats:
        """(n, V, 3) metres: some rows, all vertices."""

    def part(self, rows: NDArray[np.intp], vertices: NDArray[np.intp]) -> Floats:
        """(n, v, 3) metres: some rows, some vertices."""


@dataclass(frozen=True, slots=True)
class KeyShapes:
    """motion[t] = sum_r curves[t, r] * basis[r]; the first key matters most."""

    basis: Floats  # (R, V, 3) metres
    curves: Floats  # (N, R), each reaching 1 at its largest (in either direction)
    worst: float  # metres: the largest error of a vertex that was found


def fit_keys(motion: Motion, tolerance: float, most: int = MAX_KEYS) -> KeyShapes:
    """Few key shapes with the worst vertex error of every row at most `tolerance` metres.

    The principal directions of some telling vertices' motion are lifted to whole shapes by least
    squares over some whole rows. Every row's curves, and its error, are found on the telling
    vertices; rows that look worst, and as many others, are checked on all. While any is off, those
    rows and vertices join the ones that are studied. Memory and time depend little on N.
    With more than `most` keys needed (noise, an untrained model), the best that many can do is
    given, and `worst` says how good that is.
    """
    # Drawn, not evenly spaced: rows may repeat with a period (emotions side by side do).
    drawn = np.random.default_rng(0).permutation(motion.rows)
    studied, lifted, telling = drawn[:_STUDIED], drawn[:0], motion.telling
    best: KeyShapes | None = None
    for _ in range(_ATTEMPTS):
        few = motion.part(studied, telling)
        directions = _principal(few, _MARGIN * tolerance, most)
        lifted = np.union1d(lifted, studied[_telling_rows(few, directions)])
        basis = _lift(motion, lifted, telling, directions)
        curves, error = _curves(motion, telling, basis, (studied, few))
        suspects = np.union1d(np.argsort(error)[-_CHECKED:], drawn[-_CHECKED:])
        errors = _distance(motion.whole(suspects) - np.tensordot(curves[suspects], basis, 1))
        worst = float(max(errors.max(initial=0.0), error.max(initial=0.0)))
        if best is None or worst < best.worst:
            best = KeyShapes(basis, curves, worst)
        if worst <= tolerance or len(directions) >= most:
            break
        bad = np.flatnonzero(error > 0.9 * tolerance)
        more = np.union1d(suspects, bad[:: max(1, len(bad) // 100)])
        studied = np.concatenate([studied, np.setdiff1d(more, studied)])
        lifted = np.union1d(lifted, more)
        telling = np.union1d(telling, np.argsort(errors.max(axis=0))[-_MORE_TELLING:])
    assert best is not None  # noqa: S101
    return _scaled(best)


def _telling_rows(few: Floats, directions: Floats) -> NDArray[np.intp]:
    """Of rows (n, v, 3), a few for each direction: where it is strongest, and some at random."""
    weights = np.abs(few.reshape(len(few), -1) @ directions.T)
    each = min(_LIFTED // 2, len(few))
    strongest = np.argpartition(weights, -each, axis=0)[-each:]
    return np.union1d(strongest, np.arange(min(len(few), max(each * len(directions), _LEAST))))


def _principal(few: Floats, tolerance: float, most: int) -> Floats:
    """(R, v * 3) orthonormal: as few directions of rows (n, v, 3) as meet each in `tolerance`."""
    rows = few.reshape(len(few), -1)
    limit = min(most, *rows.shape)
    rank = _likely_rank(few[:_GUESSED], tolerance, limit)
    while True:
        directions, weights = _directions(rows, rank)
        half = rank // 2
        hard = np.argsort(_misses(few, weights[:, :half], directions[:half]))[-_HARDEST:]
        few_hard, weights = few[hard], weights[hard]
        if rank == limit or _misses(few_hard, weights, directions).max() <= tolerance:
            break
        rank = min(rank + rank // 2 + 1, limit)
    return directions[: _fewest(few_hard, weights, directions, tolerance)]


def _fewest(few: Floats, weights: Floats, directions: Floats, tolerance: float) -> int:
    """How many of the directions are enough; all, if not even they are."""
    low, high = 1, len(directions)
    while low < high:
        middle = (low + high) // 2
        if _misses(few, weights[:, :middle], directions[:middle]).max() <= tolerance:
            high = middle
        else:
            low = middle + 1
    return high


def _likely_rank(few: Floats, tolerance: float, limit: int) -> int:
    """A generous guess at the number of directions, from some rows (n, v, 3) and their products."""
    rows = few.reshape(len(few), -1)
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    order = np.argsort(values)[::-1][: min(limit, int((values > values[-1] * 1e-9).sum()) or 1)]
    size = np.sqrt(np.maximum(values[order], 1e-30))
    vectors = vectors[:, order]
    directions = ((vectors / size).T.astype(np.float32)) @ rows
    guess = _fewest(few, (vectors * size).astype(np.float32), directions, tolerance)
    return min(guess + guess // 3 + 8, limit)


def _directions(rows: Floats, rank: int) -> tuple[Floats, Floats]:
    """(rank, columns) leading right singular vectors, and (n, rank) the rows' weights on them.

    Halko, Martinsson and Tropp, “Finding structure with randomness”, SIAM Review 53(2), 2011,
    algorithms 4.4 and 5.1; the space is found from some of the rows, turned by all of them.
    """
    sketch = rows[-max(_SKETCHED, 4 * rank) :]  # rows that were hard to meet joined at the end
    start = np.random.default_rng(0).standard_normal((len(sketch), rank), np.float32)
    space = np.linalg.qr(sketch.T @ start)[0]
    space = np.linalg.qr(sketch.T @ (sketch @ space))[0]
    weights = rows @ space
    values, turn = np.linalg.eigh((weights.T @ weights).astype(np.float64))
    turn = turn[:, np.argsort(values)[::-1]].astype(np.float32)
    return np.ascontiguousarray((space @ turn).T), weights @ turn


def _misses(few: Floats, weights: Floats, directions: Floats) -> Floats:
    """(n,) the largest distance of a vertex from what some directions give."""
    rest = few.reshape(len(few), -1) - weights @ directions
    return _distance(rest.reshape(few.shape)).max(axis=1)


def _lift(
    motion: Motion, rows: NDArray[np.intp], telling: NDArray[np.intp], directions: Floats
) -> Floats:
    """(R, V, 3) whole shapes that belong to directions of the telling vertices."""
    whole = motion.whole(rows)
    weights = whole[:, telling].reshape(len(rows), -1) @ directions.T
    solve = np.linalg.pinv(weights.astype(np.float64), rcond=1e-6).astype(np.float32)
    return (solve @ whole.reshape(len(rows), -1)).reshape(-1, *whole.shape[1:])


def _curves(
    motion: Motion,
    telling: NDArray[np.intp],
    basis: Floats,
    known: tuple[NDArray[np.intp], Floats],
) -> tuple[Floats, Floats]:
    """Curves (N, R) by least squares on the telling vertices, and each row's worst error there.

    `known`: rows, and their telling vertices, that need not be made again.
    """
    few = basis[:, telling].reshape(len(basis), -1)
    solve = np.linalg.pinv(few.astype(np.float64), rcond=1e-6).astype(np.float32)
    curves = np.empty((motion.rows, len(basis)), np.float32)
    error = np.empty(motion.rows, np.float32)

    def meet(rows: NDArray[np.intp], part: Floats) -> None:
        curves[rows] = part.reshape(len(part), -1) @ solve
        error[rows] = _misses(part, curves[rows], few)

    meet(*known)
    others = np.setdiff1d(np.arange(motion.rows), known[0])
    for first in range(0, len(others), _CHUNK):
        rows = others[first : first + _CHUNK]
        meet(rows, motion.part(rows, telling))
    return curves, error


def _scaled(keys: KeyShapes) -> KeyShapes:
    """Curves brought to ±1, well within the ±10 that a shape key can take."""
    size = np.abs(keys.curves).max(axis=0, initial=0.0)
    size[size < 1e-12] = 1.0
    return KeyShapes(keys.basis * size[:, None, None], keys.curves / size, keys.worst)


def _distance(offsets: Floats) -> Floats:
    return np.sqrt(np.einsum("...i,...i->...", offsets, offsets))
