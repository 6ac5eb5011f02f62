# SPDX-License-Identifier: GPL-3.0-or-later
"""What drivers give is worked out as Blender would play it, or it is played."""

from collections.abc import Callable, Iterator

import bpy
import numpy as np
import pytest

from blender_addon import compat
from blender_addon.control import live
from blender_addon.curves.naming import INTENSITY, INTENSITY_PATH, value_path
from blender_addon.curves.plan import plan_bake
from blender_addon.layers import driven, flatten, gaze_layer, ownership, writer

from ..conftest import add_face, clip, evaluated
from .test_gaze import performance
from .test_ownership import SOURCE

pytestmark = pytest.mark.usefixtures("addon")

FRAMES = np.arange(-20, 230, dtype=np.float32)
SMILE, BLINK = "emoface.emotion.mouthSmile_L", "emoface.eyes.eyeBlink_L"
_SNAP = 1.01e-4  # within which Blender takes a driver's value for its key frame's


@pytest.fixture
def face() -> bpy.types.Object:
    obj, made = add_face("Anna"), performance()
    writer.write_bake(obj, plan_bake(made, clip(frames=200)), SOURCE)
    gaze_layer.keep_sound(obj, made)
    obj.emoface.eyes.show = True
    live.after_bake(obj)
    for frame, value in ((1, 0.0), (60, 1.5), (150, 0.4)):
        obj[INTENSITY] = value
        obj.keyframe_insert(INTENSITY_PATH, frame=frame)
    return obj


@pytest.fixture
def played() -> Iterator[list[int]]:
    """The frames that the scene was set to."""
    frames: list[int] = []

    def note(scene: bpy.types.Scene, *_: object) -> None:
        frames.append(scene.frame_current)

    bpy.app.handlers.frame_change_post.append(note)
    yield frames
    bpy.app.handlers.frame_change_post.remove(note)


def names_of(obj: bpy.types.Object) -> list[str]:
    curves = writer.our_curves(obj.data.shape_keys)
    return [name for name, curve in curves.items() if curve.data_path.startswith("[")]


def test_all_frames_are_as_blender_plays_them(face: bpy.types.Object) -> None:
    writer.thin(face, 0.5)
    curve = writer.our_curves(face.data.shape_keys)[SMILE]
    curve.modifiers.new("STEPPED").frame_step = 5
    names = names_of(face)
    assert SMILE in names and BLINK in names
    told = driven.values(face, names, FRAMES)
    wanted = flatten._sample(face, bpy.context.scene, names, FRAMES)
    assert max(np.abs(values).max() for values in wanted.values()) > 0.5
    for name in names:
        np.testing.assert_allclose(told[name], wanted[name], atol=_SNAP)


def by_an_action(obj: bpy.types.Object) -> None:
    obj.data.shape_keys.key_blocks[SMILE].keyframe_insert("value", frame=3)
    made = compat.new_key_action("mine", obj.data.shape_keys)
    made.new_curve(f'["{SMILE}"]', "").keyframe_points.insert(1, 0.5)
    made.play(obj.data.shape_keys.animation_data)


def by_a_driver(obj: bpy.types.Object) -> None:
    curve = obj.data.shape_keys.animation_data.drivers.find(value_path(SMILE))
    curve.driver.expression = "curve * sin(frame)"


def by_a_driven_intensity(obj: bpy.types.Object) -> None:
    obj.animation_data_clear()
    obj.driver_add(INTENSITY_PATH).driver.expression = "frame / 100"


def by_an_intensity_in_the_nla(obj: bpy.types.Object) -> None:
    animation = obj.animation_data
    slot = getattr(animation, "action_slot", None)
    strip = animation.nla_tracks.new().strips.new("i", 1, animation.action)
    if slot is not None:
        strip.action_slot = slot
    animation.action = None


@pytest.mark.parametrize(
    "moved", [by_an_action, by_a_driver, by_a_driven_intensity, by_an_intensity_in_the_nla]
)
def test_what_the_artist_moves_is_played(
    face: bpy.types.Object, moved: Callable[[bpy.types.Object], None]
) -> None:
    moved(face)
    assert ownership.is_animated(face)
    assert driven.values(face, names_of(face), FRAMES) is None
    shown = [evaluated(face, frame) for frame in (1, 40, 90, 160)]
    flatten.to_plain_keys(face, bpy.context.scene)
    for frame, points in zip((1, 40, 90, 160), shown, strict=True):
        np.testing.assert_allclose(evaluated(face, frame), points, atol=1e-6)


def test_plain_keys_of_a_keyed_intensity_need_no_playing(
    face: bpy.types.Object, played: list[int]
) -> None:
    frames = (-5, 1, 40, 90, 160, 300)
    shown = [evaluated(face, frame) for frame in frames]
    played.clear()
    flatten.to_plain_keys(face, bpy.context.scene)
    assert not played
    for frame, points in zip(frames, shown, strict=True):
        np.testing.assert_allclose(evaluated(face, frame), points, atol=2e-6)


def test_playing_leaves_the_scene_and_the_keys_as_they_were(
    face: bpy.types.Object, played: list[int]
) -> None:
    by_a_driver(face)
    bpy.context.scene.frame_set(33, subframe=0.25)
    face.data.shape_keys.key_blocks["emoface.speech.jawOpen"].mute = True
    muted = [block.mute for block in face.data.shape_keys.key_blocks]
    flatten.to_plain_keys(face, bpy.context.scene)
    assert len(played) > 200
    assert bpy.context.scene.frame_current_final == 33.25
    assert [block.mute for block in face.data.shape_keys.key_blocks] == muted
