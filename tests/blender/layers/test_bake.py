# SPDX-License-Identifier: GPL-3.0-or-later
"""A bake gives back the motion it was made from, and plays without the add-on."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon.curves import plan
from blender_addon.curves.cues import Feeling
from blender_addon.curves.naming import INTENSITY
from blender_addon.curves.styling import Style
from blender_addon.layers import ownership, writer
from blender_addon.layers.writer import Source
from emoface_core.engine.emotion import chosen_weights, mixed_weights

from ..conftest import add_face, clip, evaluated, layers, template

SOURCE = Source(sound="line.wav", emotion="happy", preference=None, intensity=1.0)


def turned_centimetres() -> np.ndarray:
    """FLAME's frame to a z-up mesh in centimetres that faces -y, away from the origin."""
    matrix = np.eye(4)
    matrix[:3, :3] = 100 * np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
    matrix[:3, 3] = [10, -20, 150]
    return matrix


def worst_error(obj: bpy.types.Object, motion: np.ndarray, first: int, scale: float = 1.0) -> float:
    """Metres between what Blender shows and the motion, over all frames."""
    rest = evaluated(obj, first - 1000)
    errors = [
        np.abs(evaluated(obj, first + t) - rest - offsets).max() for t, offsets in enumerate(motion)
    ]
    return max(errors) / scale


@pytest.mark.parametrize("intensity", [0.0, 1.0, 1.5])
def test_every_frame_is_reproduced(intensity: float) -> None:
    obj, made = add_face(), layers()
    writer.write_bake(obj, plan.plan_bake(made, clip(first=11)), SOURCE)
    obj[INTENSITY] = intensity
    assert worst_error(obj, made.offsets(intensity), 11) < 1e-5


def test_a_turned_head_in_centimetres() -> None:
    matrix = turned_centimetres()
    obj = add_face(vertices=template() @ matrix[:3, :3].T + matrix[:3, 3])
    made = layers(to_mesh=matrix)
    writer.write_bake(obj, plan.plan_bake(made, clip()), SOURCE)
    assert worst_error(obj, made.offsets(1.0) @ matrix[:3, :3].T, 1, scale=100) < 1e-5


def test_at_rest_before_and_after_the_sound() -> None:
    obj, made = add_face(), layers()
    rest = evaluated(obj, 1)
    writer.write_bake(obj, plan.plan_bake(made, clip(first=50)), SOURCE)
    for frame in (-500, 1, 29, 130, 1000):
        np.testing.assert_array_equal(evaluated(obj, frame), rest)
    felt = [np.abs(evaluated(obj, frame) - rest).max() for frame in range(109, 131)]
    assert np.abs(np.diff(felt)).max() < 0.3 * felt[0], "a feeling does not go at once"


def test_an_animated_intensity_scales_the_emotion_alone() -> None:
    obj, made = add_face(), layers()
    writer.write_bake(obj, plan.plan_bake(made, clip(first=1)), SOURCE)
    for frame, value in ((1, 0.0), (41, 1.0)):
        obj[INTENSITY] = value
        obj.keyframe_insert(f'["{INTENSITY}"]', frame=frame)
    rest = evaluated(obj, -100)
    for frame in (1, 21, 41):
        value = float(obj.evaluated_get(bpy.context.evaluated_depsgraph_get())[INTENSITY])
        shown = evaluated(obj, frame) - rest
        value = float(obj.evaluated_get(bpy.context.evaluated_depsgraph_get())[INTENSITY])
        np.testing.assert_allclose(shown, made.offsets(value)[frame - 1], atol=1e-5)


def test_a_slider_reaches_as_far_as_its_curve() -> None:
    obj, made = add_face(), layers()
    strong = replace(made, emotion_curves=made.emotion_curves * 4)
    writer.write_bake(obj, plan.plan_bake(strong, clip(first=11)), SOURCE)
    obj[INTENSITY] = 1.5
    assert worst_error(obj, strong.offsets(1.5), 11) < 5e-5


def test_a_frame_alone() -> None:
    obj, made = add_face(), layers(frames=1)
    writer.write_bake(obj, plan.plan_bake(made, clip(frames=1, first=-3)), SOURCE)
    assert worst_error(obj, made.offsets(1.0), -3) < 1e-5


@pytest.mark.parametrize(("emotion", "preference"), [("sad", 1.0), ("angry", 0.4), ("auto", 1.0)])
def test_another_emotion_needs_no_new_bake(emotion: str, preference: float) -> None:
    obj, made = add_face(), layers()
    writer.write_bake(obj, plan.plan_bake(made, clip()), SOURCE)
    assert writer.restyle(obj, Style(Feeling(emotion, preference)))
    chosen = None if emotion == "auto" else chosen_weights(emotion)
    weights = mixed_weights(made.voice_weights, chosen, preference)
    wanted = replace(made, emotion_weights=weights).offsets(1.0)
    assert worst_error(obj, wanted, 1) < 2e-6
    assert ownership.record_of(obj).emotion == emotion


PLAY = """
import sys, bpy, numpy as np
bpy.ops.wm.open_mainfile(filepath=sys.argv[1], use_scripts=False)
assert not any("emoface" in name or "blender_addon" in name for name in sys.modules)
obj = bpy.data.objects["Head"]
frames = []
for frame in range(1, 61):
    bpy.context.scene.frame_set(frame)
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(5023 * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    frames.append(points.reshape(-1, 3))
np.save(sys.argv[2], np.stack(frames))
"""


def test_a_fresh_blender_without_the_addon_plays_the_file(tmp_path: Path) -> None:
    obj, made = add_face(), layers()
    writer.write_bake(obj, plan.plan_bake(made, clip()), SOURCE)
    obj[INTENSITY] = 0.7
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "face.blend"))
    script = tmp_path / "play.py"
    script.write_text(PLAY)
    words = [
        sys.executable,
        "-I",
        str(script),
        str(tmp_path / "face.blend"),
        str(tmp_path / "o.npy"),
    ]
    subprocess.run(words, check=True, timeout=120)
    shown = np.load(tmp_path / "o.npy")
    assert np.abs(shown - template() - made.offsets(0.7)).max() < 1e-5


def test_the_record_says_what_the_bake_is() -> None:
    obj, made = add_face(), layers()
    record = writer.write_bake(obj, plan.plan_bake(made, clip(first=7)), SOURCE)
    assert record == ownership.record_of(obj)
    assert (record.first_frame, record.frames, len(record.keys)) == (7, 60, 14)
    assert record.sound == "line.wav"
