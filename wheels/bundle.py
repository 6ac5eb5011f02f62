# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's zips: wheels by their lock, the add-on staged, and Blender's own builder.

Run by `build.py wheels` and `build.py extension`; standard library only, but pip and, for the
builder, the `bpy` wheel must be in the running environment.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "wheels"
LOCK = FOLDER / "lock.toml"

# What the default engine imports, with nothing that it does not: measured by importing each with
# `--no-deps`. NumPy is Blender's own, and two in one process would be one too many.
BUNDLED = ("onnxruntime==1.31.1", "soundfile==0.14.0", "cffi==2.1.1", "typing_extensions==4.16.0")
# Blender 4.2 to 5.0 carry Python 3.11, 5.1 and later 3.13; Linux distributions build Blender
# against their own Python, which may be newer.
PYTHONS = {
    "linux-x64": ("3.11", "3.13", "3.14"),
    "windows-x64": ("3.11", "3.13"),
    "macos-arm64": ("3.11", "3.13"),
}
PLATFORM_TAGS = {
    "linux-x64": [*(f"manylinux_2_{n}_x86_64" for n in range(28, 16, -1)), "manylinux2014_x86_64"],
    "windows-x64": ["win_amd64"],
    "macos-arm64": [
        f"macosx_{n}_0_{cpu}" for n in range(14, 10, -1) for cpu in ("arm64", "universal2")
    ],
}
NOT_SHIPPED = ("__pycache__", "*.pyc", "*.blend1", ".*", "demo.py")


@dataclass(frozen=True, slots=True, order=True)
class Wheel:
    """One locked wheel: `platform` is Blender's name for it, or "any"; `python` likewise."""

    name: str
    version: str
    platform: str
    python: str
    file: str
    sha256: str


class BundleError(Exception):
    """What stops the bundling, in one sentence."""


def read_lock(path: Path = LOCK) -> list[Wheel]:
    """The locked wheels; raises BundleError when the file is not a lock of ours."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        return sorted(Wheel(**{k: str(v) for k, v in entry.items()}) for entry in table["wheel"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BundleError(f"{path.name} cannot be read: {error}.") from error


def write_lock(wheels: Iterable[Wheel], path: Path = LOCK) -> None:
    """Write the lock, sorted, so that a change shows as a change."""
    lines = ["# The wheels inside the extension. Written by `python3 build.py wheels --update`."]
    for wheel in sorted(wheels):
        lines += ["", "[[wheel]]"]
        lines += [f'{field.name} = "{getattr(wheel, field.name)}"' for field in fields(Wheel)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(requirement: str, platform: str, python: str, into: Path, sha256: str = "") -> Path:
    """One wheel by pip, for another platform than this if need be; checked when a hash is given."""
    with tempfile.TemporaryDirectory() as scratch:
        asked = Path(scratch) / "asked.txt"
        asked.write_text(requirement + (f" --hash=sha256:{sha256}" if sha256 else "") + "\n")
        fetched = Path(scratch) / "fetched"
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--no-input"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--implementation=cp"]
        tag = "cp" + python.replace(".", "")
        command += [f"--python-version={python}", f"--abi={tag}", "--abi=abi3", "--abi=none"]
        command += [f"--platform={one}" for one in (*PLATFORM_TAGS[platform], "any")]
        command += [f"--dest={fetched}", "-r", str(asked)]
        if subprocess.run(command, check=False).returncode:
            raise BundleError(f"pip found no {requirement} for {platform} and Python {python}.")
        (wheel,) = fetched.glob("*.whl")
        return _put(wheel, into)


def _put(wheel: Path, folder: Path) -> Path:
    """Copy a wheel into a folder in one step: builds beside this one never see half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        return Path(shutil.copy2(wheel, scratch)).replace(folder / wheel.name)


def locked(file: Path, platform: str, python: str) -> Wheel:
    """The lock's entry for a downloaded wheel."""
    name, version, *_, python_tag, abi, tag = file.stem.split("-")
    loads_anywhere = "py3" in python_tag.split(".")
    return Wheel(
        name=name.lower(),
        version=version,
        platform="any" if tag == "any" else platform,
        python="any" if loads_anywhere or abi == "abi3" else python,
        file=file.name,
        sha256=digest(file),
    )


def update(path: Path = LOCK) -> list[Wheel]:
    """Resolve BUNDLED for every platform and Python anew and write the lock."""
    found: set[Wheel] = set()
    for platform, pythons in PYTHONS.items():
        for python in pythons:
            for requirement in BUNDLED:
                found.add(locked(download(requirement, platform, python, FOLDER), platform, python))
    write_lock(found, path)
    return sorted(found)


def fetch(wheels: Sequence[Wheel], folder: Path = FOLDER) -> list[Path]:
    """The locked wheels as files, downloaded where missing; each is what the lock says."""
    paths = []
    for wheel in wheels:
        path = folder / wheel.file
        if not path.exists():
            platform = "linux-x64" if wheel.platform == "any" else wheel.platform
            python = PYTHONS[platform][0] if wheel.python == "any" else wheel.python
            requirement = f"{wheel.name}=={wheel.version}"
            download(requirement, platform, python, folder, wheel.sha256)
        if not path.exists() or digest(path) != wheel.sha256:
            raise BundleError(f"{path} is not the wheel of the lock: delete it and try again.")
        paths.append(path)
    return paths


def core_wheel(folder: Path) -> Path:
    """emoface_core as a wheel that loads in every Python, built from a clean copy."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        ignore = shutil.ignore_patterns(*NOT_SHIPPED)
        shutil.copytree(ROOT / "emoface_core", source / "emoface_core", ignore=ignore)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / name, source / name)
        command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation"]
        command += ["--disable-pip-version-check", f"--wheel-dir={scratch}", str(source)]
        env = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}  # the same files, the same wheel
        if subprocess.run(command, env=env, check=False).returncode:
            raise BundleError("emoface_core could not be built as a wheel.")
        (wheel,) = Path(scratch).glob("emoface_core-*-py3-none-any.whl")
        return Path(shutil.copy2(wheel, folder / wheel.name))


def manifest_with_wheels(manifest: str, platforms: Sequence[str], wheels: Sequence[str]) -> str:
    """The add-on's manifest with its platforms and wheels, which stand before the first table."""
    head, bracket, tables = manifest.partition("\n[")
    added = f"\nplatforms = {_toml_list(platforms)}\n\nwheels = {_toml_list(wheels)}\n"
    return head + added + bracket + tables


def _toml_list(values: Sequence[str]) -> str:
    return "[\n" + "".join(f'  "{value}",\n' for value in values) + "]"


def stage(folder: Path, wheels: Sequence[Path], platforms: Sequence[str]) -> None:
    """Lay out the extension as its zip will hold it."""
    ignore = shutil.ignore_patterns(*NOT_SHIPPED)
    shutil.copytree(ROOT / "blender_addon", folder, ignore=ignore)
    shutil.copy2(ROOT / "LICENSE", folder / "LICENSE")
    inside = folder / "wheels"
    inside.mkdir()
    for wheel in wheels:
        shutil.copy2(wheel, inside / wheel.name)
    core = core_wheel(inside)
    manifest = folder / "blender_manifest.toml"
    names = [f"./wheels/{wheel.name}" for wheel in (*wheels, core)]
    text = manifest_with_wheels(manifest.read_text("utf-8"), platforms, names)
    manifest.write_text(text, "utf-8")


def blender_builder() -> Path:
    """Blender's own extension tool, which runs without Blender."""
    spec = importlib.util.find_spec("bpy")
    for location in (spec.submodule_search_locations or []) if spec else []:
        for found in Path(location).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"):
            return found
    raise BundleError("Blender's extension builder is not in this environment.")


def build(out: Path, platforms: Sequence[str] = tuple(PYTHONS)) -> list[Path]:
    """Build and validate one zip for each platform; returns them."""
    wheels = [w for w in read_lock() if w.platform in {*platforms, "any"}]
    files = fetch(wheels)
    builder = [sys.executable, "-I", str(blender_builder())]
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch) / "emoface", Path(scratch) / "made"
        stage(source, files, platforms)
        made.mkdir()
        command = [*builder, "build", f"--source-dir={source}", f"--output-dir={made}"]
        subprocess.run([*command, "--split-platforms"], check=True, stdout=subprocess.DEVNULL)
        zips = sorted(made.glob("*.zip"))
        for zip_path in zips:
            subprocess.run([*builder, "validate", str(zip_path)], check=True)
        out.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copy2(path, out / path.name)) for path in zips]


def main() -> int:
    """The command line behind `build.py wheels` and `build.py extension`."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("wheels")
    one.add_argument("--update", action="store_true")
    one = commands.add_parser("extension")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--platform", choices=tuple(PYTHONS), action="append")
    arguments = parser.parse_args()
    try:
        if arguments.command == "wheels":
            paths = fetch(update() if arguments.update else read_lock())
        else:
            paths = build(arguments.out, arguments.platform or tuple(PYTHONS))
    except (BundleError, subprocess.CalledProcessError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    for path in paths:
        print(f"{path.stat().st_size / 2**20:7.1f} MB  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
