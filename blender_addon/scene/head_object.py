# SPDX-License-Identifier: GPL-3.0-or-later
"""Our head as Blender objects: a face with materials, and a mouth interior that follows the jaw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from bpy.types import Context, Material, Mesh, Object
from mathutils import Vector
from numpy.typing import NDArray

from emoface_core.face.head import Head, load_head

from . import followers

# FLAME's frame (y up, facing +z) to Blender's (z up, facing -y).
_UPRIGHT = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
# Half the angle that the pupil and the iris take up, seen from the eyeball's centre: between the
# rings of its vertices, which lie at 7, 14, 21, 27 and 33 degrees.
_PUPIL, _IRIS = np.radians(16.0), np.radians(29.0)
_BROW_POINTS, _BROW_HEIGHT = 16, 0.0065  # along a brow; metres at its thickest
_BROW_LIFT = 0.0008  # metres above the skin


@dataclass(frozen=True, slots=True)
class Look:
    """A material: linear RGB, and how matte it is."""

    name: str
    colour: tuple[float, float, float]
    roughness: float


_SKIN = Look("EmoFace Skin", (0.62, 0.38, 0.28), 0.5)
_LIPS = Look("EmoFace Lips", (0.47, 0.16, 0.14), 0.35)
_BROWS = Look("EmoFace Brows", (0.10, 0.06, 0.04), 0.8)
_EYE = Look("EmoFace Eye White", (0.85, 0.84, 0.82), 0.15)
_IRIS_LOOK = Look("EmoFace Iris", (0.07, 0.17, 0.25), 0.15)
_PUPIL_LOOK = Look("EmoFace Pupil", (0.004, 0.004, 0.004), 0.1)
_GUMS = Look("EmoFace Gums", (0.42, 0.12, 0.12), 0.35)
_FACE_LOOKS = (_SKIN, _LIPS, _GUMS, _EYE, _IRIS_LOOK, _PUPIL_LOOK)
_MOUTH_LOOKS = {
    "teeth": Look("EmoFace Teeth", (0.82, 0.78, 0.68), 0.2),
    "gums": _GUMS,
    "tongue": Look("EmoFace Tongue", (0.48, 0.16, 0.16), 0.45),
}


def add_head(context: Context, name: str = "EmoFace Head") -> Object:
    """Add the head at the 3D cursor (beside what already stands there), selected and active."""
    head = load_head()
    unit = 1.0 / context.scene.unit_settings.scale_length
    face = _add_face(context, head, name, unit)
    _add_mouth(context, head, face, unit)
    _add_brows(context, head, face, unit)
    face.location = _free_place(context, face)
    for obj in context.selected_objects:
        obj.select_set(False)
    face.select_set(True)
    context.view_layer.objects.active = face
    return face


def _add_face(context: Context, head: Head, name: str, unit: float) -> Object:
    obj = _add_object(context, name, head.vertices @ _UPRIGHT.T * unit, head.faces)
    _paint(obj.data, _FACE_LOOKS, face_looks(head))
    return obj


def face_looks(head: Head) -> NDArray[np.int32]:
    """(9976,) index into the face's materials for each triangle."""
    looks = np.zeros(len(head.faces), np.int32)
    for region, look in (("lips", 1), ("mouth_inside", 2), ("eyeballs", 3)):
        inside = np.zeros(len(head.vertices), bool)
        inside[head.regions[region]] = True
        looks[inside[head.faces].all(axis=1)] = look
    eyes = np.flatnonzero(looks == 3)
    corners = head.vertices[head.faces[eyes]]
    apart = np.linalg.norm(corners[:, :1] - head.eye_centres, axis=2)
    ray = corners - head.eye_centres[apart.argmin(axis=1)][:, None]
    angle = np.arccos(ray[..., 2] / np.linalg.norm(ray, axis=2)).max(axis=1)
    looks[eyes[angle < _IRIS]] = 4
    looks[eyes[angle < _PUPIL]] = 5
    return looks


def _add_mouth(context: Context, head: Head, face: Object, unit: float) -> None:
    """Teeth, gums and tongue."""
    teeth = head.teeth
    mouth = _add_object(
        context, f"{face.name} Mouth", teeth.vertices @ _UPRIGHT.T * unit, teeth.faces
    )
    looks = [_MOUTH_LOOKS.get(material, _GUMS) for material in teeth.materials]
    _paint(mouth.data, looks, teeth.face_material)
    _attach(mouth, face)
    followers.follow_jaw(context, head, face, mouth, _UPRIGHT, unit)


def _add_brows(context: Context, head: Head, face: Object, unit: float) -> None:
    """Two strips on the skin."""
    points, faces = brow_strips(head)
    triangles, weights = seen_from_front(head, points)
    corners = head.faces[triangles]
    on_skin = head.vertices[corners]
    normals = np.cross(on_skin[:, 1] - on_skin[:, 0], on_skin[:, 2] - on_skin[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    lift = (_BROW_LIFT * normals) @ _UPRIGHT.T * unit
    place = (on_skin * weights[:, :, None]).sum(axis=1) @ _UPRIGHT.T * unit + lift
    brows = _add_object(context, f"{face.name} Brows", place, faces)
    _paint(brows.data, (_BROWS,), np.zeros(len(faces), np.int32))
    _attach(brows, face)
    followers.follow_skin(face, brows, corners, weights, lift)


def _attach(obj: Object, face: Object) -> None:
    obj.parent = face
    obj.hide_select = True  # a click on the teeth means the face


def brow_strips(head: Head) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Points (B, 2) of two brows as seen from the front, metres, and triangles between them."""
    points, faces = [], []
    along = np.linspace(0, 1, _BROW_POINTS)
    half = 0.5 * _BROW_HEIGHT * (0.3 + 0.7 * np.sqrt(1 - along))
    for side, eye in zip((1, -1), head.eye_centres, strict=True):
        across = abs(eye[0]) - 0.019 + 0.041 * along  # from beside the nose to past the eye
        line = eye[1] + 0.0172 + 0.0030 * np.sin(np.pi * (0.06 + 0.94 * along))
        start = 2 * _BROW_POINTS * len(points)
        points.append(np.stack([np.r_[across, across] * side, np.r_[line + half, line - half]], 1))
        for a in range(start, start + _BROW_POINTS - 1):
            b, c, d = a + 1, a + _BROW_POINTS, a + _BROW_POINTS + 1
            faces += [(a, c, b), (b, c, d)] if side > 0 else [(a, b, c), (b, d, c)]
    return np.concatenate(points).astype(np.float32), np.array(faces, np.int32)


def seen_from_front(
    head: Head, points: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The foremost triangle of the head at each (x, y), and the weights of its corners there."""
    corners = head.vertices[head.faces].astype(np.float64)
    a, b, c = (corners[:, i, :2] for i in range(3))
    to_b, to_c, at = b - a, c - a, points[:, None] - a
    area = to_b[:, 0] * to_c[:, 1] - to_b[:, 1] * to_c[:, 0]
    area = np.where(np.abs(area) < 1e-12, np.nan, area)
    second = (at[..., 0] * to_c[:, 1] - at[..., 1] * to_c[:, 0]) / area
    third = (to_b[:, 0] * at[..., 1] - to_b[:, 1] * at[..., 0]) / area
    weights = np.stack([1 - second - third, second, third], axis=-1)
    depth = np.where((weights >= -1e-6).all(axis=-1), (weights * corners[..., 2]).sum(-1), -np.inf)
    best = depth.argmax(axis=1)
    return best, weights[np.arange(len(points)), best].astype(np.float32)


def _add_object(context: Context, name: str, vertices: NDArray, faces: NDArray) -> Object:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    mesh.shade_smooth()
    obj = bpy.data.objects.new(name, mesh)
    context.collection.objects.link(obj)
    return obj


def _paint(mesh: Mesh, looks: Sequence[Look], indices: NDArray) -> None:
    for look in looks:
        mesh.materials.append(_material(look))
    mesh.polygons.foreach_set("material_index", np.ascontiguousarray(indices, np.int32))
    mesh.update()


def _material(look: Look) -> Material:
    """The material of that name, made if the file has none: several heads share theirs."""
    found = bpy.data.materials.get(look.name)
    if found is not None and found.library is None:
        return found
    material: Any = bpy.data.materials.new(look.name)
    if material.node_tree is None:
        material.use_nodes = True
    material.diffuse_color = (*look.colour, 1.0)
    material.roughness = look.roughness
    for node in material.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Base Color"].default_value = (*look.colour, 1.0)
            node.inputs["Roughness"].default_value = look.roughness
    return material


def _free_place(context: Context, face: Object) -> Vector:
    """The 3D cursor, or the next place to its right that is in no other mesh's box."""
    context.view_layer.update()  # sizes are known only then
    place = Vector(context.scene.cursor.location)
    size = max(face.dimensions) or 0.3
    others = [
        box
        for obj in context.scene.objects
        if obj.type == "MESH" and obj is not face and obj.parent is not face
        for box in [[obj.matrix_world @ Vector(corner) for corner in obj.bound_box]]
    ]
    for _ in range(200):
        if not any(_near(place, box, size / 2) for box in others):
            break
        place.x += size
    return place


def _near(place: Vector, box: Sequence[Vector], reach: float) -> bool:
    corners = np.array(box)
    least, most = corners.min(axis=0) - reach, corners.max(axis=0) + reach
    at = np.array(place)
    return bool(((least < at) & (at < most)).all())
