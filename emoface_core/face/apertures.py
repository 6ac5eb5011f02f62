# SPDX-License-Identifier: GPL-3.0-or-later
"""The rings of vertices around the mouth and the eyes, and which vertices meet when they shut.

FLAME's mouth is an exact grid from the rim of its hole outwards, its eyes from a pole behind each
eyeball; columns of the grid run from the inside over the lip or lid to the skin.
"""

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.topology import edges


def ring_levels(faces: NDArray, n_vertices: int, start: list[int]) -> NDArray[np.int64]:
    """Steps along edges (V,) from a set of vertices; -1 where no path leads."""
    pairs = edges(faces)
    level = np.full(n_vertices, -1)
    front = np.zeros(n_vertices, bool)
    front[start] = True
    step = 0
    while front.any():
        level[front] = step
        reached = np.zeros(n_vertices, bool)
        reached[pairs[front[pairs[:, 0]], 1]] = True
        reached[pairs[front[pairs[:, 1]], 0]] = True
        front = reached & (level < 0)
        step += 1
    return level


def neighbours(faces: NDArray) -> dict[int, set[int]]:
    """The vertices that share an edge with each vertex."""
    near: dict[int, set[int]] = {}
    for a, b in edges(faces).tolist():
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    return near


def ring_grid(faces: NDArray, first: list[int], count: int) -> NDArray[np.int32]:
    """Rings (count, K) around a closed ring `first` (K,), column by column, the way `first` runs.

    The rings go to the side that `ring_levels` from `first` reaches; InputError unless each of
    them is one closed ring of K vertices whose columns join.
    """
    n_vertices = int(faces.max()) + 1
    level = ring_levels(faces, n_vertices, first)
    near = neighbours(faces)
    grid = [first]
    for step in range(1, count):
        ring = _ordered(np.flatnonzero(level == step).tolist(), near)
        if len(ring) != len(first):
            raise InputError(
                f"Ring {step} has {len(ring)} vertices, not {len(first)}.", "Use FLAME's topology."
            )
        turns = [
            np.roll(ring[::way], shift).tolist() for way in (1, -1) for shift in range(len(ring))
        ]
        grid.append(
            max(turns, key=lambda t: sum(b in near[a] for a, b in zip(grid[-1], t, strict=True)))
        )
    return np.array(grid, np.int32)


def _ordered(ring: list[int], near: dict[int, set[int]]) -> list[int]:
    """The vertices of a closed ring in the order one meets them."""
    members = set(ring)
    order = [ring[0]]
    while True:
        ahead = (near[order[-1]] & members) - set(order)
        if not ahead:
            return order
        order.append(min(ahead))


def turned(ring: list[int], start: int) -> list[int]:
    """A closed ring, begun at its vertex of position `start`."""
    return ring[start:] + ring[:start]


def mouth_grid(vertices: NDArray, faces: NDArray, rim: list[int]) -> NDArray[np.int32]:
    """FLAME's inner mouth (5, 32): ring 0 is the hole's rim, ring 3 is where the lips touch.

    Column 0 is the corner at the person's left, 1–15 the lower lip, 16 the right corner, 17–31
    the upper lip; column 32 - k faces column k.
    """
    grid = ring_grid(faces, turned(rim, int(np.argmax(vertices[rim, 0]))), 5)
    if vertices[grid[0, 8], 1] > vertices[grid[0, 24], 1]:
        grid = np.roll(grid[:, ::-1], 1, axis=1)
    return grid


def eye_grid(vertices: NDArray, faces: NDArray, pole: int) -> NDArray[np.int32]:
    """FLAME's lids (5, 30) around the pole behind an eyeball: row 3 is the margin of the lid.

    Column 0 is the corner at the nose, 1–13 the upper lid, 14–16 the outer corner, 17–29 the
    lower; column 30 - k faces column k.
    """
    level = ring_levels(faces, len(vertices), [pole])
    first = _ordered(np.flatnonzero(level == 1).tolist(), neighbours(faces))
    outside = faces[~(faces == pole).any(axis=1)]
    grid = ring_grid(outside, first, 5)
    inward = -np.sign(vertices[pole, 0])
    grid = np.roll(grid, -int(np.argmax(inward * vertices[grid[-1], 0])), axis=1)
    if vertices[grid[-1, 7], 1] < vertices[grid[-1, 22], 1]:
        grid = np.roll(grid[:, ::-1], 1, axis=1)
    return grid
