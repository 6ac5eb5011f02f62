# SPDX-License-Identifier: GPL-3.0-or-later
"""Connectivity of triangle meshes: half-edges, rings, pieces, and whether a mesh is FLAME's."""

import hashlib
from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emoface_core.errors import InputError

FLAME_VERTICES = 5023
FLAME_FACES = 9976

_OWN_HEAD = "Use FLAME's mesh as it was published, or press “Add EmoFace head”."


@cache
def flame_faces() -> NDArray[np.int32]:
    """FLAME's triangles (9976, 3), wound counter-clockwise as seen from outside."""
    with as_file(files("emoface_core.assets") / "head.npz") as path, np.load(path) as archive:
        faces = archive["faces"].astype(np.int32)
    faces.setflags(write=False)
    return faces


def edges(faces: ArrayLike) -> NDArray[np.int64]:
    """Undirected edges (E, 2) of triangles (F, 3), lower index first, each once, sorted."""
    triangles = np.asarray(faces, np.int64)
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(sides, axis=1), axis=0)


def half_edges(faces: ArrayLike) -> dict[tuple[int, int], int]:
    """For every directed edge (a, b) of a triangle (a, b, c), the corner c opposite to it.

    InputError if two triangles run the same way along an edge: the mesh is then not an oriented
    surface, and nothing that walks around a vertex is defined.
    """
    opposite: dict[tuple[int, int], int] = {}
    for a, b, c in np.asarray(faces, np.int64).tolist():
        for tail, head, corner in ((a, b, c), (b, c, a), (c, a, b)):
            if (tail, head) in opposite:
                raise InputError(
                    f"The edge {tail}–{head} belongs to several triangles on the same side.",
                    "Make the mesh a surface whose faces all look outwards.",
                )
            opposite[tail, head] = corner
    return opposite


def rings(faces: ArrayLike, n_vertices: int) -> list[list[int]]:
    """The neighbours of every vertex in the order one meets them walking around it.

    Counter-clockwise as seen from outside. At a boundary the walk begins on the border and ends
    on the border; elsewhere it begins at the neighbour of the smallest index. Depends on the
    triangles' orientation alone, not on their order nor on which corner they begin with.
    """
    spokes: list[dict[int, int]] = [{} for _ in range(n_vertices)]  # neighbour -> the next one
    for (centre, first), second in half_edges(faces).items():
        spokes[centre][first] = second
    return [_walk(following) for following in spokes]


def _walk(following: dict[int, int]) -> list[int]:
    """Chain neighbour -> next neighbour into lists; several fans are joined in order of index."""
    order: list[int] = []
    ends = set(following.values())
    starts = sorted(set(following) - ends)  # a neighbour that nothing leads to: the border
    seen: set[int] = set()
    for start in [*starts, *sorted(following)]:
        here: int | None = start
        while here is not None and here not in seen:
            seen.add(here)
            order.append(here)
            here = following.get(here)
    return order


def components(faces: ArrayLike, n_vertices: int) -> NDArray[np.int32]:
    """A label per vertex: 0 for the piece that holds vertex 0, then in order of first vertex."""
    pairs = edges(faces)
    label = np.arange(n_vertices)
    while True:  # labels sink to the smallest of each piece, with pointer jumping
        low = np.minimum(label[pairs[:, 0]], label[pairs[:, 1]])
        new = label.copy()
        np.minimum.at(new, pairs[:, 0], low)
        np.minimum.at(new, pairs[:, 1], low)
        new = new[new]
        if np.array_equal(new, label):
            break
        label = new
    return np.unique(label, return_inverse=True)[1].reshape(-1).astype(np.int32)


def boundary_loops(faces: ArrayLike) -> list[list[int]]:
    """The mesh's rims as closed lists of vertices, in the direction of their triangles."""
    sides = half_edges(faces)
    following = {a: b for a, b in sides if (b, a) not in sides}
    loops: list[list[int]] = []
    while following:
        start = min(following)
        loop = [start]
        here = following.pop(start)
        while here != start:
            loop.append(here)
            here = following.pop(here)
        loops.append(loop)
    return loops


def face_list_digest(faces: ArrayLike) -> str:
    """SHA-256 of the set of triangles: the same however they are ordered, begun or wound."""
    triangles = np.sort(np.asarray(faces, "<i4"), axis=1)
    triangles = triangles[np.lexsort(triangles.T[::-1])]
    return hashlib.sha256(np.ascontiguousarray(triangles).tobytes()).hexdigest()


def _codes(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    return pairs.min(axis=1) * np.int64(2**31) + pairs.max(axis=1)


@cache
def _flame_edge_codes() -> NDArray[np.int64]:
    """Edges of FLAME, and the other diagonals of its pairs of triangles.

    Quads made of triangles and cut again, as mesh editors do, may be cut along either diagonal
    without any vertex changing its number.
    """
    sides = half_edges(flame_faces())
    diagonals = [(c, sides[b, a]) for (a, b), c in sides.items() if (b, a) in sides]
    return np.unique(_codes(np.concatenate([edges(flame_faces()), np.array(diagonals)])))


def check_topology(n_vertices: int, faces: ArrayLike) -> None:
    """Raise InputError unless a mesh is FLAME's vertex for vertex; says what differs.

    `faces` (F, 3) may be ordered, begun, wound or cut from quads in any way, as long as the
    vertices keep their numbers.
    """
    triangles = np.asarray(faces)
    if n_vertices != FLAME_VERTICES:
        raise InputError(
            f"This mesh has {n_vertices} vertices; FLAME's has {FLAME_VERTICES}.", _OWN_HEAD
        )
    if triangles.ndim != 2 or triangles.shape[1] != 3 or not len(triangles):
        raise InputError("The mesh's faces are not triangles.", "Triangulate it first.")
    if triangles.min() < 0 or triangles.max() >= n_vertices:
        raise InputError("The mesh's faces name vertices that it does not have.", _OWN_HEAD)
    if len(triangles) != FLAME_FACES:
        raise InputError(
            f"This mesh has {len(triangles)} triangles; FLAME's has {FLAME_FACES}.", _OWN_HEAD
        )
    known = np.isin(_codes(edges(triangles)), _flame_edge_codes())
    if not known.all():
        raise InputError(
            f"This mesh has FLAME's number of vertices, but in another order: "
            f"{np.count_nonzero(~known)} of its {len(known)} edges join vertices that are not "
            "neighbours in FLAME.",
            "Import it with “keep vertex order”, without merging or splitting vertices.",
        )
