# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of the artist's changes by a bake, another bake, or its removal."""

import re
from dataclasses import replace

import bpy
import numpy as np
import pytest

from blender_addon import compat
from blender_addon.curves import plan
from blender_addon.curves.naming import INTENSITY, MOTION, OLD_CURVES
from blender_addon.curves.styling import Style
from blender_addon.layers import ownership, writer
from blender_addon.layers.writer import Source
from blender_addon.scene import target
from emoface_core.errors import InputError

from ..conftest import add_face, clip, evaluated, layers, template
from ..snapshot import differences, snapshot

SOURCE = Source(sound="line.wav", emotion="happy", preference=None, intensity=0.8)
TRACKS = ["EmoFace Rest", "EmoFace Speech", "EmoFace Emotion"]


def bake(obj: bpy.types.Object, first: int = 1, frames: int = 60) -> None:
    made = plan.plan_bake(layers(frames=frames), clip(frames=frames, first=first))
    writer.write_bake(obj, made, SOURCE)


def artists_face() -> bpy.types.Object:
    """A head with shape keys, Actions, NLA tracks, drivers, modifiers and properties of its own."""
    obj = add_face("Anna")
    for name in ("Basis", "smile", "blink"):
        block = obj.shape_key_add(name=name, from_mix=False)
        rest = np.tile(template().ravel(), 1)
        block.points.foreach_set("co", (rest + (0.001 if name != "Basis" else 0)).astype("f4"))
    key = obj.data.shape_keys
    blocks = key.key_blocks
    blocks["smile"].value, blocks["blink"].value = 0.25, 0.5
    blocks["smile"].keyframe_insert("value", frame=1)
    blocks["smile"].value = 0.5
    blocks["smile"].keyframe_insert("value", frame=20)
    pushed = compat.new_key_action("pushed", key)
    pushed.new_curve('key_blocks["blink"].value', "Lids").keyframe_points.insert(5, 0.5)
    track = key.animation_data.nla_tracks.new()
    track.name = "EmoFace"  # the artist may use that name too
    pushed.play(track.strips.new("blinks", 5, pushed.action))
    driver = blocks["blink"].driver_add("slider_max").driver
    driver.expression = "1 + frame * 0"
    key["mine"] = 3
    obj["mine"] = "kept"
    obj.location = (1, 2, 3)
    obj.keyframe_insert("location", frame=3)
    obj.modifiers.new("Subdivision", "SUBSURF").levels = 0
    obj.vertex_groups.new(name="lids").add([0, 1, 2], 0.5, "REPLACE")
    obj.active_shape_key_index = 1
    bpy.context.view_layer.update()
    return obj


def only_ours(lines: list[str]) -> list[str]:
    """The differences that a bake may not make."""
    ours = re.compile(
        r"^Key Key(\[\"emoface|\.animation_data\.(nla_tracks\[[1-4]\]|drivers\[[1-9]\d*\])"
        r"|\.key_blocks\[([3-9]|1\d)\])"
        r"|^Action EmoFace Anna( \w+)? is new"
        r"|^Object Anna(\[\"emoface_intensity|\.emoface_intensity)"
    )
    return [line for line in lines if not ours.match(line)]


def test_a_bake_changes_nothing_of_the_artists() -> None:
    obj = artists_face()
    before = snapshot()
    bake(obj)
    changes = differences(before, snapshot())
    assert any("emoface.speech.jawOpen" in line for line in changes)
    assert not (wrong := only_ours(changes)), "\n".join(wrong)


def test_removal_leaves_the_file_as_it_was() -> None:
    obj = artists_face()
    before = snapshot()
    bake(obj)
    bake(obj, first=30, frames=40)
    ownership.remove_bake(obj)
    assert not (wrong := differences(before, snapshot())), "\n".join(wrong)


def test_removal_from_a_bare_mesh_leaves_a_bare_mesh() -> None:
    obj = add_face()
    before = snapshot()
    bake(obj)
    ownership.remove_bake(obj)
    assert obj.data.shape_keys is None
    assert not (wrong := differences(before, snapshot())), "\n".join(wrong)


def test_another_bake_replaces_the_first_alone() -> None:
    obj = artists_face()
    bake(obj)
    bake(obj, first=100, frames=30)
    tracks = obj.data.shape_keys.animation_data.nla_tracks
    assert [track.strips[0].name for track in tracks] == ["blinks", *TRACKS]
    actions = [a.name for a in bpy.data.actions if ownership.is_our_action(a)]
    assert actions == [f"EmoFace Anna {name}" for name in ("Emotion", "Rest", "Speech")]
    assert ownership.record_of(obj).first_frame == 100
    assert len(obj.data.shape_keys.key_blocks) == 3 + 14


def test_the_intensity_and_its_keys_outlive_another_bake() -> None:
    obj = add_face()
    bake(obj)
    assert obj[INTENSITY] == pytest.approx(0.8)
    obj[INTENSITY] = 0.3
    obj.keyframe_insert(f'["{INTENSITY}"]', frame=1)
    bake(obj)
    assert obj[INTENSITY] == pytest.approx(0.3)
    ownership.remove_bake(obj)
    assert INTENSITY in obj, "the artist keyed it: it is the artist's now"


def test_the_artists_keys_stay_in_force() -> None:
    obj = artists_face()
    before = evaluated(obj, 20) - evaluated(obj, 1)
    bake(obj, first=500)
    np.testing.assert_allclose(evaluated(obj, 20) - evaluated(obj, 1), before, atol=1e-7)


def test_keys_that_were_renamed_are_removed_too() -> None:
    obj = artists_face()
    bake(obj)
    blocks = obj.data.shape_keys.key_blocks
    blocks["emoface.speech.mouthClose"].name = "mouth"
    blocks["emoface.emotion.cheekSquint_L"].name = "feeling"
    ownership.remove_bake(obj)
    assert [block.name for block in blocks] == ["Basis", "smile", "blink"]
    assert len(obj.data.shape_keys.animation_data.drivers) == 1


def test_our_strip_in_the_artists_track_goes_and_the_track_stays() -> None:
    obj = artists_face()
    bake(obj)
    tracks = obj.data.shape_keys.animation_data.nla_tracks
    action = tracks["EmoFace.001"].strips[0].action if "EmoFace.001" in tracks else None
    action = action or tracks[1].strips[0].action
    tracks[0].strips.new("borrowed", 200, action)
    ownership.remove_bake(obj)
    assert [[strip.name for strip in track.strips] for track in tracks] == [["blinks"]]
    assert not any(ownership.is_our_action(a) for a in bpy.data.actions)


def test_a_copy_of_a_face_keeps_its_animation() -> None:
    first = add_face("Anna")
    bake(first)
    first.select_set(True)
    bpy.context.view_layer.objects.active = first
    bpy.ops.object.duplicate()
    second = bpy.context.object
    assert second.data is not first.data
    shown = evaluated(second, 30)
    ownership.remove_bake(first)
    np.testing.assert_allclose(evaluated(second, 30), shown, atol=1e-7)


def test_two_faces_are_independent() -> None:
    first, second = add_face("Anna"), add_face("Ben")
    bake(first, first=1)
    before = evaluated(first, 30)
    bake(second, first=10)
    second[INTENSITY] = 0.0
    np.testing.assert_array_equal(evaluated(first, 30), before)
    ownership.remove_bake(first)
    assert ownership.record_of(first) is None
    assert ownership.record_of(second) is not None


@pytest.mark.parametrize("vertices", [8, 5022])
def test_another_number_of_vertices_is_refused(vertices: int) -> None:
    mesh = bpy.data.meshes.new("Cube")
    mesh.from_pydata([(0, 0, 0)] * vertices, [], [])
    with pytest.raises(InputError, match=f"“Cube” has {vertices} vertices.*5023"):
        target.check(bpy.data.objects.new("Cube", mesh))


def test_what_cannot_be_baked_says_why() -> None:
    obj = add_face()
    with pytest.raises(InputError, match="No face is chosen"):
        target.check(None)
    with pytest.raises(InputError, match="“Lamp” is not a mesh"):
        target.check(bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT")))
    obj.shape_key_add(name="Basis")
    obj.data.shape_keys.use_relative = False
    with pytest.raises(InputError, match="are absolute"):
        target.check(obj)


def test_edit_mode_is_refused() -> None:
    obj = add_face()
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(InputError, match="Edit Mode"):
        target.check(obj)


def test_a_linked_mesh_is_refused(tmp_path) -> None:
    add_face()
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, into):
        into.objects = ["Head"]
    with pytest.raises(InputError, match="linked from another file"):
        target.check(bpy.data.objects["Head"])


def test_what_would_hide_the_result_is_said_before() -> None:
    obj, scene = artists_face(), bpy.context.scene
    assert target.warnings(obj, scene) == []
    bake(obj)
    key = obj.data.shape_keys
    key.key_blocks["emoface.speech.jawOpen"].keyframe_insert("value", frame=1)
    obj.show_only_shape_key = True
    key.animation_data.nla_tracks[0].is_solo = True
    obj.modifiers.new("cache", "MESH_CACHE")
    copy = bpy.data.objects.new("Twin", obj.data)
    scene.collection.objects.link(copy)
    said = " ".join(target.warnings(obj, scene))
    for part in ("pinned", "wins over", "solo", "“cache” overwrites", "“Twin” shares"):
        assert part in said
    key.animation_data.nla_tracks[0].is_solo = False
    key.animation_data.use_nla = False
    assert "NLA tracks are turned off" in " ".join(target.warnings(obj, scene))


def bake_as_before(obj: bpy.types.Object) -> None:
    """What EmoFace 0.1 left on a face: numbered keys, and no motion to restyle."""
    made = plan.plan_bake(layers(), clip())
    keys = [
        replace(key, name=f"emoface.{key.layer}.{number:03d}")
        for layer in ("speech", "emotion")
        for number, key in enumerate(key for key in made.keys if key.layer == layer)
    ]
    writer.write_bake(obj, replace(made, keys=tuple(keys)), SOURCE)
    key = obj.data.shape_keys
    del key[MOTION]
    key[OLD_CURVES] = b"palette"


def test_a_bake_of_the_former_version_is_replaced_and_removed() -> None:
    obj = artists_face()
    before = snapshot()
    bake_as_before(obj)
    assert not writer.restyle(obj, Style())
    bake(obj)
    names = [block.name for block in obj.data.shape_keys.key_blocks]
    assert "emoface.speech.jawOpen" in names
    assert not any(name[-3:].isdigit() for name in names)
    ownership.remove_bake(obj)
    assert not (wrong := differences(before, snapshot())), "\n".join(wrong)
    bake_as_before(obj)
    ownership.remove_bake(obj)
    assert not (wrong := differences(before, snapshot())), "\n".join(wrong)


def test_hand_animation_on_our_keys_outlives_another_bake() -> None:
    obj = artists_face()
    bake(obj)
    mine = obj.data.shape_keys.animation_data.action
    obj.data.shape_keys.key_blocks["emoface.speech.jawOpen"].value = 0.7
    obj.data.shape_keys.key_blocks["emoface.speech.jawOpen"].keyframe_insert("value", frame=7)
    bake(obj, first=5)
    assert obj.data.shape_keys.animation_data.action == mine
    bpy.context.scene.frame_set(7)
    assert obj.data.shape_keys.key_blocks["emoface.speech.jawOpen"].value == pytest.approx(0.7)


@pytest.mark.parametrize("into", ["NLA", "ACTION"])
@pytest.mark.parametrize("again", ["NLA", "ACTION"])
def test_what_is_set_on_our_keys_and_curves_outlives_another_bake(into: str, again: str) -> None:
    obj = add_face("Anna")
    made = plan.plan_bake(layers(), clip())
    writer.write_bake(obj, made, SOURCE, into)
    obj.vertex_groups.new(name="half")
    names = ("emoface.speech.jawOpen", "emoface.emotion.browDown_L")
    for name in names:
        block = obj.data.shape_keys.key_blocks[name]
        block.vertex_group, block.lock_shape, block.mute = "half", True, True
        block.slider_max = 5.0
        curve = writer.our_curves(obj.data.shape_keys)[name]
        curve.modifiers.new("STEPPED").frame_step = 3
        curve.lock, curve.mute, curve.extrapolation = True, True, "LINEAR"
    obj.active_shape_key_index = obj.data.shape_keys.key_blocks.find(names[0])
    longer = plan.plan_bake(layers(frames=90), clip(frames=90, first=7))
    writer.write_bake(obj, longer, SOURCE, again)
    assert obj.active_shape_key.name == names[0]
    curves = writer.our_curves(obj.data.shape_keys)
    for name in names:
        block = obj.data.shape_keys.key_blocks[name]
        assert (block.vertex_group, block.lock_shape, block.mute) == ("half", True, True)
        assert block.slider_max == 5.0
        curve = curves[name]
        assert [modifier.frame_step for modifier in curve.modifiers] == [3]
        assert (curve.lock, curve.mute, curve.extrapolation) == (True, True, "LINEAR")
        block.vertex_group, block.mute, curve.mute = "", False, False
        curve.modifiers.remove(curve.modifiers[0])
    obj[INTENSITY] = 1.0
    moved = evaluated(obj, 30) - template()
    np.testing.assert_allclose(moved, layers(frames=90).offsets(1.0)[23], atol=1e-5)


def test_a_driver_of_the_artists_on_our_key_stays() -> None:
    obj = add_face("Anna")
    bake(obj)
    name = "emoface.emotion.browDown_L"
    key = obj.data.shape_keys
    ownership.remove_drivers(key, [name])
    key.key_blocks[name].driver_add("value").driver.expression = "0.25"
    bake(obj, first=5)
    assert (
        key.animation_data.drivers.find(f'key_blocks["{name}"].value').driver.expression == "0.25"
    )
