# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay the topology of one mesh onto the surface of another.

Pinned points (landmarks, and curves such as the seam of the lips) set the start by a smooth warp;
then the mesh is drawn to the surface again and again, along its normals, while a bi-Laplacian
keeps its displacement smooth, at first stiff and then ever softer (non-rigid iterative closest
points; Amberg et al., CVPR 2007, with the plane distance of Chen and Medioni, 1992, and the
smoothness of Sorkine and Botsch's surveys of deformation). Zones keep apart what lies close but
is not the same: a vertex of the upper lip never lands on the lower. Needs SciPy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, diags, identity, kron
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from emoface_core.face.similarity import fit_similarity
from emoface_core.face.symmetry import symmetrised
from emoface_core.face.topology import edges

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
ANY_ZONE = 0

_NEAREST = 40  # triangles tried per point; a surface's own scale makes more of them useless
_SLIDE = 0.02  # pull along the surface, against the pull onto it: keeps the solve well posed
_SNAP = 0.001  # metres: farther off, a vertex is left where smoothness put it
_PIN = 4.0  # weight of a pinned point against a drawn one


def vertex_normals(vertices: NDArray, faces: NDArray) -> Floats:
    """Unit normals (V, 3): the mean of the triangles around, by area."""
    corners = np.asarray(vertices, np.float64)[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(vertices), 3))
    for k in range(3):
        np.add.at(normals, faces[:, k], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)


@dataclass(frozen=True, slots=True)
class Hits:
    """Where on a surface some points land."""

    triangle: Indices  # (N,)
    weights: Floats  # (N, 3) barycentric
    points: Floats  # (N, 3)
    normals: Floats  # (N, 3)
    distance: Floats  # (N,); infinite where nothing allowed was near


class Surface:
    """A triangle mesh that can be asked for its closest allowed point."""

    def __init__(self, vertices: NDArray, faces: NDArray, zones: NDArray | None = None) -> None:
        """`zones` (F,) names a part per triangle; `ANY_ZONE` is open to all."""
        self.vertices = np.asarray(vertices, np.float64)
        self.faces = np.asarray(faces, np.int64)
        self.zones = np.zeros(len(faces), np.int64) if zones is None else np.asarray(zones)
        corners = self.vertices[self.faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(across, axis=1, keepdims=True)
        self.face_normals = across / np.maximum(area, 1e-30)
        self.vertex_normals = vertex_normals(self.vertices, self.faces)
        sides = np.sort(self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        codes = sides[:, 0] * len(self.vertices) + sides[:, 1]
        _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
        self._border = (counts[inverse] == 1).reshape(-1, 3)  # sides ab, bc, ca
        self._corners = corners
        self._tree = cKDTree(corners.mean(axis=1))

    def closest(
        self,
        points: NDArray,
        *,
        normals: NDArray | None = None,
        zones: NDArray | None = None,
        facing: float = 0.3,
    ) -> Hits:
        """The closest point to each of `points` (N, 3).

        With `normals`, only triangles whose normal agrees (cosine above `facing`); with `zones`
        (N,), only triangles of the same zone or of any.
        """
        count = min(_NEAREST, len(self.faces))
        _, near = self._tree.query(points, k=count)
        near = near.reshape(len(points), count)
        weights = closest_weights(points[:, None], self._corners[near])
        found = (weights[..., None] * self._corners[near]).sum(axis=2)
        distance = np.linalg.norm(found - points[:, None], axis=2)
        if normals is not None:
            agree = (self.face_normals[near] * normals[:, None]).sum(axis=2) > facing
            distance = np.where(agree, distance, np.inf)
        if zones is not None:
            own, other = np.asarray(zones)[:, None], self.zones[near]
            barred = (own != other) & (own != ANY_ZONE) & (other != ANY_ZONE)
            distance = np.where(barred, np.inf, distance)
        rows = np.arange(len(points))
        best = distance.argmin(axis=1)
        triangle, weight = near[rows, best], weights[rows, best]
        smooth = (self.vertex_normals[self.faces[triangle]] * weight[..., None]).sum(axis=1)
        smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-30)
        return Hits(triangle, weight, found[rows, best], smooth, distance[rows, best])

    def on_rim(self, hits: Hits) -> NDArray[np.bool_]:
        """Which hits (N,) lie on a border edge: the points reach beyond the surface."""
        zero = hits.weights < 1e-6
        return (self._border[hits.triangle] & zero[:, [2, 0, 1]]).any(axis=1)

    def carry(self, hits: Hits, values: NDArray) -> NDArray:
        """Values (..., U, 3) on the surface's vertices, read at the hits: (..., N, 3)."""
        corners = values[..., self.faces[hits.triangle], :]
        return (corners * hits.weights[..., None]).sum(axis=-2)


def closest_weights(points: NDArray, corners: NDArray) -> Floats:
    """Barycentric weights (..., 3) of the point of a triangle (..., 3, 3) closest to (..., 3)."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d1, d2 = (ab * ap).sum(-1), (ac * ap).sum(-1)
    bp, cp = points - b, points - c
    d3, d4 = (ab * bp).sum(-1), (ac * bp).sum(-1)
    d5, d6 = (ab * cp).sum(-1), (ac * cp).sum(-1)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    total = va + vb + vc
    total = np.where(np.abs(total) < 1e-30, 1e-30, total)
    inside = np.stack([va / total, vb / total, vc / total], axis=-1)

    def along(start: int, end: int, t: NDArray) -> Floats:
        t = np.clip(t, 0, 1)
        weights = np.zeros((*t.shape, 3))
        weights[..., start], weights[..., end] = 1 - t, t
        return weights

    def ratio(x: NDArray, y: NDArray) -> Floats:
        return x / np.where(np.abs(y) < 1e-30, 1e-30, y)

    sides = np.stack(
        [
            along(0, 1, ratio(d1, d1 - d3)),
            along(0, 2, ratio(d2, d2 - d6)),
            along(1, 2, ratio(d4 - d3, (d4 - d3) + (d5 - d6))),
        ],
        axis=-2,
    )
    spots = (sides[..., None] * corners[..., None, :, :]).sum(axis=-2)
    nearest = ((spots - points[..., None, :]) ** 2).sum(-1).argmin(-1)
    edge = np.take_along_axis(sides, nearest[..., None, None], axis=-2)[..., 0, :]
    return np.where((inside >= 0).all(-1, keepdims=True), inside, edge)


@dataclass(frozen=True, slots=True)
class Pins:
    """Points of the mesh, as weights over vertices, and where they belong."""

    matrix: csr_matrix  # (P, V); rows sum to one
    points: Floats  # (P, 3)
    weights: Floats  # (P,)

    @staticmethod
    def of_vertices(ids: NDArray, points: NDArray, count: int, weight: float = 1.0) -> "Pins":
        """Pin single vertices."""
        rows = np.arange(len(ids))
        matrix = csr_matrix((np.ones(len(ids)), (rows, ids)), shape=(len(ids), count))
        return Pins(matrix, np.asarray(points, np.float64), np.full(len(ids), weight))

    @staticmethod
    def on_faces(
        corners: NDArray, weights: NDArray, points: NDArray, count: int, weight: float = 1.0
    ) -> "Pins":
        """Pin points within triangles: `corners` (P, 3) and barycentric `weights` (P, 3)."""
        rows = np.repeat(np.arange(len(corners)), 3)
        matrix = csr_matrix((weights.ravel(), (rows, corners.ravel())), shape=(len(corners), count))
        return Pins(matrix, np.asarray(points, np.float64), np.full(len(corners), weight))

    @staticmethod
    def join(parts: "list[Pins]") -> "Pins":
        """All pins of several sets."""
        from scipy.sparse import vstack

        return Pins(
            csr_matrix(vstack([p.matrix for p in parts])),
            np.concatenate([p.points for p in parts]),
            np.concatenate([p.weights for p in parts]),
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """How stiff the mesh is, round by round, and how far it looks for the surface."""

    stiffness: tuple[float, ...] = (30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01)
    repeats: int = 3
    unfolding: int = 12  # further rounds, each stiffer where triangles have folded over
    reach: tuple[float, ...] = (0.03, 0.03, 0.03, 0.02, 0.02, 0.015, 0.01, 0.01)


def warp(points: NDArray, anchors: NDArray, targets: NDArray, smoothing: float = 1e-6) -> Floats:
    """Move `points` (N, 3) by the smoothest map that takes `anchors` (A, 3) to `targets`.

    A triharmonic-free radial basis, φ(r) = r, with an affine part (the biharmonic spline of three
    dimensions).
    """
    count = len(anchors)
    kernel = np.linalg.norm(anchors[:, None] - anchors[None], axis=2)
    affine = np.column_stack([anchors, np.ones(count)])
    system = np.zeros((count + 4, count + 4))
    system[:count, :count] = kernel - smoothing * np.eye(count)
    system[:count, count:], system[count:, :count] = affine, affine.T
    right = np.zeros((count + 4, 3))
    right[:count] = targets - anchors
    solved = np.linalg.lstsq(system, right, rcond=None)[0]
    reach = np.linalg.norm(points[:, None] - anchors[None], axis=2)
    return (
        points
        + reach @ solved[:count]
        + np.column_stack([points, np.ones(len(points))]) @ solved[count:]
    )


def laplacian(vertices: NDArray, faces: NDArray) -> csr_matrix:
    """Graph Laplacian (V, V), rows normalised, neighbours weighted by 1 / edge length."""
    pairs = edges(faces)
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    weight = 1 / np.maximum(length, 1e-5)
    n = len(vertices)
    adjacency = csr_matrix((weight, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    adjacency = adjacency + adjacency.T
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    return csr_matrix(identity(n) - diags(1 / np.maximum(degree, 1e-12)) @ adjacency)


def lay_over(
    vertices: NDArray,
    faces: NDArray,
    surface: Surface,
    pins: Pins,
    hints: Pins,
    *,
    zones: NDArray | None = None,
    pull: NDArray | None = None,
    mirror: NDArray | None = None,
    firmness: NDArray | None = None,
    schedule: Schedule | None = None,
) -> Floats:
    """Positions (V, 3) of a mesh laid onto `surface`, all in the surface's frame and metres.

    `pins` hold to the end; `hints`, such as landmarks that were set by eye, only set the start and
    fade as the mesh softens. `zones` (V,) bars triangles of other zones; `pull` (V,)
    is how strongly each vertex is drawn to the surface: 1 if not given, 0 to follow the rest;
    with `mirror` the result is symmetric about x = 0. `firmness` (V,) is the least stiffness of
    each vertex: intricate parts such as ears keep their shape with more of it and less pull.
    """
    schedule = schedule or Schedule()
    vertices = np.asarray(vertices, np.float64)
    start = Pins.join([pins, hints])
    base = warp(vertices, start.matrix @ vertices, start.points)
    current = base
    smooth = laplacian(base, faces)
    firmness = np.zeros(len(vertices)) if firmness is None else firmness
    pull = np.ones(len(vertices)) if pull is None else pull
    rounds = list(zip(schedule.stiffness, schedule.reach, strict=True))
    rounds += rounds[-1:] * schedule.unfolding
    for number, (stiffness, reach) in enumerate(rounds):
        if number >= len(schedule.stiffness):
            wrong = folds(base, current, faces)
            if not wrong.any():
                break
            folded = _around(wrong, faces, len(vertices))
            firmness = np.where(folded, np.maximum(2 * firmness, 3 * stiffness), firmness)
        fade = min(1.0, stiffness / schedule.stiffness[0])
        strength = np.concatenate([pins.weights, fade * hints.weights]) * _PIN
        held = start.matrix.T @ diags(strength)
        stiff = smooth.T @ diags(np.maximum(stiffness, firmness)) @ smooth
        fixed = kron(stiff + held @ start.matrix, identity(3))
        drive = stiff @ base + held @ start.points
        for _ in range(schedule.repeats):
            hits = surface.closest(current, normals=vertex_normals(current, faces), zones=zones)
            weight = np.where(hits.distance < reach, pull, 0.0)
            matrix, right = _pull(hits, weight, surface.on_rim(hits))
            system = (matrix + fixed).tocsc()
            current = _solved(system, right + drive.ravel()).reshape(-1, 3)
            if mirror is not None:
                current = symmetrised(current, mirror)
    return current


def _solved(system: csc_matrix, right: Floats) -> Floats:
    """The solution of a symmetric positive system, ordered for little fill."""
    factors = splu(
        system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return factors.solve(right)


def _pull(hits: Hits, weight: Floats, rim: NDArray[np.bool_]) -> tuple[csr_matrix, Floats]:
    """Normal equations (3V, 3V) and (3V,) of the pull onto the planes that were hit.

    Beyond the surface's rim there is no plane to slide on: the pull is to the rim's point.
    """
    normal = hits.normals
    block = normal[:, :, None] * normal[:, None] + _SLIDE * np.eye(3)
    block[rim] = np.eye(3)
    block = block * weight[:, None, None] + 1e-9 * np.eye(3)
    n = len(normal)
    rows = (3 * np.arange(n)[:, None, None] + np.arange(3)[None, :, None]) + np.zeros((1, 1, 3))
    columns = (3 * np.arange(n)[:, None, None] + np.arange(3)[None, None]) + np.zeros((1, 3, 1))
    matrix = csr_matrix(
        (block.ravel(), (rows.ravel().astype(int), columns.ravel().astype(int))),
        shape=(3 * n, 3 * n),
    )
    return matrix, np.einsum("nij,nj->ni", block, hits.points).ravel()


def folds(before: NDArray, after: NDArray, faces: NDArray) -> NDArray[np.bool_]:
    """Which triangles (F,) have turned by more than a right angle from one shape to another."""
    old, new = (
        np.cross(p[faces[:, 1]] - p[faces[:, 0]], p[faces[:, 2]] - p[faces[:, 0]])
        for p in (np.asarray(before, np.float64), np.asarray(after, np.float64))
    )
    return (old * new).sum(axis=1) <= 0


def _around(wrong: NDArray[np.bool_], faces: NDArray, count: int) -> NDArray[np.bool_]:
    """Vertices (V,) of some triangles and of those beside them."""
    near = np.zeros(count, bool)
    near[faces[wrong].ravel()] = True
    near[faces[near[faces].any(axis=1)].ravel()] = True
    return near


def snap(
    vertices: NDArray,
    faces: NDArray,
    surface: Surface,
    *,
    zones: NDArray | None = None,
    move: NDArray | None = None,
    mirror: NDArray | None = None,
) -> Floats:
    """Put vertices exactly onto the surface, except where that would fold a triangle over.

    `move` (V,) bool says which may move; none moves farther than `_SNAP`.
    """
    before = np.asarray(vertices, np.float64)
    hits = surface.closest(before, normals=vertex_normals(before, faces), zones=zones)
    move = (hits.distance < _SNAP) & (np.ones(len(before), bool) if move is None else move)
    while True:
        after = np.where(move[:, None], hits.points, before)
        if mirror is not None:
            after = symmetrised(after, mirror)
        wrong = folds(before, after, faces)
        back = np.zeros(len(before), bool)
        back[faces[wrong].ravel()] = True
        if not (back & move).any():
            return after
        move &= ~back


def looks_away(
    vertices: NDArray, faces: NDArray, surface: Surface, zones: NDArray | None = None
) -> NDArray[np.bool_]:
    """Which triangles (F,) look to the other side than the surface does at each of their corners.

    In a crease, as in the corner of the mouth, the surface looks many ways; a triangle across it
    agrees with some corner.
    """
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    hits = surface.closest(vertices, normals=vertex_normals(vertices, faces), zones=zones)
    return ((across[:, None] * hits.normals[faces]).sum(axis=2) <= 0).all(axis=1)


def align_part(points: NDArray, normals: NDArray, surface: Surface, rounds: int = 40) -> Floats:
    """Where `points` (N, 3) come to lie when moved, turned and scaled as one onto a surface.

    Iterative closest points with a similarity, on the nearest three quarters each round.
    """
    current = np.asarray(points, np.float64)
    facing = np.asarray(normals, np.float64)
    for _ in range(rounds):
        hits = surface.closest(current, normals=facing)
        near = hits.distance <= np.quantile(hits.distance[np.isfinite(hits.distance)], 0.75)
        step = fit_similarity(current[near], hits.points[near])
        current, facing = step.apply_points(current), facing @ step.rotation.T
    return current
