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
_CLEARANCE = 2.5e-4  # metres that a lid keeps off the eyeball


def close_lips(vertices: NDArray, faces: NDArray, mouth: NDArray, moved: NDArray) -> Floats:
    """The field (V, 3) that brings the lips of a posed face as close as `vertices`' seam says.

    `moved` (V, 3) is the posed face. Each lip goes half the way, so that every pair of the seam
    stands apart by as little as in the neutral `vertices`.
    """
    lower, upper = mouth[_SEAM, 1:16], mouth[_SEAM, 31:16:-1]
    excess = (moved[upper] - moved[lower]) - (vertices[upper] - vertices[lower])
    return _lip_field(vertices, faces, mouth, excess)


def shut_neutral(vertices: NDArray, faces: NDArray, mouth: NDArray) -> Floats:
    """The field (V, 3) that shuts a neutral's parted lips: both edges meet at the same height."""
    lower, upper = mouth[_SEAM, 1:16], mouth[_SEAM, 31:16:-1]
    return _lip_field(vertices, faces, mouth, (vertices[upper] - vertices[lower]) * [0, 1, 0])


def _lip_field(vertices: NDArray, faces: NDArray, mouth: NDArray, excess: NDArray) -> Floats:
    lower, upper = mouth[_SEAM, 1:16], mouth[_SEAM, 31:16:-1]
    level = ring_levels(faces, len(vertices), mouth[0].tolist())
    still = (level > _LIP_REACH) | (level < 0)
    still[mouth[_SEAM, [0, 16]]] = True
    ids, values = np.concatenate([lower, upper]), np.concatenate([excess / 2, -excess / 2])
    return patch(vertices, faces, ids, values, still)


def close_lids(
    vertices: NDArray, faces: NDArray, eye: NDArray, blink: NDArray, centre: NDArray, radius: float
) -> Floats:
    """A blink (V, 3) at which the upper lid's margin lies on the lower's and clears the eyeball."""
    blink = np.asarray(blink, np.float64)
    level = ring_levels(faces, len(vertices), eye[0].tolist())
    still = (level > _LID_REACH) | (level < 0)
    lid = ~still & (level >= 0)
    upper = eye[_MARGIN, 1:14]
    line = eye[_MARGIN, [*range(14, 30), 0]]
    for _ in range(8):
        posed = vertices + blink
        away = posed - centre
        depth = radius + _CLEARANCE - np.linalg.norm(away, axis=1)
        under = np.flatnonzero(lid & (depth > 0) & (away[:, 2] > 0) & (level >= 2))
        out = away[under] / np.linalg.norm(away[under], axis=1, keepdims=True) * depth[under, None]
        under, out = under[~np.isin(under, upper)], out[~np.isin(under, upper)]
        miss = nearest_on_line(posed[upper], posed[line]) - posed[upper]
        if not len(under) and np.abs(miss).max() < 1e-5:
            break
        blink = blink + patch(
            vertices, faces, np.concatenate([upper, under]), np.concatenate([miss, out]), still
        )
    return blink


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
