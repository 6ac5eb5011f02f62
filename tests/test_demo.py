# SPDX-License-Identifier: GPL-3.0-or-later
"""`build.py demo` for real, on less than a second of sound: what it leaves, and what it refuses."""

from __future__ import annotations

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
