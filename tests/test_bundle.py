# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's zips: the lock, the staging, and what is inside, by Blender's own validator."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

spec = importlib.util.spec_from_file_location("emoface_bundle", ROOT / "wheels" / "bundle.py")
bundle = importlib.util.module_from_spec(spec)
sys.modules["emoface_bundle"] = bundle
spec.loader.exec_module(bundle)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    (path,) = bundle.build(tmp_path_factory.mktemp("dist"), ["linux-x64"])
    return path


def test_the_lock_has_a_wheel_of_each_package_for_every_platform_and_python():
    wheels = bundle.read_lock()
    for platform, pythons in bundle.PYTHONS.items():
        for python in pythons:
            fitting = [
                w.name
                for w in wheels
                if w.platform in {platform, "any"} and w.python in {python, "any"}
            ]
            assert sorted(fitting) == sorted(name.split("==")[0] for name in bundle.BUNDLED)


def test_the_lock_survives_being_written(tmp_path):
    wheels = bundle.read_lock()
    bundle.write_lock(reversed(wheels), tmp_path / "lock.toml")
    assert (tmp_path / "lock.toml").read_bytes() == bundle.LOCK.read_bytes()


@pytest.mark.parametrize("text", ["wheel = 3", "[[wheel]]\nname = 'x'", "= ", ""])
def test_what_is_no_lock_is_said_in_one_sentence(tmp_path, text):
    path = tmp_path / "lock.toml"
    path.write_text(text)
    with pytest.raises(bundle.BundleError, match="lock.toml cannot be read"):
        bundle.read_lock(path)


def test_a_wheel_that_is_not_the_locked_one_is_refused(tmp_path):
    wheel = next(w for w in bundle.read_lock() if w.platform == "any")
    (path,) = bundle.fetch([wheel], tmp_path)
    assert bundle.digest(path) == wheel.sha256
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(bundle.BundleError, match="is not the wheel of the lock"):
        bundle.fetch([wheel], tmp_path)
    path.unlink()
    other = dataclasses.replace(wheel, sha256="0" * 64)
    with pytest.raises(bundle.BundleError, match="pip found no"):
        bundle.fetch([other], tmp_path)
    assert not path.exists()


def test_platforms_and_wheels_stand_before_the_first_table():
    manifest = (ROOT / "blender_addon" / "blender_manifest.toml").read_text("utf-8")
    made = tomllib.loads(bundle.manifest_with_wheels(manifest, ["linux-x64"], ["./wheels/a.whl"]))
    assert made == {
        **tomllib.loads(manifest),
        "platforms": ["linux-x64"],
        "wheels": ["./wheels/a.whl"],
    }


def test_the_zip_holds_the_addon_the_engine_and_nothing_else(built):
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    wheels = sorted(name for name in names if name.endswith(".whl"))
    assert sorted(f"./{name}" for name in wheels) == sorted(manifest["wheels"])
    packages = {Path(name).name.split("-")[0] for name in wheels}
    assert packages == {"onnxruntime", "soundfile", "cffi", "typing_extensions", "emoface_core"}
    assert all("win" not in name and "macos" not in name for name in wheels)
    tracked = {
        str(path.relative_to(ROOT / "blender_addon"))
        for path in (ROOT / "blender_addon").rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name != "demo.py"
    }
    rest = {name for name in names if not name.endswith((".whl", "/"))}
    assert rest == tracked | {"LICENSE"}


def test_the_engine_inside_is_complete_and_clean(built):
    with zipfile.ZipFile(built) as archive:
        (name,) = [n for n in archive.namelist() if "emoface_core-" in n]
        assert name.endswith("-py3-none-any.whl")
        with archive.open(name) as stream, zipfile.ZipFile(stream) as wheel:
            inside = set(wheel.namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "emoface_core").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in inside if ".dist-info/" not in name} == expected
    assert "emoface_core/assets/model/model.onnx" in inside
    assert "emoface_core/assets/head.npz" in inside


def test_blenders_validator_takes_it(built):
    command = [sys.executable, "-I", str(bundle.blender_builder()), "validate", str(built)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
