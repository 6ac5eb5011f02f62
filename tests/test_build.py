# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py: its command line, its choice of environments, and what its pins promise."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


build = load(ROOT / "build.py", "emoface_build")


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "build.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_names_every_command():
    done = call("--help")
    assert done.returncode == 0
    for command in ("demo", "test", "extension", "wheels", "assets", "train"):
        assert re.search(rf"^ +{command}\b", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [[], ["bake"], ["demo", "--loud"], ["assets"]])
def test_wrong_arguments_end_with_2_and_no_traceback(arguments):
    done = call(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_train_reads_and_writes_where_the_caller_is(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(build, "main_environment", lambda *_names: Path(sys.executable))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("[run]\nstep = 3\n", "utf-8")
    arguments = build.parser().parse_args(["train", "mine.toml", "--resume"])
    assert build.train(arguments) == 2
    assert "“step” that nothing reads" in capfd.readouterr().err


def test_unknown_blender_is_one_sentence_before_anything_is_installed():
    done = call("test", "--blender", "4.2,9.9")
    assert done.returncode == 2
    assert done.stderr == "build: Unknown Blender 9.9: choose from 4.2, 4.5, 5.0, 5.2.\n"
    assert done.stdout == ""


def test_stops_in_an_old_python_before_it_reads_anything_new():
    source = (ROOT / "build.py").read_text("utf-8")
    guard, rest = source.index("sys.exit("), source.index("import tomllib")
    assert guard < rest
    compile(source, "build.py", "exec", dont_inherit=True)
    # Older Pythons parse the whole file first: no syntax that came after 3.8.
    import ast

    ast.parse(source, feature_version=(3, 8))


def test_bare_debian_is_asked_for_what_blender_links_to(monkeypatch):
    asked: list[list[str]] = []
    monkeypatch.setattr(build, "missing_libraries", lambda: ["libX11.so.6", "libEGL.so.1"])
    monkeypatch.setattr(build, "run", lambda command, env=None: asked.append([*command]))
    monkeypatch.setattr(build.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(build.os, "geteuid", lambda: 0)
    build.see_to_system()
    assert asked[0][:2] == ["apt-get", "update"]
    assert asked[1][-2:] == ["libx11-6", "libegl1"]
    monkeypatch.setattr(build.os, "geteuid", lambda: 1000)
    with pytest.raises(build.BuildError, match="^First run: sudo apt-get install -y libx11-6"):
        build.see_to_system()


def test_a_python_that_does_not_start_is_not_chosen(tmp_path, monkeypatch):
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.find_python("3.99") is None
    shim.write_text("#!/bin/sh\necho 3.99\n")
    assert build.find_python("3.99") == shim


def test_another_python_is_found_when_the_running_one_carries_no_blender(monkeypatch):
    monkeypatch.setattr(build, "running_python", lambda: "3.12")
    monkeypatch.setattr(build, "find_python", lambda v: Path("/p/3.13") if v == "3.13" else None)
    assert build.main_python() == (Path("/p/3.13"), "3.13")
    monkeypatch.setattr(build, "find_python", lambda v: None)
    with pytest.raises(build.BuildError, match="this is 3.12"):
        build.main_python()


def test_environment_is_made_once_and_again_when_its_pins_change(tmp_path, monkeypatch):
    commands: list[list[str]] = []
    pins = tmp_path / "pins.txt"
    pins.write_text("a==1\n")
    monkeypatch.setattr(build, "PINS", pins)
    folder = tmp_path / ".venv"

    def pretend(command, env=None):
        commands.append([str(part) for part in command])
        build.venv_python(folder).parent.mkdir(parents=True, exist_ok=True)
        build.venv_python(folder).touch()

    monkeypatch.setattr(build, "run", pretend)

    def made(*wanted: str) -> int:
        commands.clear()
        build.environment(folder, Path("/usr/bin/python3"), "3.11", wanted)
        return len(commands)

    assert made("a") == 2  # venv, pip
    assert made("a") == 0
    assert made("a", "b") == 1
    assert made("a") == made("b", "a") == 0  # `test` and then `demo`, and either again
    pins.write_text("a==2\n")
    assert made("a") == 1
    assert [*commands[0][1:4]] == ["-m", "pip", "install"]


def test_every_requirement_of_the_extras_is_pinned():
    pinned = {
        re.split("[=; ]", line)[0].lower().replace("_", "-")
        for line in build.PINS.read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {
        re.split("[<>=~! ]", requirement)[0].lower().replace("_", "-")
        for extra, requirements in project["optional-dependencies"].items()
        if extra != "blender"  # by build.BPY, with NumPy
        for requirement in requirements
    }
    assert names <= pinned
    exact = [line for line in build.PINS.read_text("utf-8").splitlines() if line[:1].isalpha()]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in exact)
    assert set(build.BLENDER_OF_PYTHON.values()) <= set(build.BPY)
