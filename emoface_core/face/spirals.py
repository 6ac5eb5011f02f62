# SPDX-License-Identifier: GPL-3.0-or-later
"""Spirals over a triangle mesh: for every vertex, its neighbourhood in a fixed order and length.

After SpiralNet++ (Gong et al., ICCV Workshops 2019): the vertex, its one-ring, then each ring
after it, all in circulator order, cut to one length. Here everything follows from the triangles
alone: where SpiralNet++ begins a ring at an arbitrary neighbour, it begins at the one of the
smallest index, and where it fills a spiral up with the nearest vertices in space, it repeats the
vertex itself. So spirals do not depend on the geometry and never leave their piece of the mesh.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emoface_core.errors import InputError
from emoface_core.face.topology import rings


def spirals(
    faces: ArrayLike, n_vertices: int, length: int = 9, dilation: int = 1
) -> NDArray[np.int32]:
    """Spirals (V, length) of vertex indices; column 0 is the vertex itself.

    `dilation` d takes every d-th vertex of a spiral d times as long, for a wider view at no more
    weights. InputError if `length` or `dilation` is not positive or the faces are no surface.
    """
    if length < 1 or dilation < 1:
        raise InputError(
            f"A spiral cannot have length {length} and dilation {dilation}.", "Use at least 1."
        )
    around = rings(faces, n_vertices)
    reach = (length - 1) * dilation + 1
    result = np.empty((n_vertices, length), np.int32)
    for vertex in range(n_vertices):
        path = _spiral(vertex, around, reach)[::dilation]
        result[vertex] = path + [vertex] * (length - len(path))
    return result


def _spiral(vertex: int, around: list[list[int]], reach: int) -> list[int]:
    """Up to `reach` vertices, ring after ring, each ring in the order the last one meets it."""
    path = [vertex]
    ring = around[vertex]
    seen = {vertex, *ring}
    while ring and len(path) < reach:
        path.extend(ring)
        ring = _next_ring(ring, around, seen)
    return path[:reach]


def _next_ring(ring: list[int], around: list[list[int]], seen: set[int]) -> list[int]:
    """Unseen neighbours of a ring's vertices; each walk begins after a vertex of the ring."""
    members = set(ring)
    following: list[int] = []
    for vertex in ring:
        near = around[vertex]
        start = next((i for i, v in enumerate(near) if v in members), 0)
        for neighbour in near[start:] + near[:start]:
            if neighbour not in seen:
                seen.add(neighbour)
                following.append(neighbour)
    return following
