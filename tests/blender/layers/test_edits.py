# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist changes in our curves by hand is kept when they are written anew."""

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon import compat
from blender_addon.control import live
from blender_addon.curves.naming import LAYER, MARK
from blender_addon.curves.plan import plan_bake
from blender_addon.layers import edits, gaze_layer, hosts, ownership, writer
from blender_addon.layers.hosts import ACTION, NLA

from ..conftest import add_face, clip, write_voice
from .test_gaze import performance
from .test_ownership import SOURCE

pytestmark = pytest.mark.usefixtures("addon")

JAW, SMILE = "emoface.speech.jawOpen", "emoface.emotion.mouthSmile_L"
BLINK = "emoface.eyes.eyeBlink_L"
BOTH = pytest.mark.parametrize("into", [NLA, ACTION])


def bake(obj: bpy.types.Object, into: hosts.Into | None = None) -> None:
    made = performance()
    writer.write_bake(obj, plan_bake(made, clip(frames=200)), SOURCE, into)
    gaze_layer.keep_sound(obj, made)
    live.after_bake(obj)


@pytest.fixture
def face() -> bpy.types.Object:
    obj = add_face("Anna")
    bpy.context.scene.emoface.face = obj
    obj.emoface.eyes.show = True
    return obj


def edit(obj: bpy.types.Object, name: str = JAW, value: float = 1.75) -> None:
    """Set the middle key frame of a curve."""
    curve = writer.our_curves(obj.data.shape_keys)[name]
    curve.keyframe_points[len(curve.keyframe_points) // 2].co[1] = value
    curve.update()


def takes() -> list[bpy.types.Action]:
    return [action for action in bpy.data.actions if "Edited" in action.name]


def peak(action: bpy.types.Action, name: str) -> float:
    made = compat.key_action_of(action)
    curves = [curve for curve in made.curves if name in curve.data_path]
    return max(float(point.co[1]) for curve in curves for point in curve.keyframe_points)


def brows(obj: bpy.types.Object) -> None:
    obj.emoface.regions.brows *= 0.9


def thinned(_obj: bpy.types.Object) -> None:
    bpy.ops.emoface.thin_curves(tolerance=0.3)


def removed(_obj: bpy.types.Object) -> None:
    bpy.ops.emoface.remove_bake()


@BOTH
@pytest.mark.parametrize("rewrite", [brows, bake, thinned, removed])
def test_an_edited_curve_is_kept_in_an_action_of_the_artists(
    face: bpy.types.Object, into: hosts.Into, rewrite: Callable[[bpy.types.Object], None]
) -> None:
    face.emoface.into = into
    bake(face, into)
    bpy.ops.emoface.thin_curves(tolerance=0.3)
    edit(face)
    rewrite(face)
    (take,) = takes()
    name = "EmoFace Anna" if into == ACTION else "EmoFace Anna Speech"
    assert take.name == f"{name} Edited"
    assert take.use_fake_user
    assert MARK not in take and LAYER not in take
    assert peak(take, JAW) == 1.75


@BOTH
def test_a_drag_of_a_slider_keeps_one_and_says_so_until_dismissed(
    face: bpy.types.Object, into: hosts.Into
) -> None:
    bake(face, into)
    edit(face)
    for _ in range(5):
        brows(face)
    key = face.data.shape_keys
    assert len(takes()) == 1
    said = f"Your changes to EmoFace's curves are kept in the Action “{takes()[0].name}”."
    assert edits.sentence(edits.noted(key)) == said
    bake(face)
    assert edits.sentence(edits.noted(face.data.shape_keys)) == said
    bpy.ops.emoface.dismiss_kept()
    assert edits.noted(face.data.shape_keys) == []
    assert len(takes()) == 1


@BOTH
def test_nothing_is_kept_where_nothing_was_edited(
    face: bpy.types.Object, into: hosts.Into, tmp_path: Path
) -> None:
    bake(face, into)
    face.emoface.emotion = "sad"
    bpy.ops.emoface.thin_curves(tolerance=0.3)
    face.emoface.eyes.seed += 1
    hosts.move(face, ACTION if into == NLA else NLA)
    face.data.shape_keys.key_blocks[JAW].name = "jaw"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "face.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "face.blend"))
    face = bpy.data.objects["Anna"]
    face.emoface.eyes.show = False
    brows(face)
    bake(face)
    assert not takes()


def test_only_what_is_written_anew_is_kept(face: bpy.types.Object) -> None:
    bake(face)
    edit(face, SMILE)
    edit(face, BLINK)
    face.emoface.eyes.seed += 1
    assert [take.name for take in takes()] == ["EmoFace Anna Eyes Edited"]
    assert peak(takes()[0], BLINK) == 1.75
    brows(face)
    assert sorted(take.name.split()[2] for take in takes()) == ["Emotion", "Eyes"]
    edit(face, BLINK, 1.5)
    face.emoface.eyes.show = False
    assert len(takes()) == 3


def test_bent_lines_are_an_edit(face: bpy.types.Object) -> None:
    bake(face)
    bpy.ops.emoface.thin_curves(tolerance=0.3)
    points = writer.our_curves(face.data.shape_keys)[JAW].keyframe_points
    points[1].interpolation = "BEZIER"
    brows(face)
    assert len(takes()) == 1


def test_the_kept_action_plays_again(face: bpy.types.Object) -> None:
    bake(face)
    edit(face)
    scene, key = bpy.context.scene, face.data.shape_keys
    middle = round(
        writer.places_of(curve := writer.our_curves(key)[JAW])[len(curve.keyframe_points) // 2][0]
    )
    brows(face)
    scene.frame_set(middle)
    assert key.key_blocks[JAW].value != pytest.approx(1.75)
    strip = next(s for _, s in ownership.our_strips(key) if s.action.get(LAYER) == "speech")
    compat.key_action_of(takes()[0]).play(strip)
    scene.frame_set(middle + 1)
    scene.frame_set(middle)
    assert key.key_blocks[JAW].value == pytest.approx(1.75)
    brows(face)
    assert np.isclose(peak(takes()[0], JAW), 1.75), "it is the artist's: nothing writes it anew"


def test_undo_takes_it_all_back(face: bpy.types.Object) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bake(face)
    edit(face)
    bpy.ops.ed.undo_push(message="edited")
    brows(face)
    bpy.ops.ed.undo_push(message="slider")
    bpy.ops.ed.undo()
    key = bpy.data.objects["Anna"].data.shape_keys
    assert not takes() and not edits.noted(key)
    assert peak(writer.our_curves(key)[JAW].id_data, JAW) == 1.75


def test_the_buttons_say_where_the_changes_are(
    addon: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bpy.ops.emoface.add_head()
    face = bpy.context.scene.emoface.face
    face.name = "Anna"
    face.emoface.source, face.emoface.file = "FILE", str(write_voice(tmp_path / "v.wav", 2))
    said = "Your changes to EmoFace's curves are kept in the Action “EmoFace Anna Speech Edited"
    for number, button in enumerate(("animate", "thin_curves", "remove_bake")):
        bpy.ops.emoface.animate()
        edit(face, f"emoface.speech.{'jawOpen' if number else 'mouthFunnel'}")
        capfd.readouterr()
        assert getattr(bpy.ops.emoface, button)() == {"FINISHED"}
        assert capfd.readouterr().out.count(said) == 1
        assert len(takes()) == number + 1
