# SPDX-License-Identifier: GPL-3.0-or-later
"""The eyes' layer: lids meet under any emotion, it comes and goes alone, and plays by itself."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon import compat
from blender_addon.control import live
from blender_addon.curves import plan
from blender_addon.curves.cues import Feeling
from blender_addon.curves.gaze import SOUND, HeardSound, lids
from blender_addon.curves.naming import INTENSITY
from blender_addon.curves.styling import Style
from blender_addon.layers import flatten, gaze_layer, ownership, writer
from blender_addon.layers.writer import Source
from blender_addon.scene import head_object
from emoface_core.emotions import EMOTIONS
from emoface_core.face.eyes import (
    EYE_SHAPES,
    EyeSettings,
    Scene,
    gaze_curves,
    plan_blinks,
    plan_gaze,
)
from emoface_core.face.head import load_head
from emoface_core.face.measures import lid_gaps
from emoface_core.layers import BakeLayers

from ..conftest import clip, evaluated, layers
from ..snapshot import differences, snapshot

ROOT = Path(__file__).resolve().parents[3]
BAKE = ROOT / "blender_addon" / "bake.py"
DEMO = ROOT / "emoface_core" / "assets" / "demo.flac"
FPS, FRAMES = 25.0, 200
SETTINGS = EyeSettings(seed=2, blinks_per_minute=30.0)
SOURCE = Source(sound="line.wav", emotion="happy", preference=None, intensity=1.0)
FACES = {
    "happy": {"cheekSquint": 0.7, "eyeSquint": 0.3, "mouthSmile": 0.8},
    "sad": {"eyeBlink": 0.3, "browInnerUp": 1.0, "eyeLookDown": 0.2},
    "fearful": {"eyeWide": 1.1, "browInnerUp": 1.0},
}
TURN = 100 * np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)  # centimetres, z up


def performance() -> BakeLayers:
    """A face that feels in the head's own shapes, and says two phrases."""
    head = load_head()
    names = tuple(sorted({f"{n}_{s}" for face in FACES.values() for n in face for s in "LR"}))
    emotion = np.zeros((FRAMES, len(EMOTIONS), len(names)), np.float32)
    for feeling, face in FACES.items():
        for name, value in face.items():
            for side in "LR":
                emotion[:, EMOTIONS.index(feeling), names.index(f"{name}_{side}")] = value
    weights = np.zeros((FRAMES, len(EMOTIONS)), np.float32)
    weights[:, EMOTIONS.index("happy")] = 1
    to_mesh = np.eye(4)
    to_mesh[:3, :3], to_mesh[:3, 3] = TURN, [3, -2, 150]
    jaw = 0.2 + 0.1 * np.sin(np.arange(FRAMES, dtype=np.float32))
    return replace(
        layers(FRAMES, FPS, to_mesh),
        speech_keys=("jawOpen",),
        speech_basis=head.shape("jawOpen")[None],
        speech_curves=jaw[:, None],
        emotion_keys=names,
        emotion_basis=np.stack([head.shape(name) for name in names]),
        emotion_curves=emotion,
        emotion_weights=weights,
        voice_weights=weights,
        template=head.vertices,
        faces=head.faces,
        phone_names=("sil", "a"),
        phone_start=np.array([0, 0.3, 3.0, 3.6, 7.8], np.float32),
        phone_end=np.array([0.3, 3.0, 3.6, 7.8, 8.0], np.float32),
        phone_index=np.array([0, 1, 0, 1, 0], np.int32),
    )


def feels(feeling: str = "happy") -> Style:
    return Style(Feeling(feeling))


def add_head() -> bpy.types.Object:
    head = load_head()
    mesh = bpy.data.meshes.new("Head")
    points = head.vertices @ TURN.T + [3, -2, 150]
    mesh.from_pydata(points.tolist(), [], head.faces.tolist())
    obj = bpy.data.objects.new("Head", mesh)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def baked(first: int = 11) -> bpy.types.Object:
    obj, made = add_head(), performance()
    writer.write_bake(obj, plan.plan_bake(made, clip(FRAMES, FPS, first)), SOURCE)
    gaze_layer.keep_sound(obj, made)
    return obj


def in_head_frame(points: np.ndarray) -> np.ndarray:
    return ((points - [3, -2, 150]) @ np.linalg.inv(TURN).T).astype(np.float32)


def gaps(obj: bpy.types.Object, frame: int) -> np.ndarray:
    """Millimetres between the lids, left and right."""
    return 1000 * lid_gaps(in_head_frame(evaluated(obj, frame))[None], load_head())[0]


def shut_frames(first: int = 11, feeling: str = "happy") -> list[int]:
    made = performance()
    weights = np.zeros((FRAMES, 8), np.float32)
    weights[:, EMOTIONS.index(feeling)] = 1
    sound = HeardSound.of(made)
    blinks = plan_blinks(Scene(sound.seconds, sound.phrases, weights, FPS), SETTINGS)
    middles = [blink.start + blink.close + blink.hold / 2 for blink in blinks]
    return [first + round(middle * FPS) for middle in middles]


def look(obj: bpy.types.Object, frame: int) -> np.ndarray:
    """Degrees that the left eye looks to the person's left."""
    head = load_head()
    eye = head.regions["left_eyeball"]
    at_rest = head.vertices[eye] - head.eye_centres[0]
    front = np.argmax(at_rest[:, 2])
    moved = in_head_frame(evaluated(obj, frame))[eye][front] - head.eye_centres[0]
    return np.degrees(
        np.arctan2(moved[0], moved[2]) - np.arctan2(at_rest[front, 0], at_rest[front, 2])
    )


def curves_of(obj: bpy.types.Object) -> dict[str, np.ndarray]:
    found = {}
    for action in ownership.our_actions(obj.data.shape_keys):
        for curve in compat.action_curves(action):
            places = np.empty(2 * len(curve.keyframe_points), np.float32)
            curve.keyframe_points.foreach_get("co", places)
            found[curve.data_path] = places.reshape(-1, 2)
    return found


@pytest.mark.parametrize("feeling", ["happy", "sad", "fearful"])
@pytest.mark.parametrize("intensity", [0.0, 1.0, 1.3])
def test_lids_meet_whatever_is_felt(feeling: str, intensity: float) -> None:
    obj = baked()
    assert gaze_layer.show(obj, replace(SETTINGS, gaze=0.0), feels(feeling))
    # Changed afterwards: the blinks' own curves are not written again.
    assert writer.restyle(obj, feels(feeling))
    obj[INTENSITY] = intensity
    obj.update_tag()
    frames = shut_frames(feeling=feeling)
    assert len(frames) >= 2
    for frame in frames:
        np.testing.assert_allclose(gaps(obj, frame), 0, atol=0.6)
    still = gaps(obj, 13)
    gaze_layer.hide(obj)
    np.testing.assert_allclose(gaps(obj, 13), still, atol=1e-3)  # no blink: lids are the emotion's


def test_a_muted_emotion_does_not_hold_the_lids() -> None:
    obj = baked()
    gaze_layer.show(obj, replace(SETTINGS, gaze=0.0), feels())
    writer.mute(obj, "emotion", True)
    gaze_layer.drive(obj)
    np.testing.assert_allclose(gaps(obj, shut_frames()[0]), 0, atol=0.1)


def test_lids_that_the_artist_poses_still_meet() -> None:
    obj = baked()
    gaze_layer.show(obj, replace(SETTINGS, gaze=0.0), feels("neutral"))
    writer.restyle(obj, feels("neutral"))
    frame = shut_frames(feeling="neutral")[0]
    key = obj.data.shape_keys
    name = "emoface.emotion.eyeSquint_L"
    key.key_blocks[name].driver_remove("value")
    key.key_blocks[name].value = 0.8
    assert abs(gaps(obj, frame)[0]) < 0.6


def test_eyes_turn_as_planned() -> None:
    obj = baked(first=1)
    gaze_layer.show(obj, EyeSettings(seed=1, blinks_per_minute=0, gaze=2.0), feels())
    made = performance()
    sound = HeardSound.of(made)
    scene = Scene(sound.seconds, sound.phrases, made.emotion_weights, FPS)
    yaw, _ = gaze_curves(np.arange(FRAMES) / FPS, plan_gaze(scene, EyeSettings(seed=1)))
    assert np.abs(yaw).max() > 2
    for t in (0, int(np.abs(yaw).argmax()), int(yaw.argmin()), FRAMES - 1):
        assert look(obj, 1 + t) == pytest.approx(2 * yaw[t], rel=0.08, abs=0.1)


def test_at_rest_around_the_sound() -> None:
    obj = baked(first=50)
    rest = evaluated(obj, 1)
    gaze_layer.show(obj, SETTINGS, feels())
    for frame in (-500, 1, 1000):
        np.testing.assert_array_equal(evaluated(obj, frame), rest)


def test_changes_at_once_and_comes_and_goes_without_a_trace() -> None:
    obj = baked()
    style = feels()
    bare, record = snapshot(), ownership.record_of(obj)
    gaze_layer.show(obj, SETTINGS, style)
    first = curves_of(obj)
    assert len(ownership.record_of(obj).keys) == len(record.keys) + len(EYE_SHAPES) + 2
    gaze_layer.show(obj, replace(SETTINGS, seed=3), style)
    other = curves_of(obj)
    assert first.keys() == other.keys()
    assert any(not np.array_equal(first[path], other[path]) for path in first)
    gaze_layer.show(obj, SETTINGS, style)
    again = curves_of(obj)
    for path in first:
        np.testing.assert_array_equal(first[path], again[path])
    gaze_layer.hide(obj)
    assert differences(bare, snapshot()) == []
    gaze_layer.hide(obj)  # a second time is no fault


def test_a_new_bake_and_its_removal_take_the_layer_along() -> None:
    obj = add_head()
    before = snapshot()
    made = performance()
    for _ in range(2):
        writer.write_bake(obj, plan.plan_bake(made, clip(FRAMES, FPS, 11)), SOURCE)
        gaze_layer.keep_sound(obj, made)
        gaze_layer.show(obj, SETTINGS, feels())
    keys = [block.name for block in obj.data.shape_keys.key_blocks]
    assert len(keys) == len(set(keys)) == 1 + len(ownership.record_of(obj).keys)
    ownership.remove_bake(obj)
    assert differences(before, snapshot()) == []


def test_a_deleted_key_stays_deleted_and_an_old_bake_is_left_alone() -> None:
    obj = baked()
    style = feels()
    gaze_layer.show(obj, SETTINGS, style)
    obj.shape_key_remove(obj.data.shape_keys.key_blocks["emoface.eyes.eyeLookUp_L"])
    assert gaze_layer.show(obj, replace(SETTINGS, seed=9), style)
    assert "emoface.eyes.eyeLookUp_L" not in obj.data.shape_keys.key_blocks
    gaze_layer.hide(obj)
    del obj.data.shape_keys[SOUND]
    assert not gaze_layer.show(obj, SETTINGS, style)
    obj.data.shape_keys[SOUND] = "{}"
    assert not gaze_layer.show(obj, SETTINGS, style)


def test_drivers_need_no_python_and_fit_into_what_blender_keeps() -> None:
    head = load_head()
    obj = baked()
    gaze_layer.show(obj, SETTINGS, feels())
    for curve in obj.data.shape_keys.animation_data.drivers:
        assert curve.driver.is_simple_expression and curve.driver.is_valid
    every = {f"emoface.emotion.{n}": s for n, s in zip(head.shape_names, head.shapes, strict=True)}
    every |= {f"emoface.speech.{n}": s for n, s in zip(head.shape_names, head.shapes, strict=True)}
    sound = HeardSound(1.0, (), tuple(map(tuple, np.eye(3).tolist())))
    for lid in lids(head.vertices, every, sound).values():
        assert len(lid.expression) < 256
        assert set(lid.reads.values()) <= set(every)


def test_plain_keys_blink_as_before() -> None:
    obj = baked()
    gaze_layer.show(obj, SETTINGS, feels("sad"))
    frames = [*shut_frames(feeling="sad"), 60, 61]
    before = [evaluated(obj, frame) for frame in frames]
    flatten.to_plain_keys(obj, bpy.context.scene)
    assert not list(obj.data.shape_keys.animation_data.drivers)
    for frame, wanted in zip(frames, before, strict=True):
        np.testing.assert_allclose(evaluated(obj, frame), wanted, atol=1e-3)  # of a centimetre


def blinks_of(obj: bpy.types.Object) -> np.ndarray:
    return curves_of(obj)['["emoface.eyes.eyeBlink_L"]'][:, 1]


@pytest.mark.usefixtures("addon")
def test_the_panel_s_choices_reach_the_eyes_at_once() -> None:
    obj = baked()
    speech = curves_of(obj)
    live.after_bake(obj)
    first = blinks_of(obj)
    assert first.max() > 0.99
    obj.emoface.eyes.seed = 5
    assert not np.array_equal(blinks_of(obj), first)
    obj.emoface.eyes.seed = 0
    np.testing.assert_array_equal(blinks_of(obj), first)
    obj.emoface.eyes.blinks_per_minute = 0
    assert not blinks_of(obj).any()
    obj.emoface.eyes.show = False
    assert curves_of(obj).keys() == speech.keys()
    obj.emoface.emotion = "sad"  # no eyes come back by that
    assert curves_of(obj).keys() == speech.keys()


@pytest.mark.usefixtures("addon")
def test_a_surprised_cue_blinks_less() -> None:
    obj = baked()
    obj.emoface.eyes.blinks_per_minute = 40
    counts = []
    for emotion in ("fearful", "surprised"):
        obj.emoface.emotion = emotion
        live.after_bake(obj)
        live.apply(obj, feeling=Feeling(emotion))
        counts.append(int((np.diff((blinks_of(obj) > 0.5).astype(int)) == 1).sum()))
    assert counts[0] > counts[1] > 0


@pytest.mark.usefixtures("addon")
def test_without_a_window_the_eyes_are_left_alone_unless_asked_for() -> None:
    obj = baked()
    live.after_bake(obj, eyes=False)
    assert not any("eyes" in path for path in curves_of(obj))
    assert not obj.emoface.eyes.show
    live.after_bake(obj, eyes=True)
    assert any("eyes" in path for path in curves_of(obj))


@pytest.mark.parametrize("asked", [True, False])
def test_a_bake_without_a_window(asked: bool, tmp_path: Path) -> None:
    head_object.add_head(bpy.context, "Ada")
    scene, out = tmp_path / "in.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(scene))
    options = ["--open", scene, "--audio", DEMO, "--save", out, *(["--eyes"] if asked else [])]
    done = subprocess.run(
        [sys.executable, str(BAKE), *map(str, options)],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    bpy.ops.wm.open_mainfile(filepath=str(out))
    ada = bpy.data.objects["Ada"]
    names = [block.name for block in ada.data.shape_keys.key_blocks[1:]]
    assert any(name.startswith("emoface.eyes.") for name in names) == asked
    assert f"{len(names)} shape keys" in done.stderr
    assert gaze_layer.sound_of(ada).phrases  # to be had later, without the engine


def test_the_sound_travels_in_the_file() -> None:
    sound = HeardSound.of(performance())
    times = [(phrase.start, phrase.end) for phrase in sound.phrases]
    np.testing.assert_allclose(times, [(0.3, 3.0), (3.6, 7.8)], atol=1e-6)
    assert HeardSound.from_json(sound.to_json()).seconds == sound.seconds
    for broken in ("{}", "[]", '{"seconds": 1, "phrases": [[1]], "turn": []}', "x"):
        with pytest.raises(ValueError):
            HeardSound.from_json(broken)
