# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's zip, installed in each of the real programs."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from .programs import SUITES, Program, program

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "out" / "real_blender"
CLIP = ROOT / "emoface_core" / "assets" / "demo.flac"


@pytest.fixture(scope="session")
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
    shutil.copy2(CLIP, desk / "voice.flac")
    shutil.copy2(Path(__file__).with_name("stage.py"), desk)
    install = ["install-file", "--enable", "-r", "user_default", "/tmp/emoface/emoface.zip"]
    done = blender.inside(["blender", "--command", "extension", *install])
    assert done.returncode == 0, done.stdout
    assert "Exception" not in done.stdout, done.stdout
    quiet = (
        "import bpy; bpy.context.preferences.view.show_splash = False; bpy.ops.wm.save_userpref()"
    )
    done = blender.inside(["blender", "-b", "--python-exit-code", "1", "--python-expr", quiet])
    assert done.returncode == 0, done.stdout
    return blender
