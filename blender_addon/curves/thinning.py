# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer key frames for the same motion, within an error that is measured. NumPy, no bpy."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_TRIES = 6


def thin(curves: Floats, shapes: Floats, tolerance: float) -> tuple[list[NDArray[np.intp]], float]:
    """The rows of curves (F, K) that suffice, for each of them, and the error they leave.

    Between the rows that stay, curves are straight. `shapes` (K, V, 3) are the offsets that a curve
    scales; no vertex ever errs by more than `tolerance`, in the same unit.
    """
    reach = np.linalg.norm(shapes, axis=2).max(axis=1, initial=0.0)  # (K,) of a vertex at value 1
    share = 1.0
    for _ in range(_TRIES):
        with np.errstate(divide="ignore"):
            allowed = np.where(reach > 0, share * tolerance / reach, np.inf)
        kept = [reduced(curve, most) for curve, most in zip(curves.T, allowed, strict=True)]
        error = worst_error(curves, kept, shapes)
        if error <= tolerance:
            return kept, error
        share *= 0.9 * tolerance / error  # errors of several keys add up
    kept = [np.arange(len(curves)) for _ in curves.T]
    return kept, 0.0


def reduced(curve: Floats, most: float) -> NDArray[np.intp]:
    """The rows of a curve (F,) between which straight lines err by at most `most`.

    Ramer, Douglas and Peucker: keep the ends and, where a line between two kept rows errs too much,
    the row where it errs most.
    """
    kept = np.zeros(len(curve), bool)
    kept[[0, -1]] = True
    starts, ends = np.array([0]), np.array([len(curve) - 1])
    while (wide := ends - starts > 1).any():  # all spans at once, each halved or done with
        starts, ends = starts[wide], ends[wide]
        counts = ends - starts
        begins = np.cumsum(counts) - counts  # of each span in the rows of all
        span = np.repeat(np.arange(len(counts)), counts)
        along = np.arange(len(span)) - begins[span]
        rows = starts[span] + along
        slopes = (curve[ends] - curve[starts]) / counts
        errors = np.abs(curve[rows] - (curve[starts][span] + slopes[span] * along))
        worst = np.maximum.reduceat(errors, begins)
        hits = np.flatnonzero(errors == worst[span])
        middles = rows[hits[np.searchsorted(hits, begins)]]  # the first in each span
        split = worst > most
        kept[middles[split]] = True
        starts, ends = (
            np.concatenate([starts[split], middles[split]]),
            np.concatenate([middles[split], ends[split]]),
        )
    return np.flatnonzero(kept)


def worst_error(curves: Floats, kept: list[NDArray[np.intp]], shapes: Floats) -> float:
    """The farthest that any vertex is from where all rows would have it."""
    rows = np.arange(len(curves))
    wrong = np.stack(
        [
            curve - np.interp(rows, which, curve[which])
            for curve, which in zip(curves.T, kept, strict=True)
        ],
        axis=1,
    ).astype(np.float32)
    moved = shapes[:, shapes.any(axis=(0, 2))]
    axes = [np.ascontiguousarray(moved[:, :, axis]) for axis in range(3)]
    worst = 0.0
    for start in range(0, len(wrong), 64):
        part = wrong[start : start + 64]
        squares = sum((part @ axis) ** 2 for axis in axes)
        worst = max(worst, float(np.max(squares, initial=0.0)))
    return float(np.sqrt(worst))
