# SPDX-License-Identifier: GPL-3.0-or-later
"""Which vertex mirrors which: found by walking both halves of a mesh at once."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.topology import components, half_edges

_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)


def mirror_map(vertices: NDArray, faces: NDArray) -> NDArray[np.int32]:
    """The left-right partner (V,) of every vertex; a vertex of the middle is its own.

    `vertices` (V, 3) need only be roughly symmetric about x = 0. A piece that lies on x = 0 is
    walked on both sides at once, from an edge of its middle: what lies left of an edge mirrors
    what lies right of its image. Pieces that lie apart, such as eyeballs, are laid over each
    other and matched by distance; so are the few vertices where the triangles of the two sides
    disagree (FLAME's do at two spots of the cheeks). The result is an involution; InputError if
    there is none.
    """
    label = components(faces, len(vertices))
    mirror = np.full(len(vertices), -1, np.int64)
    pieces = [np.flatnonzero(label == piece) for piece in range(label.max() + 1)]
    centres = np.array([vertices[ids].mean(axis=0) for ids in pieces])
    for piece, ids in enumerate(pieces):
        other = int(np.linalg.norm(centres - centres[piece] * _FLIP, axis=1).argmin())
        if other == piece:
            if not vertices[ids, 0].min() <= 0 <= vertices[ids, 0].max():
                raise InputError(
                    "A part of the mesh has no counterpart on the other side.",
                    "Centre the mesh on x = 0.",
                )
            walked = _walk_both_sides(vertices, faces[label[faces[:, 0]] == piece])
            keep = [v for v, w in walked.items() if walked.get(w) == v]
            mirror[keep] = [walked[v] for v in keep]
            rest = ids[mirror[ids] < 0]
            _match_nearest(vertices, rest, rest, mirror)
        elif other > piece:
            shifted = vertices.copy()
            shifted[ids] -= centres[piece]
            shifted[pieces[other]] -= centres[other]
            _match_nearest(shifted, ids, pieces[other], mirror)
    if (mirror < 0).any():
        raise InputError(
            "The mesh's left and right halves do not correspond.", "Use a symmetric topology."
        )
    return mirror.astype(np.int32)


def _walk_both_sides(vertices: NDArray, faces: NDArray) -> dict[int, int]:
    """Mirror partners of all vertices reached from the edge that lies best on x = 0."""
    opposite = half_edges(faces)
    edge = min(opposite, key=lambda e: abs(vertices[e[0], 0]) + abs(vertices[e[1], 0]))
    partner = {edge[0]: edge[0], edge[1]: edge[1]}
    queue = deque([edge, edge[::-1]])
    seen = set(queue)
    while queue:
        tail, head = queue.popleft()
        corner = opposite.get((tail, head))
        image = opposite.get((partner[head], partner[tail]))
        if corner is None or image is None or partner.setdefault(corner, image) != image:
            continue
        for follower in ((corner, head), (tail, corner)):
            if follower not in seen:
                seen.add(follower)
                queue.append(follower)
    return partner


def _match_nearest(
    vertices: NDArray, left: NDArray, right: NDArray, mirror: NDArray[np.int64]
) -> None:
    """Pair vertices with mirrored ones, closest pairs first; writes into `mirror`."""
    distance = np.linalg.norm(vertices[left][:, None] * _FLIP - vertices[right][None], axis=2)
    for flat in np.argsort(distance, axis=None, kind="stable").tolist():
        a, b = left[flat // len(right)], right[flat % len(right)]
        if mirror[a] < 0 and mirror[b] < 0:
            mirror[a], mirror[b] = b, a


def symmetrised(vertices: NDArray, mirror: NDArray[np.int32]) -> NDArray:
    """The nearest exactly symmetric mesh: the mean of (V, 3) and its mirror image."""
    return (vertices + mirrored(vertices, mirror)) / 2


def mirrored(offsets: NDArray, mirror: NDArray[np.int32]) -> NDArray:
    """The mirror image of offsets or vertices (..., V, 3)."""
    return offsets[..., mirror, :] * _FLIP
