# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of the engine, logs and working files, and the report that names nobody."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import addon_utils
import bpy
import pytest

from blender_addon import folders, installed
from blender_addon.ui.engine_test import found
from blender_addon.ui.following import check_engine
from blender_addon.work import report
from blender_addon.work.job import Failure
from blender_addon.work.session import Engine, session
from emoface_core.errors import InputError


@pytest.fixture
def addon(empty_blender: None) -> Iterator[bpy.types.AddonPreferences]:
    assert addon_utils.enable("blender_addon", default_set=True) is not None
    yield installed.preferences()
    addon_utils.disable("blender_addon")


def test_the_test_shows_engine_versions_and_speed(addon) -> None:
    assert bpy.ops.emoface.test_engine() == {"FINISHED"}
    assert found.state == "good"
    engine, model, python, speed = found.lines
    assert re.fullmatch(r"ONNX Runtime \S+ on cpu is ready, after [\d.]+ s", engine)
    assert "8 emotions" in model
    assert "Python 3." in python
    assert re.fullmatch(r"[\d.]+ s of speech took [\d.]+ s the first time", speed)
    assert session.running, "warm for the first face"
    newest = folders.log_files(folders.home("logs"))[-1].read_text("utf-8")
    assert newest.startswith("EmoFace ")
    assert bpy.app.version_string in newest
    assert bpy.ops.emoface.clear_files() == {"FINISHED"}
    assert not session.running


def test_an_engine_that_does_not_start_is_said(addon) -> None:
    addon.python = "/nowhere/python"
    with pytest.raises(RuntimeError, match="could not be started"):
        bpy.ops.emoface.test_engine()
    assert found.state == "bad"
    assert len(found.lines) == 2, "what, and what to do"


def test_nobody_else_listens_to_an_engine_that_is_tested(addon) -> None:
    session.begin_test(Engine())
    with pytest.raises(InputError, match="is being tested"):
        check_engine()
    session.close()
    check_engine()
    session.begin_test(Engine())
    session.end_test()
    check_engine()
    session.close()


def test_another_python_is_given_none_of_our_packages() -> None:
    assert Engine(python="/home/ada/venv/bin/python").launch().libraries == ()
    assert Engine().launch().libraries


def test_no_second_blender_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", bpy.app.binary_path)
    with pytest.raises(InputError, match="where its Python is"):
        Engine().launch()
    assert Engine(python="/usr/bin/python3").launch().python == "/usr/bin/python3"


def test_logs_are_few_and_short(tmp_path: Path) -> None:
    for number in range(14):
        (tmp_path / f"worker 2026-01-{number + 1:02} 10.00.00.log").write_text("old")
    (tmp_path / "note of mine.log").touch()
    log = folders.WorkerLog(tmp_path, "EmoFace")
    logs = folders.log_files(tmp_path)
    assert len(logs) == 10
    assert logs[-1] == log.path
    assert logs[0].name.startswith("worker 2026-01-06")
    for _ in range(30):
        log("x" * 50_000)
    text = log.path.read_text("utf-8")
    assert len(text) < 1_100_000
    assert text.endswith("(cut off here)\n")
    assert (tmp_path / "note of mine.log").exists()


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    log = folders.WorkerLog(tmp_path, "EmoFace")
    log.path.unlink()
    log.path.mkdir()
    log("a line")
    log("another")


def test_old_working_files_go_and_new_ones_stay(tmp_path: Path) -> None:
    for name in ("emoface-worker-old", "emoface-worker-new", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "layers.npz").touch()
    yesterday = time.time() - 86400
    for path in (tmp_path / "emoface-worker-old", tmp_path / "emoface-worker-old" / "layers.npz"):
        os.utime(path, (yesterday, yesterday))
    assert folders.clear_work(tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"emoface-worker-new", "mine"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("“/home/ada/secret take.wav” cannot be read.", "“…” cannot be read."),
        ('File "/home/Ada Secret/x.py", line 3, in run', 'File "…x.py", line 3, in run'),
        (r"C:\Users\Ada Secret\film\y.py: MemoryError", "…y.py: MemoryError"),
        (r"no such file: \\server\secret film\shot 1\ada.wav", "no such file: …"),
        ("//secret film/ada.wav is gone", "… is gone"),
        ("1/2 of 3 files, 30 fps", "1/2 of 3 files, 30 fps"),
        ("MemoryError", "MemoryError"),
    ],
)
def test_a_report_names_nobody(text: str, kept: str) -> None:
    failure = Failure("Ada", text, "", "bad_input", (text, "Ada: it fails", "Adam goes on"))
    made = report.report(failure, Engine())
    assert f"Error bad_input: {kept}" in made
    assert not re.search(r"\bada\b|secret", made, re.IGNORECASE)
    assert made.endswith("Adam goes on")
