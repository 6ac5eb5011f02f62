# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer is silenced as a whole; a key that the artist has muted stays so."""

import bpy
import pytest

from blender_addon.control import live
from blender_addon.curves.naming import MUTED, layer_of_key
from blender_addon.layers import ownership

from ..conftest import add_face
from ..control.test_live import bake

pytestmark = pytest.mark.usefixtures("addon")

JAW, BROW = "emoface.speech.jawOpen", "emoface.emotion.browDown_L"


@pytest.fixture
def face() -> bpy.types.Object:
    obj = add_face("Anna")
    bpy.context.scene.emoface.face = obj
    bake(obj)
    return obj


def mute_of(obj: bpy.types.Object) -> dict[str, bool]:
    blocks = obj.data.shape_keys.key_blocks
    return {name: blocks[name].mute for name in ownership.record_of(obj).keys}


def test_a_key_that_the_artist_muted_stays_mute(face: bpy.types.Object) -> None:
    face.data.shape_keys.key_blocks[BROW].mute = True
    face.emoface.speech_style.jaw_opening = 1.1
    assert [name for name, muted in mute_of(face).items() if muted] == [BROW]
    face.emoface.mute_emotion = True
    face.emoface.mute_emotion = False
    assert [name for name, muted in mute_of(face).items() if muted] == [BROW]


def test_a_key_that_the_artist_lets_show_in_a_silent_layer_stays_so(
    face: bpy.types.Object,
) -> None:
    face.emoface.mute_emotion = True
    face.data.shape_keys.key_blocks[BROW].mute = False
    face.emoface.speech_style.jaw_opening = 1.1
    assert not mute_of(face)[BROW]
    face.emoface.mute_emotion = False
    assert not any(mute_of(face).values())


def test_a_layer_that_is_silenced_together_with_other_changes(face: bpy.types.Object) -> None:
    face.data.shape_keys.key_blocks[JAW].mute = True
    with live.together(face):
        face.emoface.mute_speech = True
    assert {layer_of_key(name) for name, muted in mute_of(face).items() if muted} == {"speech"}
    bake(face)
    assert {layer_of_key(name) for name, muted in mute_of(face).items() if muted} == {"speech"}
    with live.together(face):
        face.emoface.mute_speech = False
    assert not mute_of(face)["emoface.speech.mouthClose"]


def test_a_layer_that_an_earlier_emoface_silenced_shows_again(face: bpy.types.Object) -> None:
    face.emoface.mute_speech = True
    del face.data.shape_keys[MUTED]
    face.emoface.mute_speech = False
    assert not any(mute_of(face).values())
