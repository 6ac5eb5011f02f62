# SPDX-License-Identifier: GPL-3.0-or-later
"""`build.py demo` for real, on less than a second of sound: what it leaves, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from emoface_core.face.head import load_head

ROOT = Path(__file__).resolve().parent.parent


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "blender_addon" / "demo.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first words of the clip, under a name that is not plain."""
    samples, rate = soundfile.read(ROOT / "emoface_core" / "assets" / "demo.flac")
    path = tmp_path_factory.mktemp("sound") / "première phrase.wav"
    soundfile.write(path, samples[: round(0.8 * rate)], rate)
    return path


def test_leaves_a_scene_a_movie_with_sound_and_a_contact_sheet(clip, tmp_path):
    # Another person's neutral, in centimetres: the head 10 % wider.
    head = load_head()
    np.savez(
        tmp_path / "wide.npz", vertices=head.vertices * (110.0, 100.0, 100.0), faces=head.faces
    )
    made = tmp_path / "made"
    options = ["--audio", clip, "--out", made, "--emotion", "surprised", "--intensity", "0.7"]
    done = demo(*options, "--head", tmp_path / "wide.npz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in made.iterdir()} == {
        *("demo.blend", "demo.mp4", "demo.png"),
        clip.name,
    }
    movie = (made / "demo.mp4").read_bytes()
    assert b"avc1" in movie  # H.264
    assert b"mp4a" in movie  # AAC
    with Image.open(made / "demo.png") as sheet:
        assert sheet.width > 1000
        assert np.asarray(sheet).std() > 20  # not one colour
    for name in ("demo.blend", "demo.mp4", "demo.png"):
        assert str(made / name) in done.stdout
    for stage in ("animation", "movie (24 frames)", "contact sheet", "all of it"):
        assert stage in done.stdout

    code = (
        "import bpy, sys; bpy.ops.wm.open_mainfile(filepath=sys.argv[1]); "
        "(sound,) = bpy.data.sounds; print(sound.filepath); "
        "(mesh,) = [m for m in bpy.data.meshes if m.shape_keys]; print(len(mesh.vertices)); "
        "print(bpy.context.scene.frame_end)"
    )
    command = [sys.executable, "-c", code, made / "demo.blend"]
    opened = subprocess.run(command, capture_output=True, text=True, check=True)
    assert opened.stdout.split("\n")[-4:-1] == [f"//{clip.name}", "5023", "24"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--audio", "none.wav"], "There is no sound “none.wav”"),
        (["--intensity", "7"], "The intensity is out of range"),
        (["--head", "none.ply"], "none.ply"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, tmp_path):
    done = demo(*arguments, "--out", tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_opens_with_two_shots_and_nothing_missing(tmp_path):
    done = demo("--example", "--out", tmp_path / "made")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "made").iterdir()
    assert path.name == "example.blend"
    assert path.stat().st_size < 8e6
    moved = path.rename(tmp_path / "elsewhere.blend")  # it needs nothing beside it
    code = """
import bpy, json, sys
import numpy as np
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])  # without the add-on
scene = bpy.context.scene
(face,) = [o for o in scene.objects if o.type == "MESH" and o.data.shape_keys
           and "emoface_intensity" in o]
def at(frame):
    scene.frame_set(frame)
    mesh = face.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    return points
def strength(frame):
    scene.frame_set(frame)
    return round(face["emoface_intensity"], 2)
cuts = [m.frame for m in scene.timeline_markers]
middle = (cuts[1] + scene.frame_end) // 2
print(json.dumps({
    "missing": [i.filepath for i in bpy.data.images if i.source == "FILE" and not i.has_data]
               + [l.filepath for l in bpy.data.libraries],
    "packed": [s.packed_file is not None for s in bpy.data.sounds],
    "cameras": [m.camera.name for m in scene.timeline_markers],
    "intensity": [strength(1), strength(scene.frame_end)],
    "moves": float(np.abs(at(middle) - at(1)).max()),
}))
"""
    command = [sys.executable, "-c", code, moved]
    opened = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(next(line for line in opened.stdout.splitlines() if line.startswith("{")))
    assert said["missing"] == []
    assert said["packed"] == [True]
    assert said["cameras"] == ["Camera", "Camera 2"]
    assert said["intensity"] == [1.0, 0.3]
    assert said["moves"] > 1e-3
