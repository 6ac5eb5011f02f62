# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that ships: FLAME's topology, 57 expression shapes, regions, and a mouth inside it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emoface_core.files import atomic_path, load_npz

SHAPE_STEP = 2e-6  # metres: offsets are kept as 16-bit multiples of this

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class CoarseMesh:
    """A few hundred of the head's vertices, with triangles of their own, and the way back up.

    A field on the coarse vertices (M, C) becomes one on all: `field[up_index] * up_weight` summed
    over the three, which never lie on another piece of the mesh nor on the other lip. Weights are
    not negative, sum to one, and are one at the coarse vertices themselves.
    """

    ids: Indices  # (M,) vertices of the head that are kept
    faces: Indices  # (Fm, 3) into ids
    up_index: Indices  # (V, 3) into ids
    up_weight: Floats  # (V, 3)

    def up(self, field: NDArray) -> NDArray:
        """Values (..., M) on the coarse vertices as values (..., V) on all."""
        return (field[..., self.up_index] * self.up_weight).sum(axis=-1)


@dataclass(frozen=True, slots=True)
class MouthInterior:
    """Teeth, gums and tongue, a mesh of its own whose lower half follows the jaw.

    How the jaw moves is read from the face's own offsets by a fixed linear map, so that any
    animation of the face, and any shape key of it, moves the teeth with it.
    """

    vertices: Floats  # (U, 3) metres, in the head's frame
    faces: Indices  # (Fu, 3)
    face_material: Indices  # (Fu,) into materials
    materials: tuple[str, ...]
    jaw_weight: Floats  # (U,) 0: fixed to the skull, 1: to the jaw; between them where gums join
    jaw_ids: Indices  # (J,) vertices of the head that show how the jaw moves
    jaw_map: Floats  # (12, 3J): their offsets -> a row-major (3, 4) affine motion of the jaw

    def follow(self, offsets: NDArray) -> NDArray[np.float32]:
        """Offsets (..., U, 3) of the interior for offsets (..., V, 3) of the face; linear."""
        seen = offsets[..., self.jaw_ids, :]
        motion = seen.reshape(*seen.shape[:-2], -1) @ self.jaw_map.T
        affine = motion.reshape(*motion.shape[:-1], 3, 4)
        linear = np.swapaxes(affine[..., :3], -1, -2)
        moved = self.vertices @ linear + affine[..., None, :, 3]
        return (moved * self.jaw_weight[:, None]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Head:
    """A neutral head in metres, y up, facing +z, its left at +x, with its expression rig."""

    vertices: Floats  # (5023, 3)
    faces: Indices  # (9976, 3)
    shape_names: tuple[str, ...]  # as ARKit's, with _L and _R
    shapes: Floats  # (57, 5023, 3) offsets in metres at full strength
    regions: Mapping[str, Indices]
    mirror: Indices  # (5023,) the left-right partner
    mouth_grid: Indices  # (5, 32) rings of the inner mouth, see `apertures.mouth_grid`
    inner_lip_pairs: Indices  # (15, 2) upper, lower, from the left corner to the right one:
    # they touch where the lips are shut
    teeth_edge: Floats  # (E, 3) points along the edge of the upper incisors
    lid_pairs_left: Indices  # (Q, 2) upper, lower
    lid_pairs_right: Indices  # (Q, 2)
    eye_centres: Floats  # (2, 3) left, right: the points that the eyeballs turn about
    coarse: CoarseMesh
    teeth: MouthInterior

    def shape(self, name: str) -> Floats:
        """Offsets (5023, 3) of one shape at full strength; KeyError if there is no such shape."""
        if name not in self.shape_names:
            raise KeyError(name)
        return self.shapes[self.shape_names.index(name)]

    def pose(self, **weights: float) -> Floats:
        """Vertices (5023, 3) with some shapes applied: `head.pose(jawOpen=1, mouthClose=1)`."""
        posed = self.vertices.copy()
        for name, weight in weights.items():
            posed += weight * self.shape(name)
        return posed

    @property
    def digest(self) -> str:
        """SHA-256 of mesh, rig and coarse mesh: what a trained model belongs to."""
        content = hashlib.sha256("\n".join(self.shape_names).encode())
        coarse = (getattr(self.coarse, item.name) for item in fields(self.coarse))
        for array in (self.vertices, self.faces, self.shapes, *coarse):
            content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()


def save_head(path: Path, head: Head) -> None:
    """Write a head as a compressed .npz; offsets are rounded to `SHAPE_STEP`."""
    arrays: dict[str, NDArray] = {}
    for name in ("vertices", "faces", "mirror", "mouth_grid", "inner_lip_pairs", "teeth_edge"):
        arrays[name] = getattr(head, name)
    for name in ("lid_pairs_left", "lid_pairs_right", "eye_centres"):
        arrays[name] = getattr(head, name)
    arrays["shape_names"] = np.array(head.shape_names)
    arrays["shapes"] = np.rint(head.shapes / SHAPE_STEP).astype(np.int16)
    for name, ids in head.regions.items():
        arrays[f"region.{name}"] = ids.astype(np.int32)
    for group, value in (("coarse", head.coarse), ("teeth", head.teeth)):
        for item in fields(value):
            arrays[f"{group}.{item.name}"] = np.asarray(getattr(value, item.name))
    with atomic_path(path) as temporary, temporary.open("wb") as file:  # NumPy would add .npz
        np.savez_compressed(file, **arrays)


def read_head(path: Path) -> Head:
    """Read what `save_head` wrote; InputError if the file is missing or damaged."""
    arrays = load_npz(path)
    for array in arrays.values():
        array.setflags(write=False)
    shapes = arrays["shapes"] * np.float32(SHAPE_STEP)
    shapes.setflags(write=False)
    return Head(
        vertices=arrays["vertices"],
        faces=arrays["faces"],
        shape_names=tuple(arrays["shape_names"].tolist()),
        shapes=shapes,
        regions=MappingProxyType(
            {
                name.removeprefix("region."): ids
                for name, ids in arrays.items()
                if name.startswith("region.")
            }
        ),
        mirror=arrays["mirror"],
        mouth_grid=arrays["mouth_grid"],
        inner_lip_pairs=arrays["inner_lip_pairs"],
        teeth_edge=arrays["teeth_edge"],
        lid_pairs_left=arrays["lid_pairs_left"],
        lid_pairs_right=arrays["lid_pairs_right"],
        eye_centres=arrays["eye_centres"],
        coarse=CoarseMesh(
            **{item.name: arrays[f"coarse.{item.name}"] for item in fields(CoarseMesh)}
        ),
        teeth=MouthInterior(
            vertices=arrays["teeth.vertices"],
            faces=arrays["teeth.faces"],
            face_material=arrays["teeth.face_material"],
            materials=tuple(arrays["teeth.materials"].tolist()),
            jaw_weight=arrays["teeth.jaw_weight"],
            jaw_ids=arrays["teeth.jaw_ids"],
            jaw_map=arrays["teeth.jaw_map"],
        ),
    )


@cache
def load_head() -> Head:
    """The head of the package; read once, its arrays are read-only."""
    with as_file(files("emoface_core.assets") / "head.npz") as path:
        return read_head(path)
