# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry expression shapes from one mesh to another that was laid onto it, and mend what is left.

A shape is read where each vertex lies on the other surface. What the eye forgives least is then
made exact, as smoothly as the mesh allows: lips that shall meet meet, lids that shall meet meet.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu

from emoface_core.face.registration import Surface, laplacian, vertex_normals
from emoface_core.face.symmetry import mirrored

Floats = NDArray[np.float64]


def carry_shapes(
    vertices: NDArray,
    faces: NDArray,
    surface: Surface,
    shapes: Mapping[str, NDArray],
    *,
    zones: NDArray | None = None,
    loose: NDArray | None = None,
) -> dict[str, Floats]:
    """Offsets (V, 3) for a mesh that lies on `surface`, from offsets of the surface's vertices.

    `loose` (V,) bool marks vertices that do not lie on it (the back of an eye's pocket): theirs
    are the smoothest continuation of the others'.
    """
    normals = vertex_normals(vertices, faces)
    hits = surface.closest(vertices, normals=normals, zones=zones)
    near = surface.closest(vertices, zones=zones)
    # A vertex pinned to a curve lies on the surface whatever its normal says.
    use = (near.distance < 1e-5) | ~np.isfinite(hits.distance)
    carried = {}
    for name, offsets in shapes.items():
        moved = np.where(use[:, None], surface.carry(near, offsets), surface.carry(hits, offsets))
        if loose is not None and loose.any():
            known = np.flatnonzero(~loose)
            moved = spread(vertices, faces, known, moved[known])
        carried[name] = moved
    return carried


def spread(vertices: NDArray, faces: NDArray, known: NDArray, values: NDArray) -> Floats:
    """The smoothest field (V, 3) that has `values` (K, 3) at the vertices `known` (K,).

    Smoothest: least squared Laplacian, so that it bends no more than it must.
    """
    smooth = laplacian(vertices, faces)
    square = csr_matrix(smooth.T @ smooth) + 1e-9 * diags(np.ones(len(vertices)))
    rest = np.setdiff1d(np.arange(len(vertices)), known)
    field = np.zeros((len(vertices), 3))
    field[known] = values
    if len(rest):
        right = -square[rest][:, known] @ values
        field[rest] = splu(square[rest][:, rest].tocsc()).solve(np.asarray(right))
    return field


def patch(
    vertices: NDArray, faces: NDArray, ids: NDArray, values: NDArray, still: NDArray
) -> Floats:
    """A smooth field (V, 3) with `values` (K, 3) at `ids` and nothing where `still` (V,) says."""
    ids, first = np.unique(ids, return_index=True)
    fixed = np.setdiff1d(np.flatnonzero(still), ids)
    known = np.concatenate([ids, fixed])
    return spread(
        vertices, faces, known, np.concatenate([values[first], np.zeros((len(fixed), 3))])
    )


def pair_name(name: str) -> str:
    """The shape that is a shape's mirror image; itself if it moves both sides alike."""
    for one, other in (("_L", "_R"), ("_R", "_L"), ("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    return name


def symmetric_shapes(shapes: Mapping[str, NDArray], mirror: NDArray) -> dict[str, Floats]:
    """Each shape averaged with the mirror image of its partner."""
    return {
        name: (offsets + mirrored(shapes[pair_name(name)], mirror)) / 2
        for name, offsets in shapes.items()
    }


def nearest_on_line(points: NDArray, line: NDArray) -> Floats:
    """The point of an open polyline (K, 3) nearest to each of `points` (N, 3)."""
    start, step = line[:-1], np.diff(line, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-18)
    along = np.clip(((points[:, None] - start) * step).sum(axis=2) / length, 0, 1)
    spots = start + along[..., None] * step
    best = np.linalg.norm(spots - points[:, None], axis=2).argmin(axis=1)
    return spots[np.arange(len(points)), best]
