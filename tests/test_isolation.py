# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package may import what: the engine knows no Blender, the add-on nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "onnxruntime", "soundfile", "transformers", "safetensors", "scipy", "onnx"}
FLOORS = ("curves", "layers", "scene", "control", "work", "command", "ui")  # of the add-on


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, by full name."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            home = ".".join([*base, node.module or ""]) if node.level else node.module
            yield from (f"{home}.{name.name}".replace("..", ".") for name in node.names)


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def offenders(folder: str, *forbidden: str, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources(folder)
        if path.name not in but
        for module in imported(path)
        if within(module, *forbidden)
    ]


def test_the_engine_knows_no_blender():
    assert offenders("emoface_core", "bpy", "mathutils", "aud", "blender_addon") == []


def test_the_addon_imports_nothing_heavy():
    heavy = {*HEAVY, "PIL", "emoface_core.engine", "emoface_core.model", "emoface_core.training"}
    assert offenders("blender_addon", *heavy, but=("demo.py",)) == []


@pytest.mark.parametrize("number", range(len(FLOORS)))
def test_the_addons_packages_import_downwards_only(number):
    above = [f"blender_addon.{package}" for package in FLOORS[number + 1 :]]
    assert offenders(f"blender_addon/{FLOORS[number]}", *above) == []


def test_every_package_of_the_addon_has_a_floor():
    packages = {path.parent.name for path in (ROOT / "blender_addon").glob("*/__init__.py")}
    assert packages == set(FLOORS)


def test_the_addons_curves_are_numbers_without_blender():
    assert offenders("blender_addon/curves", "bpy", "mathutils") == []


@pytest.mark.parametrize("package", ["engine", "worker", "face", "audio", "model"])
def test_running_a_model_imports_no_training_code(package):
    wrong = offenders(f"emoface_core/{package}", "emoface_core.training", "emoface_core.evaluation")
    assert wrong == []


def test_importing_the_engine_loads_nothing_heavy():
    """In a process of its own: what the add-on imports, and the engine's own front door."""
    code = (
        "import sys; import emoface_core, emoface_core.worker.client, emoface_core.layers; "
        "import emoface_core.engine; "
        f"print(*sorted({HEAVY!r} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
