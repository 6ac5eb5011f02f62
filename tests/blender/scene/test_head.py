# SPDX-License-Identifier: GPL-3.0-or-later
"""Our head in Blender: upright, in metres, with a mouth and brows that follow it."""

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from blender_addon.scene import head_object, target
from emoface_core.face.head import Head, load_head

UPRIGHT = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)


def shown(obj: bpy.types.Object) -> NDArray[np.float32]:
    bpy.context.view_layer.update()
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


def pose(face: bpy.types.Object, head: Head, name: str, value: float, unit: float = 1.0) -> None:
    face.shape_key_add(name="Basis", from_mix=False)
    block = face.shape_key_add(name=name, from_mix=False)
    posed = (head.vertices + head.shape(name)) @ UPRIGHT.T * unit
    block.points.foreach_set("co", posed.astype(np.float32).ravel())
    block.value = value


def test_it_stands_upright_in_metres_and_can_be_animated() -> None:
    face = head_object.add_head(bpy.context)
    assert target.check(face) is face
    assert 0.2 < face.dimensions.z < 0.4
    points, head = shown(face), load_head()
    eyes = points[head.regions["eyeballs"]].mean(axis=0)
    assert eyes[1] < points[:, 1].mean(), "it looks towards -y"
    assert eyes[2] > points[head.regions["lips"]][:, 2].max()
    assert bpy.context.object is face


@pytest.mark.parametrize("scale_length", [1.0, 0.01])
def test_the_mouth_follows_the_jaw(scale_length: float) -> None:
    bpy.context.scene.unit_settings.scale_length = scale_length
    unit = 1 / scale_length
    face, head = head_object.add_head(bpy.context), load_head()
    mouth = bpy.data.objects[f"{face.name} Mouth"]
    rest = shown(mouth)
    np.testing.assert_allclose(rest, head.teeth.vertices @ UPRIGHT.T * unit, atol=1e-6 * unit)
    pose(face, head, "jawOpen", 0.8, unit)
    wanted = head.teeth.follow(0.8 * head.shape("jawOpen")) @ UPRIGHT.T * unit
    np.testing.assert_allclose(shown(mouth) - rest, wanted, atol=2e-6 * unit)
    assert np.abs(wanted).max() > 0.01 * unit


def test_the_brows_stay_on_the_skin() -> None:
    face, head = head_object.add_head(bpy.context), load_head()
    brows = bpy.data.objects[f"{face.name} Brows"]
    rest = shown(brows)
    name = next(n for n in head.shape_names if n.startswith("browOuterUp"))
    pose(face, head, name, 1.0)
    moved = np.linalg.norm(shown(brows) - rest, axis=1)
    assert moved.max() > 0.003
    skin = np.linalg.norm(head.shape(name), axis=1).max()
    assert moved.max() <= skin + 1e-6


def test_copies_of_the_parts_follow_the_copied_head() -> None:
    face, head = head_object.add_head(bpy.context, "Ada"), load_head()
    for obj in (face, *face.children):
        obj.hide_viewport = obj.hide_select = False
        obj.select_set(True)
    bpy.ops.object.duplicate(linked=False)
    parts = [bpy.data.objects[name] for name in ("Ada Mouth", "Ada Brows")]
    copies = [bpy.data.objects[f"{part.name}.001"] for part in parts]
    assert parts[0].modifiers[0].node_group == copies[0].modifiers[0].node_group
    rest = [shown(part) for part in parts]
    pose(face, head, "jawOpen", 0.8)
    assert np.abs(shown(copies[0]) - rest[0]).max() < 1e-6
    assert np.abs(shown(parts[0]) - rest[0]).max() > 0.01
    pose(bpy.data.objects["Ada.001"], head, "browOuterUp_L", 1.0)
    assert np.abs(shown(parts[1]) - rest[1]).max() < 1e-4  # the open jaw stretches all the skin
    assert np.abs(shown(copies[1]) - rest[1]).max() > 0.003


def test_every_part_of_the_face_has_its_material() -> None:
    looks = head_object.face_looks(load_head())
    count = np.bincount(looks, minlength=6)
    assert (count > 10).all()
    assert count[0] == count.max(), "most of it is skin"
    face = head_object.add_head(bpy.context)
    assert len(face.material_slots) == 6
    colours = {tuple(slot.material.diffuse_color) for slot in face.material_slots}
    assert len(colours) == 6, "told apart in the viewport's material colours"


def test_a_second_head_shares_the_materials_and_stands_beside() -> None:
    first = head_object.add_head(bpy.context)
    materials = len(bpy.data.materials)
    second = head_object.add_head(bpy.context)
    assert len(bpy.data.materials) == materials
    assert abs(second.location.x - first.location.x) >= 0.15
