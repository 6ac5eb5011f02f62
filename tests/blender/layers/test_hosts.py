# SPDX-License-Identifier: GPL-3.0-or-later
"""A bake plays in NLA tracks or as one Action, as chosen, and nothing of the artist's is lost."""

from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon import compat
from blender_addon.control import live
from blender_addon.curves.cues import Feeling
from blender_addon.curves.naming import INTENSITY, LAYER, value_path
from blender_addon.curves.plan import plan_bake
from blender_addon.curves.styling import SpeechStyle, Style
from blender_addon.layers import flatten, gaze_layer, hosts, ownership, writer
from blender_addon.layers.hosts import ACTION, NLA
from blender_addon.scene import target
from emoface_core.errors import InputError
from emoface_core.face.eyes import EyeSettings

from ..conftest import add_face, clip, evaluated, layers
from ..snapshot import differences, snapshot
from .test_gaze import performance
from .test_ownership import SOURCE, artists_face, only_ours

FRAMES = (-300, 1, 13, 30, 44.5, 200)
JAW = "emoface.speech.jawOpen"


def bake(obj: bpy.types.Object, into: hosts.Into | None = None, first: int = 1) -> None:
    made = layers()
    writer.write_bake(obj, plan_bake(made, clip(first=first)), SOURCE, into)


def animation(obj: bpy.types.Object) -> bpy.types.AnimData:
    return obj.data.shape_keys.animation_data


def free_face() -> bpy.types.Object:
    """An artist's face on whose shape keys no Action is active: it has been pushed down."""
    obj = artists_face()
    action = animation(obj).action
    slot = getattr(animation(obj), "action_slot", None)
    strip = animation(obj).nla_tracks.new().strips.new("smiles", 1, action)
    if slot is not None:
        strip.action_slot = slot
    animation(obj).action = None
    bpy.context.view_layer.update()
    return obj


def shown(obj: bpy.types.Object) -> list[np.ndarray]:
    points = [evaluated(obj, frame) for frame in FRAMES]
    bpy.context.scene.frame_set(1)
    return points


def same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def settled() -> dict:
    """All datablocks, once what they look like has been worked out."""
    bpy.context.view_layer.update()
    return snapshot()


def nothing_changed(before: dict, but: str = "") -> None:
    wrong = [line for line in differences(before, settled()) if not but or but not in line]
    assert not wrong, "\n".join(wrong)


def key_by_hand(obj: bpy.types.Object, name: str, value: float, frame: int) -> None:
    block = obj.data.shape_keys.key_blocks[name]
    block.value = value
    block.keyframe_insert("value", frame=frame)


def track_of(obj: bpy.types.Object, layer: str) -> tuple:
    return next(p for p in ownership.our_strips(obj.data.shape_keys) if p[1].action[LAYER] == layer)


@pytest.mark.parametrize("into", [NLA, ACTION])
def test_either_way_shows_the_same_and_leaves_no_trace(into: hosts.Into) -> None:
    obj, made = free_face(), layers()
    still = shown(obj)
    before = settled()
    bake(obj, into)
    assert hosts.plays_in(obj.data.shape_keys) == into
    obj[INTENSITY] = 1.0
    for frame in (1, 30, 60):
        moved = evaluated(obj, frame) - made.offsets(1.0)[frame - 1]
        assert np.abs(moved - without_us(obj, frame)).max() < 1e-5
    bpy.context.scene.frame_set(1)
    if into == NLA:
        changes = only_ours(differences(before, settled()))
        wrong = [line for line in changes if ".bound_box" not in line and ".dim" not in line]
        assert not wrong, "\n".join(wrong)
    bake(obj, into, first=40)
    ownership.remove_bake(obj)
    nothing_changed(before, but="last_slot_identifier")
    same(shown(obj), still)


def without_us(obj: bpy.types.Object, frame: int) -> np.ndarray:
    """What the face does without us at a frame."""
    blocks = [b for b in obj.data.shape_keys.key_blocks if b.name.startswith("emoface.")]
    for block in blocks:
        block.mute = True
    points = evaluated(obj, frame)
    for block in blocks:
        block.mute = False
    return points


def test_one_action_lies_open_in_the_editors() -> None:
    obj = add_face("Anna")
    bake(obj, ACTION)
    action = animation(obj).action
    assert ownership.is_our_action(action)
    assert len(animation(obj).nla_tracks) == 0
    assert len(compat.curves_in_use(animation(obj))) == 14
    if hasattr(action, "slots"):
        assert [slot.identifier for slot in action.slots] == [animation(obj).action_slot.identifier]


@pytest.mark.parametrize("start", [NLA, ACTION])
def test_moving_there_and_back_changes_nothing_that_shows(start: hosts.Into) -> None:
    obj = free_face()
    bake(obj, start)
    motion = shown(obj)
    before = settled()
    for into in (ACTION, NLA, ACTION) if start == NLA else (NLA, ACTION):
        hosts.move(obj, into)
        assert hosts.plays_in(obj.data.shape_keys) == into
        same(shown(obj), motion)
    hosts.move(obj, start)
    lines = [line for line in differences(before, settled()) if "last_slot" not in line]
    assert not lines, "\n".join(lines)


def test_a_curve_moves_with_all_that_was_made_of_it() -> None:
    obj = add_face("Anna")
    bake(obj, NLA)
    curve = writer.our_curves(obj.data.shape_keys)[JAW]
    point = curve.keyframe_points[30]
    point.interpolation, point.easing = "ELASTIC", "EASE_OUT"
    point.handle_right_type = "FREE"
    point.handle_right, point.amplitude, point.back = (20.0, 0.7), 0.3, 2.0
    noise = curve.modifiers.new("NOISE")
    noise.scale, noise.use_restricted_range, noise.frame_start, noise.frame_end = 3.0, True, 5, 9
    envelope = curve.modifiers.new("ENVELOPE")
    envelope.control_points.add(12.0)
    envelope.control_points.foreach_set("min", [-0.5])
    envelope.control_points.foreach_set("max", [0.5])
    curve.color_mode, curve.lock, curve.extrapolation = "CUSTOM", True, "LINEAR"
    motion, places = shown(obj), writer.places_of(curve)
    hosts.move(obj, ACTION)
    same(shown(obj), motion)
    curve = writer.our_curves(obj.data.shape_keys)[JAW]
    np.testing.assert_array_equal(writer.places_of(curve), places)
    point = curve.keyframe_points[30]
    assert (point.interpolation, point.easing, point.handle_right_type) == (
        "ELASTIC", "EASE_OUT", "FREE")  # fmt: skip
    assert [m.type for m in curve.modifiers] == ["NOISE", "ENVELOPE"]
    assert (curve.modifiers[0].frame_start, curve.modifiers[0].frame_end) == (5, 9)
    assert curve.modifiers[1].control_points[0].max == 0.5
    assert (curve.color_mode, curve.lock, curve.extrapolation) == ("CUSTOM", True, "LINEAR")


@pytest.mark.parametrize("again", [False, True])
def test_an_artists_action_is_never_replaced(again: bool) -> None:
    obj = artists_face()
    if again:
        bake(obj, NLA)
    before = settled()
    said = hosts.problem(obj.data.shape_keys, ACTION)
    assert animation(obj).action.name in said and "push it down" in said and "NLA Tracks" in said
    with pytest.raises(InputError, match="push it down"):
        bake(obj, ACTION)
    if again:
        with pytest.raises(InputError, match="push it down"):
            hosts.move(obj, ACTION)
    nothing_changed(before)


def test_what_the_artist_keys_into_our_action_is_the_artists() -> None:
    obj = free_face()
    bake(obj, ACTION)
    key_by_hand(obj, "smile", 0.9, 33)
    obj.data.shape_keys.key_blocks["smile"].slider_max = 3
    obj.data.shape_keys.key_blocks["smile"].keyframe_insert("slider_max", frame=4)
    ours = animation(obj).action
    motion = shown(obj)
    bake(obj, ACTION)
    assert animation(obj).action == ours
    same(shown(obj), motion)
    writer.restyle(obj, Style(Feeling("sad")))
    writer.thin(obj, 0.2)
    ownership.remove_bake(obj)
    assert "smile" in obj.data.shape_keys.key_blocks, "its key was not taken for ours"
    left = {curve.data_path for curve in compat.curves_in_use(animation(obj))}
    assert left == {value_path("smile"), 'key_blocks["smile"].slider_max'}
    assert not ownership.is_our_action(animation(obj).action)
    bpy.context.scene.frame_set(33)
    assert obj.data.shape_keys.key_blocks["smile"].value == pytest.approx(0.9)
    assert "push it down" in hosts.problem(obj.data.shape_keys, ACTION)
    bake(obj, NLA)
    assert value_path("smile") in {c.data_path for c in compat.curves_in_use(animation(obj))}


def test_moving_to_tracks_leaves_the_artists_curves_active() -> None:
    obj = free_face()
    bake(obj, ACTION)
    key_by_hand(obj, "smile", 0.9, 33)
    motion = shown(obj)
    hosts.move(obj, NLA)
    same(shown(obj), motion)
    assert [c.data_path for c in compat.curves_in_use(animation(obj))] == [value_path("smile")]
    assert not ownership.is_our_action(animation(obj).action)
    ownership.remove_bake(obj)
    assert [c.data_path for c in compat.curves_in_use(animation(obj))] == [value_path("smile")]


def test_what_the_artist_keys_into_a_tweaked_strip_is_the_artists() -> None:
    obj = free_face()
    bake(obj, NLA)
    made = compat.key_action_of(hosts.action_of(obj.data.shape_keys, "speech"))
    made.new_curve(value_path("smile"), "").keyframe_points.insert(33, 0.9)
    motion = shown(obj)
    bake(obj, NLA)
    same(shown(obj), motion)
    hosts.move(obj, ACTION)
    same(shown(obj), motion)
    hosts.move(obj, NLA)
    ownership.remove_bake(obj)
    assert "smile" in obj.data.shape_keys.key_blocks
    bpy.context.scene.frame_set(33)
    assert obj.data.shape_keys.key_blocks["smile"].value == pytest.approx(0.9)


def test_another_object_may_use_our_action() -> None:
    obj = add_face("Anna")
    bake(obj, ACTION)
    action = animation(obj).action
    if not hasattr(action, "slots"):
        pytest.skip("Blender 4.2 has one datablock for an Action")
    other = action.slots.new(id_type="OBJECT", name="Anna")
    bag = action.layers[0].strips[0].channelbag(other, ensure=True)
    bag.fcurves.new("location", index=0).keyframe_points.insert(1, 2.0)
    obj.animation_data_create().action = action
    obj.animation_data.action_slot = other
    hosts.move(obj, NLA)
    hosts.move(obj, ACTION)
    ownership.remove_bake(obj)
    assert obj.animation_data.action == action
    bpy.context.scene.frame_set(1)
    assert obj.location.x == 2.0
    assert [slot.identifier for slot in action.slots] == [other.identifier]


@pytest.mark.parametrize("layer", ["speech", "emotion"])
def test_a_track_is_muted_and_weakened_by_blenders_own_means(layer: str) -> None:
    obj, made = add_face("Anna"), layers()
    rest = evaluated(obj, 30)
    bake(obj, NLA)
    obj[INTENSITY] = 1.0
    speech = made.offsets(0.0)[29]
    parts = {"speech": speech, "emotion": made.offsets(1.0)[29] - speech}
    whole = parts["speech"] + parts["emotion"]
    track, strip = track_of(obj, layer)
    strip.fcurves[0].keyframe_points[0].co[1] = 0.25
    strip.fcurves[0].update()
    wanted = whole - 0.75 * parts[layer]
    np.testing.assert_allclose(evaluated(obj, 30) - rest, wanted, atol=1e-6)
    track.mute = True
    np.testing.assert_allclose(evaluated(obj, 30) - rest, whole - parts[layer], atol=1e-6)
    bake(obj, NLA)  # what was arranged outlives it
    assert track_of(obj, layer)[0].mute
    assert track_of(obj, layer)[1].fcurves[0].keyframe_points[0].co[1] == 0.25
    with pytest.raises(InputError, match=f"arranged “EmoFace {layer.capitalize()}”"):
        hosts.move(obj, ACTION)


def test_animation_above_our_tracks_stays_above_in_another_bake() -> None:
    obj = add_face("Anna")
    bake(obj, NLA)
    mine = compat.new_key_action("mine", obj.data.shape_keys)
    mine.new_curve(value_path(JAW), "").keyframe_points.insert(1, 0.7)
    track = animation(obj).nla_tracks.new()
    mine.play(track.strips.new("mine", 1, mine.action))
    for first in (1, 8):
        bake(obj, NLA, first=first)
        assert animation(obj).nla_tracks[-1] == track
        bpy.context.scene.frame_set(30)
        assert obj.data.shape_keys.key_blocks[JAW].value == pytest.approx(0.7)
    ownership.remove_bake(obj)
    assert [t.strips[0].action.name for t in animation(obj).nla_tracks] == ["mine"]


@pytest.mark.parametrize("into", [NLA, ACTION])
def test_a_take_with_a_fake_user_is_kept(into: hosts.Into) -> None:
    obj = add_face("Anna")
    bake(obj, into)
    take = hosts.action_of(obj.data.shape_keys, "speech")
    take.use_fake_user = True
    kept = len(compat.action_curves(take))
    bake(obj, into, first=70)
    assert len(compat.action_curves(take)) == kept
    assert hosts.action_of(obj.data.shape_keys, "speech") != take
    ownership.remove_bake(obj)
    assert [a.name for a in bpy.data.actions] == [take.name]
    assert not ownership.is_our_action(take)


@pytest.mark.parametrize("into", [NLA, ACTION])
def test_a_copy_of_a_face_goes_its_own_way(into: hosts.Into) -> None:
    first = add_face("Anna")
    bake(first, into)
    first.select_set(True)
    bpy.context.view_layer.objects.active = first
    bpy.ops.object.duplicate()
    second = bpy.context.object
    motion = shown(second)
    writer.restyle(first, Style(Feeling("angry")))
    hosts.move(first, ACTION if into == NLA else NLA)
    bake(first, first=20)
    same(shown(second), motion)
    ownership.remove_bake(first)
    same(shown(second), motion)


def test_faces_that_share_a_mesh_move_together() -> None:
    first = add_face("Anna")
    second = bpy.data.objects.new("Twin", first.data)
    bpy.context.scene.collection.objects.link(second)
    before = settled()
    bake(first, ACTION)
    same(shown(second), shown(first))
    hosts.move(second, NLA)
    same(shown(second), shown(first))
    ownership.remove_bake(second)
    nothing_changed(before)


def bake_in_one_track(obj: bpy.types.Object) -> None:
    """As up to EmoFace 0.2: one Action with all layers, in one track."""
    bake(obj, ACTION)
    made = compat.key_action_of(animation(obj).action)
    animation(obj).action = None
    track = animation(obj).nla_tracks.new()
    track.name = "EmoFace"
    strip = track.strips.new("EmoFace", int(made.action.curve_frame_range[0]), made.action)
    made.play(strip)
    strip.extrapolation = "HOLD"


@pytest.mark.parametrize("into", [NLA, ACTION])
def test_a_bake_in_a_single_track_goes_on(into: hosts.Into) -> None:
    obj = add_face("Anna")
    before = settled()
    bake_in_one_track(obj)
    motion = shown(obj)
    assert writer.restyle(obj, Style(Feeling("sad")))
    assert len(animation(obj).nla_tracks) == 1
    bake_in_one_track(obj)
    hosts.move(obj, into)
    assert len(animation(obj).nla_tracks) == (3 if into == NLA else 0)
    same(shown(obj), motion)
    bake(obj, into)
    same(shown(obj), motion)
    ownership.remove_bake(obj)
    nothing_changed(before)


@pytest.mark.parametrize("into", [NLA, ACTION])
@pytest.mark.parametrize("own", [False, True])
def test_plain_keys_show_the_same(into: hosts.Into, own: bool) -> None:
    obj = add_face("Anna")
    bake(obj, into)
    if own and into == NLA:
        action = compat.new_key_action("own", obj.data.shape_keys)
        action.play(animation(obj))
    motion = shown(obj)
    flatten.to_plain_keys(obj, bpy.context.scene)
    same(shown(obj), motion)
    assert not any(ownership.is_our_action(action) for action in bpy.data.actions)
    played = animation(obj).action
    if own and into == NLA:
        assert played.name == "own"
        assert [t.strips[0].action.name for t in animation(obj).nla_tracks] == ["Anna Face"]
    else:
        assert played.name == "Anna Face" and len(animation(obj).nla_tracks) == 0


def test_plain_keys_show_what_the_artist_arranged() -> None:
    obj = add_face("Anna")
    bake(obj, NLA)
    _, strip = track_of(obj, "emotion")
    strip.fcurves[0].keyframe_points[0].co[1] = 0.5
    track_of(obj, "speech")[1].frame_start_raw += 7
    track_of(obj, "speech")[1].frame_end_raw += 7
    frames = (-20, 1, 13, 30, 70, 200)
    motion = [evaluated(obj, frame) for frame in frames]
    flatten.to_plain_keys(obj, bpy.context.scene)
    for frame, wanted in zip(frames, motion, strict=True):
        np.testing.assert_allclose(evaluated(obj, frame), wanted, atol=1e-6)
    assert animation(obj).action.name == "Anna Face"
    assert len(animation(obj).nla_tracks) == 0


@pytest.mark.parametrize("into", [NLA, ACTION])
def test_the_eyes_come_and_go_where_the_bake_plays(into: hosts.Into) -> None:
    obj = add_face("Anna")
    bake(obj, into)
    gaze_layer.keep_sound(obj, performance())
    bare = settled()
    settings, style = EyeSettings(seed=2), Style(Feeling("happy"))
    assert gaze_layer.show(obj, settings, style)
    assert hosts.plays_in(obj.data.shape_keys) == into
    tracks = [track.name for track in animation(obj).nla_tracks]
    wanted = [f"EmoFace {name}" for name in ("Rest", "Speech", "Emotion", "Eyes")]
    assert tracks == (wanted if into == NLA else [])
    curve = writer.our_curves(obj.data.shape_keys)["emoface.eyes.eyeBlink_L"]
    whole = writer.places_of(curve)[:, 1]
    assert gaze_layer.show(obj, settings, style, strength=0.25)
    np.testing.assert_allclose(writer.places_of(curve)[:, 1], whole / 4, atol=1e-6)
    gaze_layer.hide(obj)
    nothing_changed(bare)


@pytest.mark.usefixtures("addon")
def test_the_choice_moves_the_bake_or_says_why_not(tmp_path: Path) -> None:
    obj = free_face()
    bake(obj, NLA)
    bpy.context.scene.emoface.face = obj
    motion = shown(obj)
    obj.emoface.into = ACTION
    assert hosts.plays_in(obj.data.shape_keys) == ACTION
    obj.emoface.into = NLA
    assert hosts.plays_in(obj.data.shape_keys) == NLA
    own = compat.new_key_action("own", obj.data.shape_keys)
    own.play(animation(obj))
    obj.emoface.into = ACTION
    assert "“own” is active" in live.why_not_moved(obj)
    assert not bpy.ops.emoface.move_bake.poll()
    assert not bpy.ops.emoface.animate.poll()
    assert animation(obj).action == own.action
    animation(obj).action = None
    assert bpy.ops.emoface.move_bake() == {"FINISHED"}
    assert hosts.plays_in(obj.data.shape_keys) == ACTION
    assert target.warnings(obj, bpy.context.scene) == []
    same(shown(obj), motion)
    bpy.ops.ed.undo_push(message="moved")
    obj.emoface.into = NLA
    bpy.ops.ed.undo_push(message="back")
    bpy.ops.ed.undo()
    obj = bpy.data.objects["Anna"]
    assert (obj.emoface.into, hosts.plays_in(obj.data.shape_keys)) == (ACTION, ACTION)
    same(shown(obj), motion)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    same(shown(bpy.data.objects["Anna"]), motion)


@pytest.mark.parametrize("above", [False, True])
def test_a_strip_that_the_artist_duplicated_stays(above: bool) -> None:
    """A linked duplicate plays what the strip plays, from its own place."""
    obj = add_face("Anna")
    bake(obj)
    track, strip = track_of(obj, "speech")
    tracks = animation(obj).nla_tracks
    home = tracks.new() if above else track
    twin = home.strips.new(f"{strip.name}.001", 400, strip.action)
    compat.key_action_of(strip.action).play(twin)
    twin.scale, twin.extrapolation = 2.0, "NOTHING"
    writer.write_bake(obj, plan_bake(layers(frames=90), clip(frames=90, first=50)), SOURCE)
    strips = [s for t in tracks for s in t.strips if s.name == f"{strip.name}.001"]
    assert [s.frame_start for s in strips] == [400]
    whole = track_of(obj, "speech")[1]
    assert (whole.frame_start, whole.scale) == (whole.action_frame_start, 1.0)
    assert strips[0].scale == 2.0
    for away in (10, 45, 70):
        first = int(whole.frame_start)
        key = obj.data.shape_keys.key_blocks[JAW]
        bpy.context.scene.frame_set(first + away)
        value = key.value
        bpy.context.scene.frame_set(400 + 2 * away)
        assert key.value == pytest.approx(value, abs=1e-6)
    ownership.remove_bake(obj)
    assert obj.data.shape_keys is None


@pytest.mark.parametrize("before", [False, True])
def test_a_copy_of_a_strip_with_its_action_is_the_artists(before: bool) -> None:
    """Shift D in the NLA editor: the copy keeps what it plays, whatever becomes of ours."""
    obj = add_face("Anna")
    bake(obj, first=200)
    track, strip = track_of(obj, "speech")
    copied = compat.key_action_of(strip.action).copy()
    twin = track.strips.new(f"{strip.name}.001", 1 if before else 400, copied.action)
    copied.play(twin)
    place = twin.frame_start
    frames = [place + away for away in (5, 30, 50)]
    speech = [jaw_at(obj, frame) for frame in frames]
    writer.restyle(obj, Style(Feeling("sad"), speech=SpeechStyle(jaw_opening=0.5)))
    opened = jaw_at(obj, 230)
    bake(obj, first=200)
    assert jaw_at(obj, 230) != pytest.approx(opened)
    assert [jaw_at(obj, frame) for frame in frames] == speech
    assert not ownership.is_our_action(copied.action)
    assert len(ownership.our_actions(obj.data.shape_keys)) == 3


def jaw_at(obj: bpy.types.Object, frame: float) -> float:
    bpy.context.scene.frame_set(int(frame))
    return float(obj.data.shape_keys.key_blocks[JAW].value)
