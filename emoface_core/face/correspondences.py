# SPDX-License-Identifier: GPL-3.0-or-later
"""What on FLAME's mesh is what on the ICT face: seams of lips and lids, landmarks, ears."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from emoface_core.face import apertures
from emoface_core.face.ict import LOWER_LIP, SKIN, UPPER_LIP, IctFace, Loops
from emoface_core.face.regions import NOSE, OUTER_LIPS, fine_patch
from emoface_core.face.registration import Pins, Surface, align_part, vertex_normals

Floats = NDArray[np.float64]
_FLIP = np.array([-1.0, 1.0, 1.0])

# Vertices on the middle of ICT's upper lip, from its red's border over the seam to the gums:
# each begins a closed loop of 74 edges around the mouth; number _SEAM is where the lips touch.
_LIP_LOOPS = (
    5525, 5524, 5523, 5522, 5527, 5526, 5533, 5532, 5531, 5534, 5513, 5529, 5530, 5535, 6633,
    11279, 11270, 11278, 11277, 11276, 11274, 11275, 11273, 11272, 11271,
)  # fmt: skip
_SEAM = 7
_LIP_CORNERS = (20, 54)  # positions of the left and right corner in each loop
_INNER_ROWS = {2: 5, 1: 9, 0: 13}  # rows of FLAME's inner mouth -> loops behind the seam
# Vertices on the middle of the left upper lid: outer and inner edge of its margin, then inwards.
_LID_LOOPS = {3: 4163, 2: 4161, 1: 6587, 0: 13381}
_FLAME_EAR, _ICT_EAR = 0.0055, 0.0035  # metres: edges in the ears are finer than this


@dataclass(frozen=True, slots=True)
class Correspondence:
    """How FLAME's head (V vertices, eyeballs left out) belongs onto the ICT skin."""

    surface: Surface
    pins: Pins
    hints: Pins
    zones: NDArray[np.int64]  # (V,)
    ears: NDArray[np.bool_]  # (V,)


def correspond(
    vertices: NDArray,
    faces: NDArray,
    mirror: NDArray,
    landmarks: tuple[NDArray, NDArray],
    mouth: NDArray,
    eye: NDArray,
    ict: IctFace,
    placed: NDArray,
) -> Correspondence:
    """Match a symmetric FLAME head (V, 3) with the ICT face's `placed` vertices (N, 3).

    `landmarks` are FLAME's 51 as corners (51, 3) and weights (51, 3); `mouth` and `eye` (the left
    one's) are FLAME's grids.
    """
    count = len(vertices)
    loops = Loops(ict.quads[(ict.quads < SKIN.stop).all(axis=1)])
    lips = np.array([_loop_to_the_left(loops, placed, v) for v in _LIP_LOOPS])
    pins = [_pin(count, *rows) for rows in _mouth_rows(vertices, mouth, lips, placed)]
    for row, first in _LID_LOOPS.items():
        ids, points = _lid_row(vertices, eye[row], loops, first, placed)
        pins.append(_pin(count, ids, points, 1.0))
        pins.append(_pin(count, mirror[ids], points * _FLIP, 1.0))
    skin = ict.part(SKIN)
    ears, ear_ids, ear_points = _ear_hints(vertices, faces, skin, placed)
    corners, weights = landmarks
    hints = [
        Pins.on_faces(corners[part], weights[part], placed[ict.landmarks[part]], count, 0.3)
        for part in (slice(0, NOSE.stop), OUTER_LIPS)
    ]
    hints.append(_pin(count, ear_ids, ear_points, 0.3))
    hints.append(_pin(count, mirror[ear_ids], ear_points * _FLIP, 0.3))
    return Correspondence(
        surface=Surface(placed, skin, _lip_triangles(skin, lips, len(placed))),
        pins=Pins.join(pins),
        hints=Pins.join(hints),
        zones=_lip_zones(faces, mouth, count),
        ears=ears | ears[mirror],
    )


def _pin(count: int, ids: NDArray, points: NDArray, weight: float) -> Pins:
    matrix = csr_matrix((np.ones(len(ids)), (np.arange(len(ids)), ids)), shape=(len(ids), count))
    return Pins(matrix, points, np.full(len(ids), weight))


def _loop_to_the_left(loops: Loops, points: NDArray, vertex: int) -> list[int]:
    beside = [v for v in loops.neighbours(vertex) if abs(points[v, 1] - points[vertex, 1]) < 0.002]
    return loops.closed(vertex, max(beside, key=lambda v: points[v, 0]))


def _fractions(line: NDArray) -> Floats:
    """Share of its length (K,) at which each vertex of a polyline (K, 3) lies."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return length / length[-1]


def _along(line: NDArray, shares: NDArray) -> Floats:
    """Points (N, 3) at shares of a polyline's length."""
    own = _fractions(line)
    return np.stack([np.interp(shares, own, line[:, k]) for k in range(3)], axis=1)


def _arcs(ring: NDArray, corners: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """A ring's two arcs, from its first corner to its second and from there back."""
    first, second = corners
    turned = np.roll(ring, -first)
    split = (second - first) % len(ring)
    return turned[: split + 1], np.append(turned[split:], turned[0])


def _mouth_rows(
    vertices: NDArray, mouth: NDArray, lips: NDArray, placed: NDArray
) -> list[tuple[NDArray, NDArray, float]]:
    rows = []

    def targets(loop: int) -> list[Floats]:
        # ICT's loops run over the upper lip first: from its left corner on, the lower is first.
        return [placed[arc] for arc in _arcs(lips[_SEAM + loop], _LIP_CORNERS)]

    for row, loop in {3: 0, **_INNER_ROWS}.items():
        for ids, line in zip(_arcs(mouth[row], (0, 16)), targets(loop), strict=True):
            rows.append((ids[:-1], _along(line, _fractions(vertices[ids]))[:-1], 1.0))
    # The next row out is free but for its corners, which would crowd into the seam's.
    for corner, at in zip(mouth[4, [0, 16]], _LIP_CORNERS, strict=True):
        rows.append((np.array([corner]), placed[lips[_SEAM - 3, [at]]], 0.3))
    return rows


def _lid_row(
    vertices: NDArray, ring: NDArray, loops: Loops, first: int, placed: NDArray
) -> tuple[NDArray, Floats]:
    outward = max(loops.neighbours(first), key=lambda v: placed[v, 0])
    loop = np.array(loops.closed(first, outward))
    inner, outer = int(np.argmin(placed[loop, 0])), int(np.argmax(placed[loop, 0]))
    upper, lower = _arcs(loop, (inner, outer))
    if placed[upper, 1].mean() < placed[lower, 1].mean():
        upper, lower = lower[::-1], upper[::-1]
    parts = [
        (ids[:-1], _along(placed[arc], _fractions(vertices[ids]))[:-1])
        for ids, arc in zip(_arcs(ring, (0, 15)), (upper, lower), strict=True)
    ]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _lip_triangles(skin: NDArray, lips: NDArray, count: int) -> NDArray[np.int64]:
    """The zone (F,) of each triangle of the skin: upper lip, lower lip, or any."""
    left, right = _LIP_CORNERS
    zone = np.zeros(count, np.int64)
    zone[lips[:, : left - 1]] = zone[lips[:, right + 2 :]] = UPPER_LIP
    zone[lips[:, left + 2 : right - 1]] = LOWER_LIP
    upper, lower = ((zone[skin] == lip).any(axis=1) for lip in (UPPER_LIP, LOWER_LIP))
    return np.where(upper & ~lower, UPPER_LIP, np.where(lower & ~upper, LOWER_LIP, 0))


def _lip_zones(faces: NDArray, mouth: NDArray, count: int) -> NDArray[np.int64]:
    """The zone (V,) of FLAME's vertices, out to the border of the lips' red."""
    zones = np.zeros(count, np.int64)
    zones[mouth[:, 17:]], zones[mouth[:, 1:16]] = UPPER_LIP, LOWER_LIP
    level = apertures.ring_levels(faces, count, mouth[0].tolist())
    near = apertures.neighbours(faces)
    for ring in (5, 6, 7):
        for v in np.flatnonzero(level == ring).tolist():
            inside = {int(zones[w]) for w in near[v] if level[w] == ring - 1}
            zones[v] = inside.pop() if len(inside) == 1 else 0
    return zones


def _ear_hints(
    vertices: NDArray, faces: NDArray, skin: NDArray, placed: NDArray
) -> tuple[NDArray[np.bool_], NDArray, Floats]:
    """The left ear (V,) bool, some of its vertices, and where they go.

    FLAME's ear is fitted into the box of ICT's, then moved as one onto its surface.
    """
    ear = fine_patch(vertices, faces, _FLAME_EAR)
    goal = fine_patch(placed, skin, _ICT_EAR)
    own, other = vertices[ear], placed[goal]
    box = (own - own.min(axis=0)) / np.ptp(own, axis=0) * np.ptp(other, axis=0) + other.min(axis=0)
    surface = Surface(placed, skin[goal[skin].all(axis=1)])
    aligned = align_part(box, vertex_normals(vertices, faces)[ear], surface)
    return ear, np.flatnonzero(ear)[::4], aligned[::4]
