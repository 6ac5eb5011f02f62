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
    spans = [(0, len(curve) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        line = np.linspace(curve[first], curve[last], last - first + 1)
        errors = np.abs(curve[first : last + 1] - line)
        worst = int(errors.argmax())
        if errors[worst] > most:
            kept[first + worst] = True
            spans += [(first, first + worst), (first + worst, last)]
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
    flat = shapes.reshape(len(shapes), -1)
    worst = 0.0
    for start in range(0, len(wrong), 64):
        offsets = (wrong[start : start + 64] @ flat).reshape(-1, shapes.shape[1], 3)
        worst = max(worst, float(np.sqrt((offsets**2).sum(axis=2).max(initial=0.0))))
    return worst
