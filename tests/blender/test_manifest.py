# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest, as Blender's own validator judges it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import bpy

import blender_addon
import emoface_core

SOURCE = Path(blender_addon.__file__).parent


def test_blenders_validator_accepts_the_manifest(tmp_path: Path) -> None:
    scripts = Path(bpy.utils.system_resource("SCRIPTS"))
    validator = scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    folder = tmp_path / "emoface"
    folder.mkdir()
    for name in ("blender_manifest.toml", "__init__.py"):
        (folder / name).write_bytes((SOURCE / name).read_bytes())
    words = [sys.executable, str(validator), "validate", str(folder)]
    done = subprocess.run(words, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifest_and_the_engine_have_one_version() -> None:
    manifest = tomllib.loads((SOURCE / "blender_manifest.toml").read_text())
    assert manifest["id"] == "emoface"
    assert manifest["version"] == emoface_core.__version__
    assert set(manifest["permissions"]) == {"files", "network"}
