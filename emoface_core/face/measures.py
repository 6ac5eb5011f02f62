# SPDX-License-Identifier: GPL-3.0-or-later
"""What a face is doing, read from its vertices: openings and widths in metres.

Every function takes vertices (T, 5023, 3) in the head's frame and scale (`head.vertices +
offsets`), and gives one number a frame. Each reads relative to the head's neutral where that
says: a neutral mouth counts as shut. Another person's head is measured with its own `Head`, made
by `dataclasses.replace(head, vertices=neutral)`.
"""

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.head import Head

Frames = NDArray[np.float32]
_MIDDLE = slice(5, 12)  # columns of the lower lip about the middle; column 32 - k is above column k
_BLOCK = 256  # frames at a time, where a measure needs room


def _aperture(vertices: NDArray, head: Head) -> NDArray:
    """Lowest point of the upper lip above the highest of the lower, in each middle column."""
    columns = np.arange(32)[_MIDDLE]
    lower = vertices[:, head.mouth_grid[2:, columns], 1].max(axis=1)
    upper = vertices[:, head.mouth_grid[2:, 32 - columns], 1].min(axis=1)
    return upper - lower


def lip_gaps(vertices: Frames, head: Head) -> Frames:
    """Gap between the lips (T, 7) in seven columns about the middle, against the neutral's.

    Measured along the head's height between the edges of the lips, wherever they have rolled to;
    0 is shut as in the neutral, less is pressed or crossed.
    """
    return (_aperture(vertices, head) - _aperture(head.vertices[None], head)).astype(np.float32)


def lip_gap(vertices: Frames, head: Head) -> Frames:
    """Mean gap (T,) between the lips about the middle of the mouth; 0 is shut."""
    return lip_gaps(vertices, head).mean(axis=1)


def lip_teeth_gap(vertices: Frames, head: Head) -> Frames:
    """Distance (T,) from the edge of the upper incisors to the lower lip, as for f and v.

    The mean over the incisors' edge of the distance to the nearest of a fine grid of points on
    the lower lip's rim. A shut mouth also brings the lip to the teeth: it is an f only if
    `lip_gap` is open.
    """
    rim = head.mouth_grid[1:, 4:13]
    result = np.empty(len(vertices), np.float32)
    for start in range(0, len(vertices), _BLOCK):
        points = vertices[start : start + _BLOCK, rim]  # (t, rows, columns, 3)
        points = _halved(_halved(points, 1), 2).reshape(len(points), -1, 3)
        # |a - b|² by parts keeps the block small: (t, teeth, points)
        square = (
            (head.teeth_edge**2).sum(axis=1)[None, :, None]
            + (points**2).sum(axis=2)[:, None]
            - 2 * head.teeth_edge @ points.transpose(0, 2, 1)
        )
        result[start : start + _BLOCK] = np.sqrt(np.maximum(square.min(axis=2), 0)).mean(axis=1)
    return result


def _halved(points: NDArray, axis: int) -> NDArray:
    """A grid of points with the middle of each step added, twice along one axis."""
    for _ in range(2):
        count = points.shape[axis]
        before = points.take(range(count - 1), axis)
        after = points.take(range(1, count), axis)
        mixed = np.stack([before, (before + after) / 2], axis=axis + 1)
        shape = [*points.shape]
        shape[axis] = 2 * (count - 1)
        points = np.concatenate([mixed.reshape(shape), points.take([-1], axis)], axis)
    return points


def jaw_opening(vertices: Frames, head: Head) -> Frames:
    """How far (T,) the lower incisors have dropped from where they are in the neutral.

    Read from the chin by the head's linear jaw map, so that lips and skin count for little.
    """
    jaw = head.teeth.jaw_ids
    seen = (vertices[:, jaw] - head.vertices[jaw]).reshape(len(vertices), -1)
    affine = (seen @ head.teeth.jaw_map.T).reshape(-1, 3, 4)
    tip = head.teeth_edge.mean(axis=0)
    return -(affine[:, 1, :3] @ tip + affine[:, 1, 3]).astype(np.float32)


def mouth_width(vertices: Frames, head: Head) -> Frames:
    """Distance (T,) between the corners of the mouth; not relative to the neutral."""
    left, right = head.mouth_grid[4, [0, 16]]
    return np.linalg.norm(vertices[:, left] - vertices[:, right], axis=1).astype(np.float32)


def lid_gaps(vertices: Frames, head: Head) -> Frames:
    """Gap (T, 2) between the lids of the left and the right eye; 0 is shut, less is crossed.

    The mean over the middle of the lids, along the direction from lower to upper lid in the
    neutral; not relative to the neutral.
    """
    gaps = []
    for pairs in (head.lid_pairs_left, head.lid_pairs_right):
        upper, lower = pairs[3:-3].T
        axis = (head.vertices[upper] - head.vertices[lower]).mean(axis=0)
        apart = vertices[:, upper] - vertices[:, lower]
        gaps.append((apart @ (axis / np.linalg.norm(axis))).mean(axis=1))
    return np.stack(gaps, axis=1).astype(np.float32)


def lid_gap(vertices: Frames, head: Head) -> Frames:
    """Mean gap (T,) between the lids of both eyes; 0 is shut."""
    return lid_gaps(vertices, head).mean(axis=1)
