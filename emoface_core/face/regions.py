# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions of the face, read from how the rig moves it, its landmarks and its triangles.

Landmarks are the 51 of the iBUG scheme without the jaw line: 0–9 brows, 10–18 nose, 19–30 eyes,
31–42 outer lips, 43–50 inner lips; the person's right side (x < 0) comes first.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.apertures import neighbours, ring_levels
from emoface_core.face.topology import boundary_loops, components, edges

BROWS, NOSE, EYES, OUTER_LIPS = slice(0, 10), slice(10, 19), slice(19, 31), slice(31, 43)
RIGHT_EYE, LEFT_EYE = slice(19, 25), slice(25, 31)
NOSE_BRIDGE, UNDER_NOSE = 10, 16
MOUTH_CORNERS = [31, 37]  # right, left

Shapes = Mapping[str, NDArray]


def mouth_rim(vertices: NDArray, faces: NDArray, landmarks: NDArray) -> list[int]:
    """The rim of the mouth's hole: the boundary loop nearest to the lips."""
    lips = landmarks[OUTER_LIPS].mean(axis=0)
    return min(
        boundary_loops(faces),
        key=lambda loop: float(np.linalg.norm(vertices[loop] - lips, axis=1).mean()),
    )


def _near(points: NDArray, polyline: NDArray) -> NDArray:
    """Distance (N,) of points (N, 3) to an open polyline (K, 3)."""
    best = np.full(len(points), np.inf)
    for a, b in itertools.pairwise(polyline):
        along = np.clip((points - a) @ (b - a) / max(float((b - a) @ (b - a)), 1e-12), 0, 1)
        best = np.minimum(best, np.linalg.norm(points - a - along[:, None] * (b - a), axis=1))
    return best


def _moved(shapes: Shapes, *names: str) -> NDArray:
    """How far each vertex moves (V,), as a share of the farthest, in the strongest of shapes."""
    shares = []
    for name in names:
        distance = np.linalg.norm(shapes[name], axis=1)
        shares.append(distance / distance.max())
    return np.max(shares, axis=0)


def derive_regions(
    vertices: NDArray, faces: NDArray, shapes: Shapes, landmarks: NDArray, mirror: NDArray
) -> dict[str, NDArray[np.int32]]:
    """Regions of a FLAME-like head; `landmarks` (51, 3) on its surface, all in metres.

    The base regions (lips, nose, eyes, brows, ears, forehead, cheeks, jaw, neck, scalp, eyeballs)
    share out all vertices, each to one; further names are parts or unions of them. All are
    symmetric.
    """
    n = len(vertices)
    piece = components(faces, n)
    head_piece = np.bincount(piece).argmax()
    head = piece == head_piece
    x, y, z = vertices.T
    owner = np.full(n, "", dtype="<U16")

    def claim(name: str, mask: NDArray[np.bool_]) -> None:
        owner[(mask | mask[mirror]) & head & (owner == "")] = name

    owner[~head] = "eyeballs"
    level = ring_levels(faces, n, mouth_rim(vertices, faces, landmarks))
    nearest = [
        int(np.linalg.norm(np.where(head[:, None], vertices - point, np.inf), axis=1).argmin())
        for point in landmarks[OUTER_LIPS]
    ]
    claim("lips", (level >= 0) & (level <= max(level[nearest])))

    nose = landmarks[NOSE]
    near_nose = np.minimum(_near(vertices, nose[:4]), _near(vertices, nose[4:]))
    half_width = np.ptp(nose[4:, 0]) / 2
    wings = (np.abs(x) < 1.6 * half_width) & (y > landmarks[UNDER_NOSE, 1] - 0.003)
    claim("nose", wings & (near_nose < 1.05 * half_width) & (y < landmarks[NOSE_BRIDGE, 1]))

    lids = _moved(
        shapes, "eyeBlink_L", "eyeBlink_R", "eyeWide_L", "eyeWide_R", "eyeSquint_L", "eyeSquint_R"
    )
    around = np.min(
        [
            np.linalg.norm((vertices - landmarks[eye].mean(axis=0)) * [0.75, 1, 0.5], axis=1)
            for eye in (RIGHT_EYE, LEFT_EYE)
        ],
        axis=0,
    )
    brow = np.minimum(_near(vertices, landmarks[:5]), _near(vertices, landmarks[5:10]))
    brow_moves = _moved(shapes, "browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R")
    brow_moves = np.maximum(brow_moves, _moved(shapes, "browOuterUp_L", "browOuterUp_R"))
    brow_line = np.interp(np.abs(x), np.abs(landmarks[5:10, 0]), landmarks[5:10, 1])
    between = (np.abs(x) < np.abs(landmarks[BROWS, 0]).min()) & (y > landmarks[NOSE_BRIDGE, 1])
    between &= (y < brow_line) & (z > landmarks[NOSE_BRIDGE, 2] - 0.01)
    claim("brows", ((brow < 0.0075) & (brow_moves > 0.1) & (z > 0)) | between)
    claim("eyes", (around < 0.020) & (y < brow_line) & ((lids > 0.04) | (around < 0.014)))

    claim("ears", fine_patch(vertices, faces, 0.0055))
    claim("forehead", (y >= brow_line - 0.002) & (z > 0) & (brow_moves > 0.03))
    jaw_moves = (
        np.linalg.norm(shapes["jawOpen"], axis=1)
        / np.linalg.norm(shapes["jawOpen"][owner == "lips"], axis=1).max()
    )
    chin = float(y[(owner == "") & (jaw_moves > 0.6)].min())
    # The neck is below a line from the chin to the ears' lobes.
    lobe = float(y[owner == "ears"].min())
    front, behind = (
        float(z[(owner == "") & (jaw_moves > 0.6)].mean()),
        float(z[owner == "ears"].mean()),
    )
    below_mouth = y < landmarks[MOUTH_CORNERS, 1].mean() + 0.012
    claim("jaw", (jaw_moves > 0.55) & below_mouth)
    claim("neck", y < chin + (lobe - chin) * np.clip((front - z) / (front - behind), 0, 1))
    claim("jaw", (jaw_moves > 0.25) & below_mouth)
    above = y > landmarks[EYES, 1].mean()
    claim("eyes", above & (around < 0.026) & (y < brow_line))
    claim("forehead", above & (z > 0))
    claim("cheeks", ~above & (z > behind + 0.2 * (front - behind)))
    claim("scalp", np.ones(n, bool))

    regions = {name: np.flatnonzero(owner == name).astype(np.int32) for name in np.unique(owner)}
    inside = (owner == "lips") & (level <= 2)
    regions |= {
        "mouth_inside": _ids(inside),
        "left_eyeball": _ids((owner == "eyeballs") & (x > 0)),
        "right_eyeball": _ids((owner == "eyeballs") & (x < 0)),
        "left_eye": _ids((owner == "eyes") & (x > 0)),
        "right_eye": _ids((owner == "eyes") & (x < 0)),
        "upper_face": _ids(np.isin(owner, ("eyes", "brows", "forehead"))),
        "lower_face": _ids(np.isin(owner, ("lips", "jaw", "cheeks"))),
        "face": _ids(
            np.isin(owner, ("eyes", "brows", "forehead", "nose", "cheeks", "jaw", "lips")) & ~inside
        ),
    }
    return regions


def lip_parts(
    lips: NDArray, faces: NDArray, mouth: NDArray, n_vertices: int
) -> dict[str, NDArray[np.int32]]:
    """The upper and the lower lip, split at the corners' columns of the mouth's grid."""
    near = neighbours(faces)
    side = np.zeros(n_vertices)
    side[mouth[:, 17:]], side[mouth[:, 1:16]] = 1, -1
    known = set(mouth.ravel().tolist())
    level = ring_levels(faces, n_vertices, mouth[0].tolist())
    for v in sorted(set(lips.tolist()) - known, key=lambda v: (level[v], v)):
        side[v] = np.sign(sum(side[w] for w in near[v] if level[w] < level[v]))
    inside = np.isin(np.arange(n_vertices), lips)
    return {"upper_lip": _ids(inside & (side > 0)), "lower_lip": _ids(inside & (side < 0))}


def _ids(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.flatnonzero(mask).astype(np.int32)


def fine_patch(vertices: NDArray, faces: NDArray, finer_than: float) -> NDArray[np.bool_]:
    """The left ear (V,): finely meshed vertices joined to the outermost one at its height.

    `finer_than` in metres is how long the edges at a vertex may be on average.
    """
    pairs = edges(faces)
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    total = np.zeros(len(vertices))
    np.add.at(total, pairs, length[:, None])
    fine = total / np.maximum(np.bincount(pairs.ravel(), minlength=len(vertices)), 1) < finer_than
    above = (vertices[:, 1] > -0.02) & (np.bincount(pairs.ravel(), minlength=len(vertices)) > 0)
    ear = np.zeros(len(vertices), bool)
    ear[np.argmax(np.where(above, vertices[:, 0], -np.inf))] = True
    while True:
        touched = ear.copy()
        touched[pairs[ear[pairs[:, 0]], 1]] = True
        touched[pairs[ear[pairs[:, 1]], 0]] = True
        touched &= fine | ear
        if touched.sum() == ear.sum():
            return ear
        ear = touched
