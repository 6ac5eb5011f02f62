# SPDX-License-Identifier: GPL-3.0-or-later
"""What the head's mouth and lids must do exactly: meet where they shut."""

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.apertures import ring_levels
from emoface_core.face.transfer import nearest_on_line, patch

Floats = NDArray[np.float64]
_SEAM = 3  # row of `mouth_grid` along which the lips touch
_MARGIN = 3  # row of `eye_grid` along which the lids touch
_LIP_REACH, _LID_REACH = 8, 9  # rings beyond which a correction moves nothing


def close_lips(vertices: NDArray, faces: NDArray, mouth: NDArray, moved: NDArray) -> Floats:
    """The field (V, 3) that shuts the lips of a posed face, half of the way by each.

    `moved` (V, 3) is the posed face. The edges of the lips then run at one height, as seen from
    the front, and as far one before the other as in the neutral `vertices`.
    """
    lower, upper = mouth[_SEAM, 1:16], mouth[_SEAM, 31:16:-1]
    excess = (moved[upper] - moved[lower]) - (vertices[upper] - vertices[lower])
    shift = np.concatenate([-excess / 2, excess / 2])
    ids = np.concatenate([upper, lower])
    shift[:, 1] = _middle_height(moved, mouth, moved[ids, 0] + shift[:, 0]) - moved[ids, 1]
    return _lip_field(vertices, faces, mouth, ids, shift)


def shut_neutral(vertices: NDArray, faces: NDArray, mouth: NDArray) -> Floats:
    """The field (V, 3) that shuts a neutral's parted lips: both edges run at one height."""
    ids = np.concatenate([mouth[_SEAM, 31:16:-1], mouth[_SEAM, 1:16]])
    shift = np.zeros((len(ids), 3))
    shift[:, 1] = _middle_height(vertices, mouth, vertices[ids, 0]) - vertices[ids, 1]
    return _lip_field(vertices, faces, mouth, ids, shift)


def seam_gap(vertices: NDArray, mouth: NDArray, across: NDArray) -> Floats:
    """Height (N,) of the upper lip's edge over the lower's at `across` (N,) along x."""
    upper, lower = _edges(vertices, mouth)
    return np.interp(across, *upper) - np.interp(across, *lower)


def _edges(vertices: NDArray, mouth: NDArray) -> list[tuple[Floats, Floats]]:
    """The lips' edges, corner to corner, as x and height; x rises."""
    lines = []
    for ring in (np.append(mouth[_SEAM, 16:], mouth[_SEAM, 0]), mouth[_SEAM, 16::-1]):
        x, y = vertices[ring, 0], vertices[ring, 1]
        lines.append((np.maximum.accumulate(x), y))
    return lines


def _middle_height(vertices: NDArray, mouth: NDArray, across: NDArray) -> Floats:
    upper, lower = _edges(vertices, mouth)
    return (np.interp(across, *upper) + np.interp(across, *lower)) / 2


def _lip_field(
    vertices: NDArray, faces: NDArray, mouth: NDArray, ids: NDArray, shift: NDArray
) -> Floats:
    level = ring_levels(faces, len(vertices), mouth[0].tolist())
    still = (level > _LIP_REACH) | (level < 0)
    still[mouth[_SEAM, [0, 16]]] = True
    return patch(vertices, faces, ids, shift, still)


def close_lids(vertices: NDArray, faces: NDArray, eye: NDArray, blink: NDArray) -> Floats:
    """A blink (V, 3) at which the upper lid's margin lies on the lower's."""
    level = ring_levels(faces, len(vertices), eye[0].tolist())
    still = (level > _LID_REACH) | (level < 0)
    still[eye[_MARGIN, 14:]] = True
    posed = vertices + blink
    upper, line = eye[_MARGIN, 1:14], eye[_MARGIN, [*range(14, 30), 0]]
    miss = nearest_on_line(posed[upper], posed[line]) - posed[upper]
    return blink + patch(vertices, faces, upper, miss, still)


def turn(points: NDArray, centre: NDArray, *, up: float = 0.0, left: float = 0.0) -> Floats:
    """Offsets (N, 3) of points turned about a centre by angles in degrees, as a gaze turns."""
    pitch, yaw = np.radians(-up), np.radians(left)
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    away = np.asarray(points, np.float64) - centre
    return away @ (about_y @ about_x).T - away


def fit_sphere(points: NDArray) -> tuple[Floats, float]:
    """Centre and radius of the sphere nearest to points (N, 3), by least squares."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    solved = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return solved[:3], float(np.sqrt(solved[3] + solved[:3] @ solved[:3]))
