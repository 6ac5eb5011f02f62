# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer triangles for a mesh of the same look: edges are collapsed by quadric error.

Garland and Heckbert, “Surface Simplification Using Quadric Error Metrics”, 1997; every collapse
moves one end onto the other, so what is left is a subset of the mesh's own vertices.
"""

import heapq

import numpy as np
from numpy.typing import NDArray


def decimate(
    vertices: NDArray, faces: NDArray, count: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Vertices to keep (K,) and triangles (F', 3) among them by their new numbers.

    Stops at `count` vertices, or sooner where no collapse is left that keeps the surface a
    surface and its triangles upright.
    """
    mesh = _Mesh(np.asarray(vertices, np.float64), np.asarray(faces, np.int64))
    mesh.collapse_to(count)
    triangles = np.array([f for f in mesh.triangles if f is not None], np.int64)
    kept, numbered = np.unique(triangles, return_inverse=True)
    return kept.astype(np.int32), numbered.reshape(triangles.shape).astype(np.int32)


class _Mesh:
    def __init__(self, vertices: NDArray, faces: NDArray) -> None:
        self.points = vertices
        self.triangles: list[tuple[int, int, int] | None] = [
            (a, b, c) for a, b, c in faces.tolist()
        ]
        self.fans: list[set[int]] = [set() for _ in vertices]
        self.quadrics = np.zeros((len(vertices), 4, 4))
        for index, corners in enumerate(faces.tolist()):
            plane = self._plane(*corners)
            for v in corners:
                self.fans[v].add(index)
                self.quadrics[v] += np.outer(plane, plane)
        self.age = [0] * len(vertices)
        self.queue: list[tuple[float, int, int, int, int]] = []

    def _plane(self, a: int, b: int, c: int) -> NDArray:
        """The triangle's plane, weighted by its area so that slivers count little."""
        p, q, r = self.points[[a, b, c]]
        normal = np.cross(q - p, r - p)
        return np.append(normal, -normal @ p) / max(float(np.linalg.norm(normal)) ** 0.5, 1e-12)

    def neighbours(self, v: int) -> set[int]:
        return {w for index in self.fans[v] for w in self.triangles[index] or ()} - {v}

    def offer(self, keep: int, drop: int) -> None:
        spot = np.append(self.points[keep], 1)
        cost = float(spot @ (self.quadrics[keep] + self.quadrics[drop]) @ spot)
        entry = (cost, keep, drop, self.age[keep], self.age[drop])
        heapq.heappush(self.queue, entry)

    def collapse_to(self, count: int) -> None:
        alive = sum(bool(fan) for fan in self.fans)
        for v in range(len(self.fans)):
            for w in self.neighbours(v):
                self.offer(v, w)
        while alive > count and self.queue:
            _, keep, drop, keep_age, drop_age = heapq.heappop(self.queue)
            current = (self.age[keep], self.age[drop]) == (keep_age, drop_age)
            if current and self.fans[keep] and self.fans[drop] and self._allowed(keep, drop):
                self._collapse(keep, drop)
                alive -= 1

    def _allowed(self, keep: int, drop: int) -> bool:
        """Whether the surface stays one: two common neighbours, no rim moved, no fold."""
        shared = self.fans[keep] & self.fans[drop]
        common = self.neighbours(keep) & self.neighbours(drop)
        if len(shared) != 2 or len(common) != 2:
            return False
        if len(self.neighbours(drop)) != len(self.fans[drop]):  # on a rim
            return False
        for index in self.fans[drop] - shared:
            before = self.triangles[index] or (0, 0, 0)
            after = tuple(keep if v == drop else v for v in before)
            old, new = (np.cross(p[1] - p[0], p[2] - p[0]) for p in self.points[[before, after]])
            if old @ new <= 0.2 * np.linalg.norm(old) * np.linalg.norm(new):
                return False
        return True

    def _collapse(self, keep: int, drop: int) -> None:
        for index in list(self.fans[drop]):
            a, b, c = self.triangles[index] or (0, 0, 0)
            if keep in (a, b, c):
                self.triangles[index] = None
                for v in (a, b, c):
                    self.fans[v].discard(index)
            else:
                a, b, c = (keep if v == drop else v for v in (a, b, c))
                self.triangles[index] = (a, b, c)
                self.fans[keep].add(index)
        self.fans[drop].clear()
        self.quadrics[keep] += self.quadrics[drop]
        self.age[keep] += 1
        for w in self.neighbours(keep):
            self.offer(keep, w)
            self.offer(w, keep)
