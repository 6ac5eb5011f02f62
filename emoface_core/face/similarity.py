# SPDX-License-Identifier: GPL-3.0-or-later
"""The similarity (scale, rotation, translation) that lays one set of points over another.

Umeyama, “Least-squares estimation of transformation parameters between two point patterns”,
IEEE PAMI 13(4), 1991, weighted again and again so that parts that really differ (another person's
nose, an opened mouth) do not pull the rest askew.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emoface_core.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Similarity:
    """x -> scale * rotation @ x + translation."""

    scale: float
    rotation: Floats  # (3, 3), a rotation: orthonormal, determinant +1
    translation: Floats  # (3,)

    def apply_points(self, points: ArrayLike) -> Floats:
        """Positions (..., 3) carried over."""
        return self.apply_vectors(points) + self.translation

    def apply_vectors(self, vectors: ArrayLike) -> Floats:
        """Differences of positions (..., 3), such as offsets, carried over: not translated."""
        return self.scale * (np.asarray(vectors, np.float64) @ self.rotation.T)

    def inverse(self) -> "Similarity":
        """The similarity that undoes this one."""
        back = self.rotation.T
        return Similarity(1 / self.scale, back, -(back @ self.translation) / self.scale)


def fit_similarity(
    source: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None
) -> Similarity:
    """Umeyama's least-squares similarity from `source` (V, 3) to `target` (V, 3)."""
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 3:
        raise InputError(
            f"Points of shape {a.shape} cannot be laid over points of shape {b.shape}.",
            "Give both as (number, 3), in the same order.",
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("The mesh has vertices that are not numbers.", "Repair it first.")
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    w = w / w.sum()
    mean_a, mean_b = w @ a, w @ b
    da, db = a - mean_a, b - mean_b
    spread = float(w @ (da**2).sum(axis=1))
    u, s, vt = np.linalg.svd((db * w[:, None]).T @ da)
    if spread <= 0 or s[1] <= 1e-9 * s[0]:
        raise InputError(
            "The mesh is a point or a line, so there is no telling how it is turned.",
            "Choose a mesh with a face's shape.",
        )
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * sign) @ vt
    scale = float(s @ sign) / spread
    if scale <= 0:
        raise InputError("The mesh is turned inside out.", "Remove its mirroring.")
    return Similarity(scale, rotation, mean_b - scale * (rotation @ mean_a))


def find_similarity(source: ArrayLike, target: ArrayLike, rounds: int = 30) -> Similarity:
    """A robust similarity from `source` (V, 3) to `target` (V, 3), point for point.

    Least distances in place of least squares, by `rounds` of re-weighting: parts that have moved
    far count no more than those that have moved a little.
    """
    found = fit_similarity(source, target)
    size = float(np.ptp(np.asarray(target, np.float64), axis=0).max())
    for _ in range(rounds):
        misses = residuals(found, source, target)
        typical = float(np.median(misses))
        if typical <= 1e-9 * size:
            break
        found = fit_similarity(source, target, 1 / (misses + 0.01 * typical))
    return found


def residuals(similarity: Similarity, source: ArrayLike, target: ArrayLike) -> Floats:
    """How far each point misses (V,), in the target's units."""
    missed = similarity.apply_points(source) - np.asarray(target, np.float64)
    return np.linalg.norm(missed, axis=1)
