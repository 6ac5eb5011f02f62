# SPDX-License-Identifier: GPL-3.0-or-later
"""A face goes on speaking its own strips, or says that they are gone: never somebody else's."""

from pathlib import Path
from typing import Any

import bpy
import pytest

from blender_addon import compat
from blender_addon.control import speaking
from blender_addon.curves.plan import plan_bake
from blender_addon.layers import writer
from blender_addon.layers.writer import Source
from emoface_core.errors import InputError

from ..conftest import add_face, clip, layers
from ..scene.test_strips import AUDASPACE, write_wav

pytestmark = [
    pytest.mark.usefixtures("addon"),
    pytest.mark.skipif(not AUDASPACE, reason="this bpy is built without Audaspace"),
]


@pytest.fixture
def sounds(tmp_path: Path) -> dict[str, Any]:
    """Three strips; the last one is active."""
    scene = bpy.context.scene
    path = str(write_wav(tmp_path / "voice.wav", 1.0))
    names = ("Anna_1", "Anna_2", "Ben_1")
    made = {
        name: compat.new_sound_strip(scene, name, path, channel, 40 * channel)
        for channel, name in enumerate(names, 1)
    }
    scene.sequence_editor.active_strip = made["Ben_1"]
    return made


def baked(*strips: str) -> bpy.types.Object:
    """A face that speaks these strips of the scene already."""
    face = add_face("Anna")
    source = Source("", "happy", None, 1.0, home="Scene", strips=strips)
    writer.write_bake(face, plan_bake(layers(), clip()), source)
    return face


def spoken(face: bpy.types.Object) -> tuple[str, list[str]]:
    home, sounds = speaking.strips_of(face, bpy.context.scene)
    return home.name, [sound.name for sound in sounds]


def test_its_own_strip_goes_before_the_active_one(sounds: dict[str, Any]) -> None:
    assert spoken(add_face("Ben")) == ("Scene", ["Ben_1"])
    face = baked("Anna_1")
    assert spoken(face) == ("Scene", ["Anna_1"])
    face.emoface.strip = "Anna_2"
    assert spoken(face) == ("Scene", ["Anna_2"])


@pytest.mark.parametrize("strips", [("Anna_1",), ("Anna_1", "Anna_2")])
def test_a_strip_that_is_gone_is_said(sounds: dict[str, Any], strips: tuple[str, ...]) -> None:
    face = baked(*strips)
    sounds["Anna_1"].name = "Anna_v2"
    with pytest.raises(InputError) as caught:
        spoken(face)
    assert caught.value.message == (
        "“Anna” speaks “Anna_1”, which is not in the sequencer any more."
    )
    assert caught.value.hint.startswith("Choose a strip under Sound")
    face.emoface.strip = "Anna_v2"
    assert spoken(face) == ("Scene", ["Anna_v2"])


def test_a_scene_with_another_name_is_found_by_its_strips(sounds: dict[str, Any]) -> None:
    face = baked("Anna_1")
    bpy.context.scene.name = "SH020"
    assert spoken(face) == ("SH020", ["Anna_1"])
    bpy.data.scenes.new("Scene")
    assert spoken(face) == ("SH020", ["Anna_1"])


def test_the_strips_may_be_in_a_scene_without_the_face(sounds: dict[str, Any]) -> None:
    face = baked("Anna_1", "Anna_2")
    other = bpy.data.scenes.new("Shot")
    other.collection.objects.link(face)
    bpy.context.scene.collection.objects.unlink(face)
    assert speaking.strips_of(face, other)[0].name == "Scene"


def test_a_scene_copied_with_its_strips_is_heard_itself(sounds: dict[str, Any]) -> None:
    face = baked("Anna_1")
    bpy.ops.scene.new(type="FULL_COPY")
    copy = next(obj for obj in bpy.context.scene.objects if obj.type == "MESH")
    assert copy is not face
    assert spoken(copy) == (bpy.context.scene.name, ["Anna_1"])
    assert speaking.strips_of(face, bpy.context.scene)[0].name == "Scene"
