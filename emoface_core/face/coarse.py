# SPDX-License-Identifier: GPL-3.0-or-later
"""A coarse mesh on a few hundred of a mesh's own vertices, and sparse weights back to all.

The kept vertices are spread by farthest-point sampling over distances along the surface, weighted
so that lips, eyes and brows get more. Their triangles are the dual of the surface's Voronoi cells:
wherever three cells meet at a triangle, their three centres make one. Needs SciPy.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from emoface_core.errors import InputError
from emoface_core.face.head import CoarseMesh
from emoface_core.face.topology import boundary_loops, components, edges

_MORE = 40  # vertices more than asked for, at the most


def coarse_mesh(
    vertices: NDArray, faces: NDArray, *, count: int, density: NDArray, mirror: NDArray
) -> CoarseMesh:
    """Keep about `count` vertices, mirrored pairs together, `density` (V,) times as many where >1.

    A few more are kept if so few leave a hole: the coarse mesh has as many rims as the mesh.
    Nothing is shared between pieces of the mesh: each gets vertices of its own.
    """
    pairs = edges(faces)
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    length = np.maximum(length, 1e-6) * np.sqrt(density[pairs]).mean(axis=1)
    graph = csr_matrix((length, (pairs[:, 0], pairs[:, 1])), shape=(len(vertices),) * 2)
    rims = len(boundary_loops(faces))
    for more in range(0, _MORE, 2):
        seeds = _seeds(graph, components(faces, len(vertices)), count + more, mirror)
        distance = dijkstra(graph, directed=False, indices=seeds)  # (M, V)
        coarse = _dual_faces(np.argmin(distance, axis=0)[faces])
        if len(boundary_loops(coarse)) == rims and len(np.unique(coarse)) == len(seeds):
            index, weight = _up_weights(distance)
            return CoarseMesh(np.array(seeds, np.int32), coarse, index, weight)
    raise InputError(
        f"No coarse mesh of about {count} vertices keeps the mesh's form.", "Ask for more vertices."
    )


def _seeds(graph: csr_matrix, piece: NDArray, count: int, mirror: NDArray) -> list[int]:
    """Farthest-point seeds: one per piece first, then whichever vertex is farthest from all."""
    seeds: list[int] = []
    nearest = np.full(graph.shape[0], np.inf)

    def add(vertex: int) -> None:
        for v in {vertex, int(mirror[vertex])}:
            seeds.append(v)
            np.minimum(nearest, dijkstra(graph, directed=False, indices=v), out=nearest)

    for label in range(piece.max() + 1):
        if np.isinf(nearest[piece == label]).all():
            add(int(np.flatnonzero(piece == label)[0]))
    while len(seeds) < count:
        add(int(np.argmax(nearest)))
    return sorted(seeds)


def _up_weights(distance: NDArray) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Three nearest seeds; weights fade to nothing where the third becomes the fourth.

    A modified Shepard weight, ((r - d) / (r d))² with r the distance of the fourth: continuous
    along the surface, and one at the seed itself.
    """
    index = np.argsort(distance, axis=0, kind="stable")[:4].T
    near = np.take_along_axis(distance, index.T, axis=0).T
    reach = np.where(np.isfinite(near[:, 3:]), near[:, 3:], 2 * near[:, 2:3])
    d = np.maximum(near[:, :3], 1e-9)
    weight = ((reach - d) / (reach * d)) ** 2 + 1e-12
    weight /= weight.sum(axis=1, keepdims=True)
    weight[weight < 1e-6] = 0
    weight /= weight.sum(axis=1, keepdims=True)
    index = np.where(weight > 0, index[:, :3], index[:, :1])
    return index.astype(np.int32), weight.astype(np.float32)


def _dual_faces(cells: NDArray) -> NDArray[np.int32]:
    """Triangles of cell centres, each once, with every edge used at most once each way."""
    distinct = (
        (cells[:, 0] != cells[:, 1]) & (cells[:, 1] != cells[:, 2]) & (cells[:, 2] != cells[:, 0])
    )
    chosen: list[tuple[int, int, int]] = []
    used: Counter[tuple[int, int]] = Counter()
    for a, b, c in cells[distinct].tolist():
        sides = ((a, b), (b, c), (c, a))
        if not any(used[side] for side in sides):
            used.update(sides)
            chosen.append((a, b, c))
    return np.array(chosen, np.int32)
