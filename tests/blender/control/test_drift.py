# SPDX-License-Identifier: GPL-3.0-or-later
"""What was changed since a bake is said: the rate, a strip's place and cut, lost curves."""

from pathlib import Path
from typing import Any

import bpy
import pytest

from blender_addon import compat
from blender_addon.control import drift, live
from blender_addon.curves.naming import INTENSITY
from blender_addon.curves.plan import plan_bake
from blender_addon.layers import hosts, ownership, writer
from blender_addon.layers.writer import Source
from blender_addon.scene import strips

from ..conftest import add_face, clip, layers
from ..scene.test_strips import AUDASPACE, write_wav

pytestmark = pytest.mark.usefixtures("addon")
needs_sound = pytest.mark.skipif(not AUDASPACE, reason="this bpy is built without Audaspace")


def bake(face: bpy.types.Object, *names: str, into: hosts.Into = hosts.NLA) -> bpy.types.Object:
    """A bake of two seconds from frame 1 on; `names`: the strips that it is said to be of."""
    scene = bpy.context.scene
    scene.render.fps = 25
    heard = [strips.heard_of_strip(strips.choose(scene, name), scene, scene) for name in names]
    cuts = tuple(sound.cut for sound in heard)
    source = Source("line", "happy", None, 1.0, home="Scene", strips=names, cuts=cuts)
    writer.write_bake(face, plan_bake(layers(50), clip(50)), source, into)
    face.emoface.into = into
    return face


@pytest.fixture
def voice(tmp_path: Path) -> Any:
    """A strip of two seconds from frame 1 on."""
    bpy.context.scene.render.fps = 25
    path = write_wav(tmp_path / "voice.wav", 2.0)
    return compat.new_sound_strip(bpy.context.scene, "Voice", str(path), 1, 1)


def said(face: bpy.types.Object) -> list[str]:
    return list(drift.warnings(face, bpy.context.scene, bpy.context.scene))


def move_tracks(face: bpy.types.Object, frames: float, speed: float = 1.0) -> None:
    for _, strip in ownership.our_strips(face.data.shape_keys):
        strip.scale = speed
        for name in ("frame_end_raw", "frame_start_raw") if frames > 0 else ():
            setattr(strip, name, getattr(strip, name) + frames)


def test_another_rate_is_said() -> None:
    face = bake(add_face("Anna"))
    assert not said(face)
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 30, 1.001
    assert said(face) == ["The scene runs at 29.97 fps, this was made at 25: press Animate Again."]
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 50, 1.0
    move_tracks(face, 0, speed=2.0)
    assert not said(face), "the artist has it play at the new rate"


@needs_sound
def test_a_strip_that_moved_is_said_unless_the_tracks_went_along(voice: Any) -> None:
    face = bake(add_face("Anna"), "Voice")
    assert not said(face)
    voice.frame_start += 100
    assert said(face) == [
        "“Voice” is heard 100 frames later than the face speaks it: press Animate Again, or move "
        "the EmoFace tracks in the NLA by as much."
    ]
    move_tracks(face, 99)
    assert said(face)[0].startswith("“Voice” is heard 1 frame later")
    move_tracks(face, 1)
    assert not said(face)
    voice.frame_start -= 110
    assert said(face)[0].startswith("“Voice” is heard 110 frames earlier")
    face.emoface.source = "FILE"
    assert not said(face), "another sound was chosen"


@needs_sound
def test_one_action_is_not_moved(voice: Any) -> None:
    face = bake(add_face("Anna"), "Voice", into=hosts.ACTION)
    voice.frame_start -= 1
    assert said(face) == [
        "“Voice” is heard 1 frame earlier than the face speaks it: press Animate Again."
    ]


@needs_sound
def test_tracks_that_were_moved_alone_are_the_artists_will(voice: Any) -> None:
    face = bake(add_face("Anna"), "Voice")
    move_tracks(face, 2)
    assert not said(face)


@needs_sound
@pytest.mark.parametrize("into", [hosts.NLA, hosts.ACTION])
def test_a_strip_that_was_cut_is_said(voice: Any, into: hosts.Into) -> None:
    face = bake(add_face("Anna"), "Voice", into=into)
    voice.frame_offset_end = 30
    assert said(face) == [
        "“Voice” was 50 frames long when this was made and is 20 now: press Animate Again to speak "
        "only these, or list all its pieces under Several Faces."
    ]
    voice.frame_offset_end, voice.frame_offset_start = 0, 10
    assert said(face)[0].startswith("“Voice” was 50 frames long when this was made and is 40 now")


@needs_sound
def test_a_cut_that_was_undone_is_said(voice: Any) -> None:
    voice.frame_offset_start = voice.frame_offset_end = 10
    face = bake(add_face("Anna"), "Voice")
    assert not said(face)
    voice.frame_offset_start = 5
    assert said(face) == [
        "“Voice” is trimmed otherwise than when this was made: press Animate Again."
    ]


@needs_sound
def test_the_second_of_two_strips_moved(voice: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "voice.wav")
    second = compat.new_sound_strip(bpy.context.scene, "Voice 2", path, 1, 101)
    face = bake(add_face("Anna"), "Voice", "Voice 2")
    assert not said(face)
    second.frame_start -= 10
    assert said(face)[0].startswith("“Voice 2” is heard 10 frames earlier")


@pytest.mark.parametrize("layer", ["speech", "emotion"])
def test_a_track_that_was_deleted_is_said_and_comes_back(layer: str) -> None:
    face = bake(add_face("Anna"))
    assert live.problem(face) == ""
    tracks = face.data.shape_keys.animation_data.nla_tracks
    tracks.remove(next(track for track in tracks if track.name.endswith(layer.capitalize())))
    assert live.problem(face) == (
        f"The curves of its {layer} play nowhere any more: press Animate Again to bring them back."
    )
    bake(face)
    assert live.problem(face) == ""


@pytest.mark.parametrize("into", [hosts.NLA, hosts.ACTION])
@pytest.mark.parametrize("what", ["actions", "animation data"])
def test_curves_that_are_gone_are_said_and_come_back(what: str, into: hosts.Into) -> None:
    face = bake(add_face("Anna"), into=into)
    live.apply_eyes(face)
    if what == "actions":
        for action in list(bpy.data.actions):
            bpy.data.actions.remove(action)
    else:
        face.data.shape_keys.animation_data_clear()
    assert live.problem(face).startswith("The curves of its speech and emotion play nowhere")
    assert not said(face)
    bake(face, into=into)
    assert live.problem(face) == ""


def test_an_intensity_that_was_deleted_is_said_and_comes_back() -> None:
    face = bake(add_face("Anna"))
    del face[INTENSITY]
    assert live.problem(face) == (
        f"The property “{INTENSITY}”, which scales the emotion, was deleted: press Animate Again "
        "to bring it back."
    )
    bake(face)
    assert live.problem(face) == ""
    assert INTENSITY in face
