# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments made for real: a virtual environment, pip, and two small wheels from a folder."""

import base64
import hashlib
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import addon_utils
import bpy
import pytest

import blender_addon
from blender_addon import installed
from blender_addon.ui import workshop
from blender_addon.work import environment
from blender_addon.work.environment import MARKER, Recipe, interpreter, state_of
from blender_addon.work.making import DOWNLOADS, Making
from blender_addon.work.pip_says import Tally
from emoface_core.errors import InputError

ROOT = Path(blender_addon.__file__).resolve().parent.parent
TRIAL = "import json, first, second; print(json.dumps(f'{first.A} {second.A}'))"


def wheel(folder: Path, name: str) -> None:
    """A package of one line."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"A = '{name} works'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{path},sha256={digest.decode()},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def new_recipe(home: Path) -> Recipe:
    """Two packages into a folder whose name is not plain."""
    wheels = home / "rädjur och hjul"
    wheels.mkdir()
    wheel(wheels, "first")
    wheel(wheels, "second")
    pins = home / "pins.txt"
    pins.write_text("# what it gets\nfirst==1.0\nsecond==1.0\n\n# its needs\nthird==2.0\n")
    return Recipe(home / "mon environnement é", sys.executable, "cpu", str(wheels), pins)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return new_recipe(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Making:
    """Made once: it takes seconds."""
    return made(new_recipe(tmp_path_factory.mktemp("whole")))


@pytest.fixture
def copied(whole: Making, recipe: Recipe) -> Recipe:
    """The same, in a folder of the test's own."""
    shutil.copytree(whole.recipe.folder, recipe.folder, symlinks=True)
    return recipe


def run(making: Making, until: str = "") -> None:
    """To the end, or until its words begin so."""
    end = time.monotonic() + 120
    while making.state == "running" and not (until and making.text.startswith(until)):
        assert time.monotonic() < end, list(making.log)
        making.poll()
        time.sleep(0.01)


def made(recipe: Recipe) -> Making:
    making = Making(recipe, TRIAL)
    making.start(online=False)
    run(making)
    return making


def test_is_made_and_works(whole: Making) -> None:
    folder = whole.recipe.folder
    assert (whole.state, whole.error) == ("done", None), list(whole.log)
    assert whole.text == "first works second works"
    assert whole.fraction == 1
    assert state_of(folder) == "ready"
    marker = environment.read_marker(folder)
    assert marker.found == whole.text
    assert marker.megabytes > 1
    assert not (folder / DOWNLOADS).exists()
    command = [environment.ready_python(folder), "-I", "-c", "import second; print(second.A)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "second works"


def test_goes_without_a_trace(copied: Recipe) -> None:
    (copied.folder / "note of mine.txt").touch()
    environment.remove(copied.folder)
    assert not copied.folder.exists()


def test_stops_at_once_and_goes_on_later(recipe: Recipe) -> None:
    making = Making(recipe, TRIAL)
    making.start(online=False)
    run(making, until="Making the environment")
    child = making._child
    making.cancel()
    assert child.poll() is not None, "the process is gone"
    assert (making.state, making.error.code) == ("cancelled", "cancelled")
    assert state_of(recipe.folder) == "unfinished"
    assert environment.ready_python(recipe.folder) == ""
    again = made(recipe)
    assert again.state == "done", list(again.log)


def test_what_was_cut_off_while_it_was_unpacked_is_made_whole(copied: Recipe) -> None:
    (site,) = copied.folder.glob("[Ll]ib/**/site-packages")
    (site / "first-1.0.dist-info" / "RECORD").unlink()  # pip would think it whole
    (site / "first.py").unlink()
    digest = environment.read_marker(copied.folder).digest
    environment.write_marker(copied.folder, environment.Marker(digest, ("venv",)))
    config = copied.folder / "pyvenv.cfg"
    before = config.stat().st_mtime_ns
    again = made(copied)
    assert again.state == "done", list(again.log)
    assert config.stat().st_mtime_ns == before, "the environment itself was not made anew"


@pytest.mark.parametrize("why", ["other versions", "its Python went away"])
def test_what_cannot_be_gone_on_with_is_made_anew(copied: Recipe, why: str) -> None:
    if why == "other versions":
        copied.pins.write_text("first==1.0\n")
    else:
        interpreter(copied.folder).unlink()
        assert state_of(copied.folder) == "broken"
        assert environment.ready_python(copied.folder) == ""
    making = Making(copied, TRIAL)
    making.start(online=False)
    assert [path.name for path in copied.folder.iterdir()] == [MARKER], "from the beginning"
    making.cancel()


def test_refuses_what_cannot_be(recipe: Recipe, tmp_path: Path) -> None:
    def refusal(**changes: object) -> str:
        changed = {name: getattr(recipe, name) for name in Recipe.__slots__} | changes
        with pytest.raises(InputError) as caught:
            Making(Recipe(**changed)).start(online=False)
        return str(caught.value)

    said = refusal(wheels="")
    assert said.startswith("Blender is set to stay offline.")
    assert "Allow Online Access" in said
    assert not recipe.folder.exists(), "nothing was begun"
    assert "There is no folder" in refusal(wheels=str(tmp_path / "none"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "film.blend").touch()
    assert "holds something else" in refusal(folder=mine)
    assert "holds something else" in refusal(folder=mine / "film.blend")
    with pytest.raises(InputError, match="holds no environment"):
        environment.remove(mine)
    assert [path.name for path in mine.iterdir()] == ["film.blend"]


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("/nowhere/python3", "could not be started"),
        ("old", "is Python 3.9."),
        ("bare", "cannot make environments"),
    ],
)
def test_a_python_that_cannot_make_one(recipe: Recipe, tmp_path: Path, python, said) -> None:
    words = {"old": "echo 3 9", "bare": "echo No module named ensurepip; exit 1"}
    if python in words:
        if sys.platform == "win32":
            pytest.skip("a shell script stands for that Python")
        program = tmp_path / python
        program.write_text(f"#!/bin/sh\n{words[python]}\n")
        program.chmod(0o755)
        python = str(program)
    making = made(Recipe(recipe.folder, python, "cpu", recipe.wheels, recipe.pins))
    assert making.state == "failed"
    assert said in making.error.message
    assert making.error.hint


def test_a_package_that_is_not_there(copied: Recipe) -> None:
    digest = environment.read_marker(copied.folder).digest
    environment.write_marker(copied.folder, environment.Marker(digest, ("venv", "first==1.0")))
    (Path(copied.wheels) / "second-1.0-py3-none-any.whl").unlink()
    making = made(copied)
    assert making.state == "failed"
    assert "holds no wheel of second==1.0 for this Python" in making.error.message
    wheel(Path(copied.wheels), "second")
    assert made(copied).state == "done", "and it goes on"


def test_an_environment_that_does_not_work_is_not_used(copied: Recipe) -> None:
    making = Making(copied, "import json, torch")
    making.start(online=False)
    run(making)
    assert making.state == "failed"
    assert "No module named 'torch'" in making.error.message
    assert environment.ready_python(copied.folder) == ""


def test_progress_is_read_from_pip() -> None:
    tally = Tally(total=1000.0)
    tally.add(100)
    assert tally.hear("Downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl (800.0 MB)") == "torch"
    assert tally.hear("Progress 200000000 of 800000000") == "torch, 200 of 800 MB"
    assert tally.fraction(900) == pytest.approx(0.3)
    tally.hear("Progress 800000000 of 800000000")
    tally.hear("Downloading https://files.x.org/a/nvidia_cudnn-9.1-py3-none-any.whl (300 MB)")
    tally.hear("Progress 300000000 of 300000000")
    assert tally.fraction(900) < 1, "a step is not full before its end"
    assert tally.hear("Installing collected packages: torch") == "unpacking"
    assert tally.hear("ERROR: something") is None


def test_the_versions_are_those_of_the_project() -> None:
    """Where there is a checkout around the add-on."""
    project = dict(
        line.lower().split("==")
        for line in (ROOT / "wheels" / "pins.txt").read_text().splitlines()
        if "==" in line
    )
    ours = dict(
        line.lower().split("==")
        for line in environment.PINS.read_text("utf-8").splitlines()
        if "==" in line
    )
    for name in set(ours) - {"pip", "numpy"}:
        assert ours[name] == project[name], name
    asked = Recipe(Path(), "").requirements()
    assert [line.partition("==")[0] for line in asked][-1] == "torch"
    assert asked[0].startswith("pip==")


# The buttons


@pytest.fixture
def preferences(empty_blender: None, tmp_path: Path) -> Iterator[bpy.types.AddonPreferences]:
    assert addon_utils.enable("blender_addon", default_set=True) is not None
    chosen = installed.preferences()
    chosen.folder = str(tmp_path / "here")
    yield chosen
    addon_utils.disable("blender_addon")


def reason(operator: type) -> str:
    return operator.disabled_reason(bpy.context)


def test_the_button_says_that_blender_is_offline(preferences) -> None:
    said = reason(workshop.EMOFACE_OT_make_environment)
    assert bpy.app.online_access == (said == "")
    if not bpy.app.online_access:
        with pytest.raises(RuntimeError, match="stay offline"):
            bpy.ops.emoface.make_environment()
    assert reason(workshop.EMOFACE_OT_remove_environment).startswith("There is no environment")
    assert reason(workshop.EMOFACE_OT_cancel_environment) == "Nothing is under way."


def test_the_buttons_make_and_remove(preferences, tmp_path: Path) -> None:
    """From a folder without the wheels, so it ends early, and the next try goes on."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    preferences.wheels = str(wheels)
    assert reason(workshop.EMOFACE_OT_make_environment) == ""
    with pytest.raises(RuntimeError, match="holds no wheel of numpy=="):
        bpy.ops.emoface.make_environment()
    folder = Path(preferences.folder)
    assert state_of(folder) == "unfinished"
    assert preferences.chosen().python == "", "not used as long as it is not whole"
    assert bpy.ops.emoface.remove_environment() == {"FINISHED"}
    assert not folder.exists()


def test_a_complete_environment_is_used_unless_another_is_named(preferences, whole) -> None:
    preferences.folder = str(whole.recipe.folder)
    assert preferences.chosen().python == str(interpreter(whole.recipe.folder))
    preferences.python = sys.executable
    assert preferences.chosen().python == sys.executable
    preferences.engine = "onnx"
    assert preferences.chosen().python == ""
