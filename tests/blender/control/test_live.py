# SPDX-License-Identifier: GPL-3.0-or-later
"""What the animator changes after a bake reaches the face at once, exactly, and only there."""

import bpy
import numpy as np
import pytest

from blender_addon import compat
from blender_addon.control import live
from blender_addon.curves import plan
from blender_addon.curves.naming import INTENSITY
from blender_addon.layers import ownership, writer
from blender_addon.layers.writer import Source
from blender_addon.scene import target

from ..conftest import SPEECH_KEYS, add_face, clip, evaluated, layers
from ..snapshot import differences, snapshot

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def face() -> bpy.types.Object:
    """A face with a bake in frames 1 to 60, chosen in the panel."""
    obj = add_face("Anna")
    bpy.context.scene.emoface.face = obj
    obj.emoface.emotion = "happy"
    bake(obj)
    return obj


def bake(obj: bpy.types.Object) -> None:
    made = plan.plan_bake(layers(), clip())
    writer.write_bake(obj, made, Source("line.wav", "happy", None, 1.0))
    live.after_bake(obj)
    live.apply(obj)  # `layers` mixes emotions of its own: begin with the choice alone


def speech_at(frame: int) -> np.ndarray:
    made = layers()
    return np.tensordot(made.speech_curves[frame - 1], made.speech_basis, 1)


def emotion_at(frame: int, name: str, only: slice = slice(None)) -> np.ndarray:
    made = layers()
    curves = made.emotion_curves[frame - 1, made.emotion_names.index(name)]
    return np.tensordot(curves[only], made.emotion_basis[only], 1)


def shown(obj: bpy.types.Object, frame: float) -> np.ndarray:
    return evaluated(obj, frame) - evaluated(obj, -500)


def close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, atol=2e-6)


def test_cues_lead_from_emotion_to_emotion(face: bpy.types.Object) -> None:
    bpy.context.scene.frame_set(20)
    bpy.ops.emoface.add_cue()
    cue = face.emoface.cues[0]
    assert (cue.frame, cue.emotion) == (20, "happy"), "what was felt, to be changed"
    cue.emotion, cue.ease, cue.intensity = "sad", 10, 0.5
    close(shown(face, 20), speech_at(20) + emotion_at(20, "happy"))
    half = 0.5 * emotion_at(25, "happy") + 0.25 * emotion_at(25, "sad")
    close(shown(face, 25), speech_at(25) + half)
    close(shown(face, 30), speech_at(30) + 0.5 * emotion_at(30, "sad"))
    cue.second, cue.share = "angry", 0.25
    mixed = 0.375 * emotion_at(40, "sad") + 0.125 * emotion_at(40, "angry")
    close(shown(face, 40), speech_at(40) + mixed)
    face[INTENSITY] = 0.5
    face.data.shape_keys.update_tag()
    close(shown(face, 40), speech_at(40) + 0.5 * mixed)


def test_cues_are_added_moved_and_removed_by_buttons(face: bpy.types.Object) -> None:
    scene = bpy.context.scene
    for frame in (10, 30):
        scene.frame_set(frame)
        bpy.ops.emoface.add_cue()
    assert [cue.frame for cue in face.emoface.cues] == [10, 30]
    assert face.emoface.active_cue == 1
    with pytest.raises(RuntimeError, match="The cue is at the current frame"):
        bpy.ops.emoface.cue_here()
    scene.frame_set(35)
    bpy.ops.emoface.cue_here()
    assert face.emoface.cues[1].frame == 35
    bpy.ops.emoface.remove_cue()
    bpy.ops.emoface.remove_cue()
    with pytest.raises(RuntimeError, match="No cue is selected"):
        bpy.ops.emoface.remove_cue()
    close(shown(face, 40), speech_at(40) + emotion_at(40, "happy"))


def test_the_emotion_of_the_voice_becomes_cues(face: bpy.types.Object) -> None:
    bpy.ops.emoface.cues_of_voice()
    cues = face.emoface.cues
    assert len(cues) >= 1
    assert cues[0].frame == 1
    assert all(cue.emotion in layers().emotion_names for cue in cues)
    ownership.remove_bake(face)
    with pytest.raises(RuntimeError, match="Press Animate from Audio first"):
        bpy.ops.emoface.cues_of_voice()


@pytest.mark.parametrize("name", ["Анна Сергеевна Каренина, вторая", "A" * 63])
def test_a_long_name_leaves_no_marker_behind(face: bpy.types.Object, name: str) -> None:
    face.name = name
    face.emoface.show_markers = True
    bpy.ops.emoface.add_cue()
    (cue,) = face.emoface.cues
    marks = bpy.context.scene.timeline_markers
    for emotion in ("angry", "surprised", "calm"):
        cue.emotion = emotion
        assert [marker.name.split(" ")[0] for marker in marks] == [emotion.capitalize()]
        assert marks[0].name[-3:] == name[-3:]
    face.emoface.show_markers = False
    assert not marks


def test_markers_follow_the_cues_and_lead_them_if_asked(face: bpy.types.Object) -> None:
    scene = bpy.context.scene
    scene.timeline_markers.new("shot 2", frame=30)
    for frame in (10, 30):
        scene.frame_set(frame)
        bpy.ops.emoface.add_cue()
    face.emoface.show_markers = True
    face.emoface.cues[1].emotion = "angry"
    marks = {marker.name: marker.frame for marker in scene.timeline_markers}
    assert marks == {"shot 2": 30, "Happy 100% · Anna": 10, "Angry 100% · Anna": 30}
    scene.timeline_markers["Angry 100% · Anna"].frame = 42
    scene.frame_set(55)
    bpy.ops.emoface.add_cue()
    assert scene.timeline_markers["Angry 100% · Anna"].frame == 42, "moved, and not yet taken"
    bpy.ops.emoface.remove_cue()
    bpy.ops.emoface.cues_from_markers()
    assert [cue.frame for cue in face.emoface.cues] == [10, 42]
    with pytest.raises(RuntimeError, match="No marker of a cue was moved"):
        bpy.ops.emoface.cues_from_markers()
    assert [m.frame for m in scene.timeline_markers if m.name.startswith("Angry")] == [42]
    face.emoface.show_markers = False
    assert [marker.name for marker in scene.timeline_markers] == ["shot 2"]


def test_a_copy_of_a_face_has_markers_of_its_own(face: bpy.types.Object) -> None:
    face.emoface.show_markers = True
    bpy.context.scene.frame_set(10)
    bpy.ops.emoface.add_cue()
    copy = face.copy()
    copy.data = face.data.copy()
    bpy.context.scene.collection.objects.link(copy)
    copy.emoface.cues[0].frame = 20
    marks = {marker.name: marker.frame for marker in bpy.context.scene.timeline_markers}
    assert marks == {"Happy 100% · Anna": 10, "Happy 100% · Anna.001": 20}


def test_regions_have_strengths_and_the_mouth_an_emotion_of_its_own(
    face: bpy.types.Object,
) -> None:
    face.emoface.regions.brows = 0.0
    face.emoface.regions.mouth = 2.0
    upper, lower = slice(1, 3), slice(3, 5)  # of EMOTION_KEYS; 0 are the brows
    wanted = emotion_at(15, "happy", upper) + 2 * emotion_at(15, "happy", lower)
    close(shown(face, 15), speech_at(15) + wanted)
    face.emoface.mouth_emotion = "angry"
    wanted = emotion_at(15, "happy", upper) + 2 * emotion_at(15, "angry", lower)
    close(shown(face, 15), speech_at(15) + wanted)
    bpy.ops.emoface.reset_style(group="regions")
    close(shown(face, 15), speech_at(15) + emotion_at(15, "happy"))
    assert face.emoface.mouth_emotion == live.SAME


def test_speech_has_a_strength_and_a_time(face: bpy.types.Object) -> None:
    style = face.emoface.speech_style
    style.strength = 0.5
    close(shown(face, 15), 0.5 * speech_at(15) + emotion_at(15, "happy"))
    still, mouth = slice(4), slice(4, 5)  # of EMOTION_KEYS: what is about the mouth comes along

    def spoken(frame: int) -> np.ndarray:
        return speech_at(frame) + emotion_at(frame, "happy", mouth)

    style.strength, style.offset = 1.0, 2.5
    half = (spoken(12) + spoken(13)) / 2
    close(shown(face, 15), half + emotion_at(15, "happy", still))
    style.offset = -3
    close(shown(face, 15), spoken(18) + emotion_at(15, "happy", still))
    bpy.ops.emoface.reset_style(group="speech_style")
    close(shown(face, 15), speech_at(15) + emotion_at(15, "happy"))


def test_accents_stress_and_mute_a_range(face: bpy.types.Object) -> None:
    bpy.context.scene.frame_set(20)
    bpy.ops.emoface.add_accent()
    accent = face.emoface.accents[0]
    assert (accent.first, accent.last) == (20, 30), "0.4 seconds"
    accent.strength = 0.0
    emotion = emotion_at(25, "happy")
    close(shown(face, 25), emotion)
    close(shown(face, 16), speech_at(16) + emotion_at(16, "happy"))
    accent.strength, accent.ease = 1.5, 0
    close(shown(face, 20), 1.5 * speech_at(20) + emotion_at(20, "happy"))
    close(shown(face, 31), speech_at(31) + emotion_at(31, "happy"))
    bpy.ops.emoface.remove_accent()
    close(shown(face, 25), speech_at(25) + emotion)
    with pytest.raises(RuntimeError, match="No accent is selected"):
        bpy.ops.emoface.remove_accent()


def test_what_was_chosen_holds_for_the_next_bake(face: bpy.types.Object) -> None:
    face.emoface.regions.brows = 0.25
    face.emoface.speech_style.jaw_opening = 1.5
    face.emoface.mute_emotion = True
    before = {b.name: b.mute for b in face.data.shape_keys.key_blocks}
    wanted = shown(face, 21)
    bake(face)
    close(shown(face, 21), wanted)
    assert {b.name: b.mute for b in face.data.shape_keys.key_blocks} == before


def test_layers_are_muted_alone(face: bpy.types.Object) -> None:
    face.emoface.mute_emotion = True
    close(shown(face, 9), speech_at(9))
    face.emoface.mute_speech = True
    close(shown(face, 9), 0 * speech_at(9))
    face.emoface.mute_emotion = False
    close(shown(face, 9), emotion_at(9, "happy"))


def test_a_strip_moved_in_the_nla_takes_its_cues_where_they_are(face: bpy.types.Object) -> None:
    for _, strip in ownership.our_strips(face.data.shape_keys):
        strip.frame_start, strip.frame_end = strip.frame_start + 100, strip.frame_end + 100
    bpy.context.scene.frame_set(130)
    bpy.ops.emoface.add_cue()
    face.emoface.cues[0].emotion, face.emoface.cues[0].ease = "sad", 0
    close(shown(face, 129), speech_at(29) + emotion_at(29, "happy"))
    close(shown(face, 130), speech_at(30) + emotion_at(30, "sad"))


def test_thinned_curves_stay_within_the_error(face: bpy.types.Object) -> None:
    frames = (1, 13.5, 27, 44)
    before = [shown(face, frame) for frame in frames]
    whole = ownership.record_of(face).frame_keys
    bpy.ops.emoface.thin_curves(tolerance=0.5)
    assert ownership.record_of(face).frame_keys < 0.7 * whole
    for frame, offsets in zip(frames, before, strict=True):
        assert np.linalg.norm(shown(face, frame) - offsets, axis=1).max() < 0.52e-3
    face.emoface.regions.brows = 1.0  # any change, even back to what it was
    assert ownership.record_of(face).frame_keys == whole
    close(shown(face, 27), before[2])


def test_plain_keys_move_the_same_without_us(face: bpy.types.Object) -> None:
    for frame, value in ((1, 0.2), (50, 1.0)):
        face[INTENSITY] = value
        face.keyframe_insert(f'["{INTENSITY}"]', frame=frame)
    frames = (-30, 1, 20, 33, 60, 90)
    before = [shown(face, frame) for frame in frames]
    bpy.ops.emoface.to_plain_keys()
    key = face.data.shape_keys
    for frame, offsets in zip(frames, before, strict=True):
        close(shown(face, frame), offsets)
    assert ownership.record_of(face) is None
    assert not any(ownership.is_our_action(action) for action in bpy.data.actions)
    assert set(key.keys()) == {"emoface_plain"}
    assert len(key.animation_data.drivers) == 0
    assert key.animation_data.action.name == "Anna Face"
    assert f"Speech {SPEECH_KEYS[0]}" in key.key_blocks
    assert "made plain" in " ".join(target.warnings(face, bpy.context.scene))
    kept = snapshot()
    bake(face)
    ownership.remove_bake(face)
    assert not (wrong := differences(kept, snapshot())), "\n".join(wrong)


def test_plain_keys_leave_the_artists_action_active(face: bpy.types.Object) -> None:
    key = face.data.shape_keys
    own = compat.new_key_action("own", key)
    key.animation_data.action = own.action
    before = shown(face, 20)
    bpy.ops.emoface.to_plain_keys()
    assert key.animation_data.action == own.action
    assert [track.strips[0].action.name for track in key.animation_data.nla_tracks] == ["Anna Face"]
    close(shown(face, 20), before)


def test_undo_and_redo_take_the_face_along(face: bpy.types.Object) -> None:
    bpy.ops.ed.undo_push(message="before")
    plain = shown(face, 30)
    face.emoface.regions.mouth = 0.0
    bpy.ops.ed.undo_push(message="a region")
    calm = shown(face, 30)
    assert np.abs(calm - plain).max() > 1e-4
    bpy.context.scene.frame_set(10)
    bpy.ops.emoface.add_cue()
    face.emoface.cues[0].emotion = "angry"
    bpy.ops.ed.undo_push(message="a cue")
    angry = shown(face, 30)
    for step, wanted, cues in (("undo", calm, 0), ("undo", plain, 0), ("redo", calm, 0),
                               ("redo", angry, 1)):  # fmt: skip
        getattr(bpy.ops.ed, step)()
        face = bpy.data.objects["Anna"]
        close(shown(face, 30), wanted)
        assert len(face.emoface.cues) == cues
    face.emoface.regions.mouth = 1.0
    assert np.abs(shown(face, 30) - angry).max() > 1e-4, "and goes on from there"


def test_undo_brings_back_what_was_made_plain(face: bpy.types.Object) -> None:
    before = shown(face, 30)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.emoface.to_plain_keys()
    bpy.ops.ed.undo_push(message="plain")
    bpy.ops.ed.undo()
    face = bpy.data.objects["Anna"]
    assert ownership.record_of(face) is not None
    close(shown(face, 30), before)
    face.emoface.emotion = "sad"
    close(shown(face, 30), speech_at(30) + emotion_at(30, "sad"))


def test_an_animation_of_the_former_version_says_what_to_do(face: bpy.types.Object) -> None:
    del face.data.shape_keys["emoface_motion"]
    before = shown(face, 20)
    face.emoface.regions.brows = 0.0
    close(shown(face, 20), before)
    assert "Animate Again" in live.problem(face)
    bake(face)
    assert live.problem(face) == ""
