# SPDX-License-Identifier: GPL-3.0-or-later
"""Our head as Blender objects: a face with materials, and a mouth interior that follows the jaw."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import bpy
import numpy as np
from bpy.types import Context, Material, Mesh, Object
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from emoface_core.face.head import Head, MouthInterior, load_head

# FLAME's frame (y up, facing +z) to Blender's (z up, facing -y).
_UPRIGHT = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
# Seen from the eyeball's centre: half the angle that the pupil and the iris take up.
_PUPIL, _IRIS = np.radians(11.0), np.radians(28.0)
_CANDIDATES = 14  # vertices among which those that carry the lower teeth are sought


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
_FACE_LOOKS = (_SKIN, _LIPS, _BROWS, _EYE, _IRIS_LOOK, _PUPIL_LOOK)
_MOUTH_LOOKS = {
    "teeth": Look("EmoFace Teeth", (0.82, 0.78, 0.68), 0.2),
    "gum": Look("EmoFace Gums", (0.42, 0.12, 0.12), 0.35),
    "tongue": Look("EmoFace Tongue", (0.48, 0.16, 0.16), 0.45),
}


def add_head(context: Context, name: str = "EmoFace Head") -> Object:
    """Add the head at the 3D cursor (beside what already stands there), selected and active."""
    head = load_head()
    unit = 1.0 / context.scene.unit_settings.scale_length
    face = _add_face(context, head, name, unit)
    _add_mouth(context, head, face, unit)
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
    for region, look in (("lips", 1), ("brows", 2), ("eyeballs", 3)):
        inside = np.zeros(len(head.vertices), bool)
        inside[head.regions[region]] = True
        looks[inside[head.faces].all(axis=1)] = look
    centres = head.vertices[head.faces].mean(axis=1)
    eyes = np.flatnonzero(looks == 3)
    nearest = np.linalg.norm(centres[eyes, None] - head.eye_centres, axis=2).argmin(axis=1)
    ray = centres[eyes] - head.eye_centres[nearest]
    angle = np.arccos(ray[:, 2] / np.linalg.norm(ray, axis=1))
    looks[eyes[angle < _IRIS]] = 4
    looks[eyes[angle < _PUPIL]] = 5
    return looks


def _add_mouth(context: Context, head: Head, face: Object, unit: float) -> None:
    teeth = head.teeth
    looks = [_MOUTH_LOOKS.get(name, _MOUTH_LOOKS["gum"]) for name in teeth.materials]
    for name, wanted in (("Upper Teeth", ~teeth.lower), ("Lower Teeth", teeth.lower)):
        ids = np.flatnonzero(wanted)
        chosen = wanted[teeth.faces].all(axis=1)
        if not chosen.any():
            continue
        renumber = np.full(len(teeth.vertices), -1, np.int32)
        renumber[ids] = np.arange(len(ids), dtype=np.int32)
        vertices = teeth.vertices[ids] @ _UPRIGHT.T * unit
        obj = _add_object(context, f"{face.name} {name}", vertices, renumber[teeth.faces[chosen]])
        _paint(obj.data, looks, teeth.face_material[chosen])
        obj.parent = face
        obj.hide_select = True  # a click on the teeth means the face
        if name == "Lower Teeth":
            _follow_jaw(context, obj, jaw_vertices(head, teeth))


def _follow_jaw(context: Context, obj: Object, vertices: Sequence[int]) -> None:
    """Parent to three vertices of the face, as they are moved by its shape keys."""
    obj.parent_type = "VERTEX_3"
    obj.parent_vertices = [int(v) for v in vertices]
    obj.matrix_parent_inverse = Matrix.Identity(4)
    context.view_layer.update()
    obj.matrix_parent_inverse = obj.matrix_world.inverted()


def jaw_vertices(head: Head, teeth: MouthInterior) -> tuple[int, int, int]:
    """Three vertices of the face whose triangle moves most like the lower teeth, in all shapes."""
    ids = _spread(head.vertices, teeth.jaw_ids, _CANDIDATES)
    lower = teeth.vertices[teeth.lower].astype(np.float64)
    wanted = lower + teeth.follow(head.shapes)[:, teeth.lower]
    posed = (head.vertices + head.shapes).astype(np.float64)
    best, best_error = (int(ids[0]), int(ids[1]), int(ids[2])), np.inf
    for triple in combinations(ids, 3):
        rest, frames = _frames(head.vertices[None, triple])[0], _frames(posed[:, triple])
        local = (lower - rest[:3, 3]) @ rest[:3, :3]
        shown = local @ np.swapaxes(frames[:, :3, :3], 1, 2) + frames[:, None, :3, 3]
        error = float(np.square(shown - wanted).sum())
        if error < best_error:
            best, best_error = tuple(int(v) for v in triple), error  # type: ignore[assignment]
    return best


def _spread(points: NDArray, ids: NDArray, count: int) -> NDArray:
    """`count` of the ids, far from each other."""
    chosen = [0]
    distance = np.full(len(ids), np.inf)
    while len(chosen) < min(count, len(ids)):
        step = np.linalg.norm(points[ids] - points[ids[chosen[-1]]], axis=1)
        distance = np.minimum(distance, step)
        chosen.append(int(distance.argmax()))
    return ids[chosen]


def _frames(triangles: NDArray) -> NDArray:
    """(N, 4, 4) the frame that Blender's three-vertex parent has, up to a fixed turn."""
    a, b, c = np.moveaxis(triangles.astype(np.float64), 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-30
    edge = (b - a) / (np.linalg.norm(b - a, axis=1, keepdims=True) + 1e-30)
    frames = np.tile(np.eye(4), (len(triangles), 1, 1))
    frames[:, :3, 0], frames[:, :3, 1], frames[:, :3, 2] = edge, np.cross(normal, edge), normal
    frames[:, :3, 3] = triangles.mean(axis=1)
    return frames


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
    material = bpy.data.materials.new(look.name)
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
    return bool(((least < place) & (place < most)).all())
