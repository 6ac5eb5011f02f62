# SPDX-License-Identifier: GPL-3.0-or-later
"""Teeth, gums and tongue from the ICT face, thinned, and how they follow the face's jaw."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.decimation import decimate
from emoface_core.face.head import MouthInterior

MATERIALS = ("teeth", "gums", "tongue")
_COUNTS = {"teeth": 2600, "gums": 2200}  # vertices left of 4412 and 2977
_JAW_SHAPES = ("jawOpen", "jawForward", "jawLeft", "jawRight")
_BACK_TEETH = 0.030  # metres from the middle of the head forward: by the corners of the mouth
_STIFFNESS = 3e-3  # ridge of the jaw's map, against the offsets' own size; keeps skin out of it


def mouth_interior(
    gums: NDArray,
    teeth: NDArray,
    vertices: NDArray,
    deltas: Mapping[str, NDArray],
    head_shapes: Mapping[str, NDArray],
    jaw_ids: NDArray,
) -> MouthInterior:
    """Build the mouth's inside from triangles of `vertices` (N, 3) and their rig `deltas` (N, 3).

    `gums` and `teeth` are triangles (F, 3) into `vertices`; `head_shapes` are the same shapes on
    the head, whose vertices `jaw_ids` then tell how the jaw moves.
    """
    kept, faces, material = _thinned(gums, teeth, vertices)
    points = vertices[kept]
    motions = {name: deltas[name][kept] for name in _JAW_SHAPES}
    rigid = material_of_vertices(faces, material, len(points)) == 0
    rigid &= np.linalg.norm(motions["jawOpen"], axis=1) > 1e-3
    homogeneous = np.column_stack([points, np.ones(len(points))])
    affine = {
        name: np.linalg.lstsq(homogeneous[rigid], motion[rigid], rcond=None)[0]
        for name, motion in motions.items()
    }  # (4, 3): displacement of a point of the jaw
    whole = np.stack([homogeneous @ affine[name] for name in _JAW_SHAPES])
    seen = np.stack([motions[name] for name in _JAW_SHAPES])
    weight = np.clip((whole * seen).sum(axis=(0, 2)) / (whole**2).sum(axis=(0, 2)), 0, 1)
    material = np.where(_tongue(points, faces, material, weight), 2, material)
    # FLAME has no cheeks inside to cover the lower back teeth: through the corner of an open mouth
    # they look like a block of stone.
    back = (material == 0) & (weight[faces] > 0.5).all(1) & (points[faces, 2].mean(1) < _BACK_TEETH)
    shown, faces = np.unique(faces[~back], return_inverse=True)
    return MouthInterior(
        vertices=points[shown].astype(np.float32),
        faces=faces.reshape(-1, 3).astype(np.int32),
        face_material=material[~back].astype(np.int32),
        materials=MATERIALS,
        jaw_weight=weight[shown].astype(np.float32),
        jaw_ids=jaw_ids.astype(np.int32),
        jaw_map=_jaw_map(affine, head_shapes, jaw_ids),
    )


def material_of_vertices(faces: NDArray, material: NDArray, count: int) -> NDArray:
    """The material (V,) of any triangle at each vertex; the pieces share none."""
    result = np.zeros(count, np.int64)
    result[faces.ravel()] = np.repeat(material, 3)
    return result


def _thinned(gums: NDArray, teeth: NDArray, vertices: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    kept, faces, material, offset = [], [], [], 0
    for index, (name, triangles) in enumerate((("teeth", teeth), ("gums", gums))):
        used, local = np.unique(triangles, return_inverse=True)
        ids, thin = decimate(vertices[used], local.reshape(-1, 3), _COUNTS[name])
        kept.append(used[ids])
        faces.append(thin + offset)
        material.append(np.full(len(thin), index))
        offset += len(ids)
    return np.concatenate(kept), np.concatenate(faces).astype(np.int32), np.concatenate(material)


def _tongue(points: NDArray, faces: NDArray, material: NDArray, weight: NDArray) -> NDArray:
    """Which triangles are tongue: of the lower gums, those well inside the arch of the teeth."""
    lower = weight > 0.5
    teeth = np.unique(faces[material == 0])
    arch = points[teeth[lower[teeth]]]
    centre = faces.reshape(-1, 3)
    middle = points[centre].mean(axis=1)
    flat = np.array([1.0, 0.0, 1.0])
    gap = np.array([np.linalg.norm((arch - p) * flat, axis=1).min() for p in middle])
    inside = np.abs(middle[:, 0]) < np.abs(arch[:, 0]).max() - 0.004
    rim = np.percentile(arch[:, 1], 40)
    return (
        (material == 1) & lower[faces].all(axis=1) & inside & (gap > 0.0045) & (middle[:, 1] > rim)
    )


def _jaw_map(
    affine: Mapping[str, NDArray], head_shapes: Mapping[str, NDArray], jaw_ids: NDArray
) -> NDArray[np.float32]:
    """Ridge regression from the offsets of `jaw_ids` to the jaw's affine motion, over all shapes.

    Shapes that move only skin have a motion of nothing, so the map learns to ignore them.
    """
    names = list(head_shapes)
    seen = np.stack([head_shapes[name][jaw_ids].ravel() for name in names])
    wanted = np.stack(
        [affine[name].T.ravel() if name in affine else np.zeros(12) for name in names]
    )
    gram = seen @ seen.T
    ridge = _STIFFNESS * np.trace(gram) / len(names) * np.eye(len(names))
    return (np.linalg.solve(gram + ridge, wanted).T @ seen).astype(np.float32)
