# SPDX-License-Identifier: GPL-3.0-or-later
"""The neutral that the engine is given: what stands still in a face's shape keys belongs to it."""

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from blender_addon.curves.plan import plan_bake
from blender_addon.layers.writer import Source, write_bake
from blender_addon.scene import target
from emoface_core.errors import InputError
from emoface_core.face.head import load_head

from ..conftest import add_face, clip, evaluated, layers

HEAD = load_head().vertices


def add_key(face: bpy.types.Object, name: str, value: float, seed: int) -> bpy.types.ShapeKey:
    block = face.shape_key_add(name=name, from_mix=False)
    offsets = np.random.default_rng(seed).normal(0, 0.002, (5023, 3))
    block.points.foreach_set("co", (HEAD + offsets).astype(np.float32).ravel())
    block.value = value
    return block


def neutral(face: bpy.types.Object) -> NDArray[np.float32]:
    return target.read_neutral(face).vertices


def test_a_sculpted_identity_is_the_face_at_rest() -> None:
    face = add_face(vertices=HEAD)
    np.testing.assert_array_equal(neutral(face), HEAD)
    face.shape_key_add(name="Basis")
    add_key(face, "Identity", 0.8, 1)
    asymmetry = add_key(face, "Asymmetry", 0.5, 2)
    asymmetry.relative_key = face.data.shape_keys.key_blocks["Identity"]
    face.vertex_groups.new(name="other").add([0, 1], 1.0, "REPLACE")
    face.vertex_groups.new(name="left").add(range(2000), 0.25, "REPLACE")
    asymmetry.vertex_group = "left"
    add_key(face, "Muted", 1.0, 3).mute = True
    shown = evaluated(face, 1)
    assert np.abs(shown - HEAD).max() > 0.004
    np.testing.assert_allclose(neutral(face), shown, atol=1e-6)


def test_what_moves_is_not_part_of_it() -> None:
    face = add_face(vertices=HEAD)
    face.shape_key_add(name="Basis")
    add_key(face, "Identity", 1.0, 1)
    wanted = neutral(face)
    add_key(face, "Smile", 0.7, 2).keyframe_insert("value", frame=1)
    add_key(face, "Corrective", 0.7, 3).driver_add("value")
    key = face.data.shape_keys
    track = key.animation_data.nla_tracks.new()
    track.strips.new("Smile", 1, key.animation_data.action)
    key.animation_data.action = None
    np.testing.assert_array_equal(neutral(face), wanted)
    write_bake(face, plan_bake(layers(), clip()), Source("s", "auto", None, 1.0))
    bpy.context.scene.frame_set(20)
    assert any(block.value for block in key.key_blocks if block.name.startswith("emoface."))
    np.testing.assert_array_equal(neutral(face), wanted)


def test_a_mesh_that_is_no_face_is_refused_by_its_name() -> None:
    shuffled = np.random.default_rng(0).permutation(5023)
    with pytest.raises(InputError, match="“Lump” do not lie as a face's do"):
        neutral(add_face("Lump", HEAD[shuffled]))
    assert neutral(add_face("Giant", 100 * HEAD[:, [2, 0, 1]])).max() > 10
