# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip in the real programs: installed, its button pressed by the mouse, the frames compared.

The pictures go to `out/real_blender`, to be looked at.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from emoface_core.audio.files import open_audio
from emoface_core.engine.animate import AnimateOptions, animate
from emoface_core.engine.choose import choose_engine

from .desktop import SIZE, Desktop
from .programs import SUITES, Program, program

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "out" / "real_blender"
FPS, FIRST_FRAME = 25, 11  # as stage.py sets them
EASE = 5  # frames in which the face leaves and regains its rest
BUTTON = (0.46, 211)  # Animate from Audio: part of the sidebar's width, pixels below its top


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "wheels" / "bundle.py")
    bundle = importlib.util.module_from_spec(spec)
    sys.modules["bundle"] = bundle
    spec.loader.exec_module(bundle)
    (path,) = bundle.build(tmp_path_factory.mktemp("dist"), ["linux-x64"])
    return path


@pytest.fixture(scope="module", params=sorted(SUITES))
def installed(request: pytest.FixtureRequest, extension: Path) -> Program:
    """The real program with the extension installed, in a home of its own."""
    blender = program(request.param)
    desk = blender.desk()
    shutil.copy2(extension, desk / "emoface.zip")
    shutil.copy2(ROOT / "emoface_core" / "assets" / "demo.flac", desk / "voice.flac")
    shutil.copy2(Path(__file__).with_name("stage.py"), desk)
    install = ["install-file", "--enable", "-r", "user_default", "/tmp/emoface/emoface.zip"]
    done = blender.inside(["blender", "--command", "extension", *install])
    assert done.returncode == 0, done.stdout
    quiet = (
        "import bpy; bpy.context.preferences.view.show_splash = False; bpy.ops.wm.save_userpref()"
    )
    done = blender.inside(["blender", "-b", "--python-exit-code", "1", "--python-expr", quiet])
    assert done.returncode == 0, done.stdout
    return blender


def expected(emotion: str) -> np.ndarray:
    """(T, 5023) how far each vertex is from its rest, by the engine in this process."""
    sound = ROOT / "emoface_core" / "assets" / "demo.flac"
    frames = round(open_audio(sound).seconds * FPS)  # a strip is cut to whole frames
    options = AnimateOptions(emotion=emotion, fps=FPS, duration=frames / FPS)
    with animate(sound, options, choose_engine()) as performance:
        offsets = np.concatenate([speech + felt for speech, felt in performance.chunks()])
    return np.linalg.norm(offsets, axis=2)


def test_the_button_makes_the_face_speak(installed: Program) -> None:
    version = installed.version
    desk = installed.root / "tmp" / "emoface"
    with Desktop(installed, f":{70 + int(version[0])}", "-P", "/tmp/emoface/stage.py") as window:
        window.wait(lambda: window.state()["stage"] == "ready", 60)
        window.picture(PICTURES / f"{version}-ready.png")
        left, bottom, width, height = window.state()["panel"]
        button = (left + BUTTON[0] * width, SIZE[1] - bottom - height + BUTTON[1])
        window.hover(*button)
        window.click(*button)
        window.wait(lambda: window.state()["job"] or window.state()["baked"], 20)
        window.picture(PICTURES / f"{version}-pressed.png")
        window.wait(lambda: not window.state()["job"], 120)
        assert window.state()["failure"] == ""
        assert window.state()["baked"] > 0
        (desk / "measure").touch()
        window.wait(lambda: window.state()["stage"] == "measured", 120)
        time.sleep(1)  # for the screen to show that frame
        window.picture(PICTURES / f"{version}-baked.png")
        (desk / "finish").touch()
        window.wait(lambda: window.blender.poll() is not None, 20)
        assert window.blender.returncode == 0

    frames = np.load(desk / "frames.npy")
    wanted = expected("happy")
    first = FIRST_FRAME - 1
    rest = frames[0]
    shown = np.linalg.norm(frames - rest, axis=2)
    assert shown[: first - EASE].max() < 1e-6  # at rest before the strip
    assert shown[first + len(wanted) + EASE :].max() < 1e-6  # and after it
    spoken = shown[first : first + len(wanted)]
    assert wanted.max() > 2e-3  # it does move
    assert np.abs(spoken - wanted).max() < 1e-4  # a tenth of a millimetre, at the very frame


def test_the_command_bakes_a_saved_file_and_its_exit_codes_tell(installed: Program) -> None:
    """After the window has saved shot.blend."""
    bake = ["blender", "--command", "emoface", "bake", "--open", "/tmp/emoface/shot.blend"]
    saved = installed.root / "tmp" / "emoface" / "again.blend"
    done = installed.inside([*bake, "--audio", "/tmp/emoface/none.wav", "--save", "/tmp/no.blend"])
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    sound = ["--audio", "/tmp/emoface/voice.flac", "--emotion", "sad"]
    done = installed.inside([*bake, *sound, "--save", "/tmp/emoface/again.blend"])
    assert done.returncode == 0, done.stdout
    assert saved.stat().st_size > 1e6
