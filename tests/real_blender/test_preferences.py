# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's page in Blender's preferences, in their own window: every field and button."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import PICTURES
from .desktop import Desktop, NotShownError
from .programs import Program

OURS = "EmoFacePreferences"
ENGINE, DEVICE, KIND = f"{OURS}.engine", f"{OURS}.device", f"{OURS}.kind"
FOLDER, BASE, WHEELS, PYTHON = (f"{OURS}.{n}" for n in ("folder", "base", "wheels", "python"))
PARTS = f"{OURS}.show_environment", f"{OURS}.show_files"
ONLINE = "PreferencesSystem.use_online_access"
DIALOG = "EMOFACE_OT_make_environment"
PAGE = {"area": "PREFERENCES", "kind": "WINDOW"}
ARROW, HEADING, RIGHT = 0.035, 0.06, 0.9  # of the page's width
ICON = 29  # pixels from the page's right edge to the middle of a small button
SILENT = "/tmp/emoface/silent"  # a program that never says anything
TYPED = {
    FOLDER: "/tmp/emoface/an environment/",
    BASE: "/usr/bin/python3",
    WHEELS: "/tmp/emoface/wheels/",
    PYTHON: "/tmp/emoface/python",
}


@pytest.fixture(scope="module")
def window(installed: Program) -> Iterator[Desktop]:
    """Where all is tested; in an earlier window, of twice the size, the fields were filled in."""
    display = f":{20 + int(installed.version[0])}"
    with Desktop(installed, display) as earlier:
        earlier.resize(2.0)
        open_page(earlier)
        earlier.choose(KIND, "p", "cpu", **PAGE)
        for path, text in TYPED.items():
            write(earlier, path, text)
        picture(earlier, "large")
        earlier.ask("set_scale", scale=1.0)
        assert earlier.quit() == 0
    with Desktop(installed, display) as opened:
        open_page(opened)
        silent = opened.folder / "silent"
        silent.write_text("#!/bin/sh\nexec sleep 600\n")
        silent.chmod(0o755)
        yield opened
        assert opened.quit() == 0


def value(window: Desktop, path: str) -> Any:
    return window.ask("value", path=path)


def open_page(window: Desktop) -> None:
    """As Edit › Preferences does, and then to the page; both parts of it open."""
    window.middle()
    window.press("ctrl+comma")
    window.wait(lambda: window.ask("shows", area="PREFERENCES"), 30)
    window.move_window("Preferences")
    open_section(window, "ADDONS")
    window.write(".addon_search", "EmoFace", across=0.3, **PAGE)
    push(window, "preferences.addon_expand", ARROW)
    for part in PARTS:
        if not value(window, part):
            push(window, part, HEADING)
        assert value(window, part)


def open_section(window: Desktop, name: str) -> None:
    """Click through the sections at the left until this one is open."""
    bar = "NAVIGATION_BAR" if window.program.version < "5" else "UI"
    left, top, width, height = window.area("PREFERENCES", bar)
    for y in range(round(top + 10), round(top + height), round(16 * window.scale)):
        window.click(left + 0.5 * width, y)
        if value(window, "Preferences.active_section") == name:
            return
    raise NotShownError(f"There is no section {name}")


def push(window: Desktop, wanted: str, across: float = 0.62) -> None:
    window.push(wanted, across, **PAGE)


def last(window: Desktop) -> float:
    """How far across the page the last button is, if it has but an icon."""
    return 1 - ICON * window.scale / window.area(**PAGE)[2]


def write(window: Desktop, path: str, text: str) -> None:
    window.fill(path, text, **PAGE)


def picture(window: Desktop, name: str) -> None:
    time.sleep(0.7)
    window.picture(PICTURES / f"{window.program.version}-preferences-{name}.png")


def shown(window: Desktop) -> str:
    """All texts of the page, without spaces: long lines are broken."""
    return "".join(window.ask("page")["said"]).replace(" ", "")


def says(window: Desktop, sentence: str) -> bool:
    return sentence.replace(" ", "") in shown(window)


def press_test(window: Desktop) -> tuple[str, list[str]]:
    """Press Test, and wait for what it finds: "good" or "bad", and its sentences."""
    push(window, "emoface.test_engine")
    window.wait(lambda: window.ask("found")["state"] != "busy", 150)
    found = window.ask("found")
    assert all(says(window, line) for line in found["lines"])
    return found["state"], found["lines"]


def ask_to_make(window: Desktop) -> None:
    """Press the button, and see its dialog."""
    at = window.find("emoface.make_environment", **PAGE)
    window.ask("look_again")
    window.click(*at)
    window.wait(lambda: DIALOG in window.ask("open_panels"), 20)


def allow_online(window: Desktop, *, wanted: bool) -> None:
    open_section(window, "SYSTEM")
    push(window, ONLINE)
    assert value(window, ONLINE) is wanted
    open_section(window, "ADDONS")


def test_what_was_typed_is_kept(window: Desktop) -> None:
    assert {path: value(window, path) for path in TYPED} == TYPED
    assert value(window, KIND) == "cpu"
    for path in TYPED:
        write(window, path, "")
    window.choose(KIND, "g", "gpu", **PAGE)


def test_the_engine_inside_is_tested_and_freed(window: Desktop) -> None:
    state, lines = press_test(window)
    assert state == "good", lines
    assert lines[0].startswith("ONNX Runtime")
    assert "s of speech took" in lines[-1]
    picture(window, "tested")
    assert says(window, "running on cpu")
    push(window, "emoface.free_memory", RIGHT)
    assert says(window, "not running")
    assert not says(window, lines[0])
    assert "holds no memory" in window.ask("refusal", operator="EMOFACE_OT_free_memory")


def test_an_engine_that_says_nothing_is_ended_by_free_memory(window: Desktop) -> None:
    write(window, PYTHON, SILENT)
    push(window, "emoface.test_engine")
    assert says(window, "Starting the engine")
    push(window, "emoface.free_memory", RIGHT)
    window.wait(lambda: window.ask("found")["state"] == "bad", 20)
    assert says(window, "The test was broken off.")
    write(window, PYTHON, "")


def test_what_engines_leave_is_cleared_and_logs_are_shown(window: Desktop) -> None:
    press_test(window)
    push(window, "emoface.clear_files", RIGHT)
    assert says(window, "Working files none")
    push(window, "emoface.open_logs", RIGHT)
    logs = window.folder / "home" / ".config" / "blender"
    assert list(logs.glob("**/emoface/logs/worker *.log"))


def test_pytorch_is_missed_where_it_is_asked_for(window: Desktop) -> None:
    window.choose(DEVICE, "c", "cuda", **PAGE)
    window.choose(ENGINE, "p", "torch", **PAGE)
    state, (what, hint) = press_test(window)
    assert (state, what) == ("bad", "PyTorch and safetensors are not installed in this Python.")
    assert hint
    picture(window, "missed")
    window.choose(ENGINE, "a", "auto", **PAGE)
    assert not says(window, what), "another engine was not tested yet"
    window.choose(DEVICE, "a", "auto", **PAGE)


@pytest.mark.parametrize(
    ("python", "said"),
    [("/nowhere/python", "could not be started"), ("/usr/bin/python3", "soundfile")],
)
def test_a_python_that_will_not_do(window: Desktop, python: str, said: str) -> None:
    write(window, PYTHON, python)
    state, lines = press_test(window)
    assert (state, len(lines)) == ("bad", 2), "what, and what to do"
    assert said in lines[0]
    write(window, PYTHON, "")


def test_nothing_is_fetched_while_blender_is_offline(window: Desktop) -> None:
    assert "stay offline" in window.ask("refusal", operator=DIALOG)
    window.ask("look_again")
    push(window, "emoface.make_environment")
    window.hover(*window.find("emoface.make_environment", **PAGE))
    picture(window, "offline")
    assert DIALOG not in window.ask("open_panels")
    assert window.ask("making")["state"] == ""


def test_it_asks_first(window: Desktop) -> None:
    allow_online(window, wanted=True)
    ask_to_make(window)
    picture(window, "asks")
    said = " ".join(window.ask("dialog"))
    assert "about 3 GB to download, 6 GB on disk" in said
    assert "over the internet" in said
    window.press("Escape")
    assert window.ask("making") == {"state": "", "text": "", "folder": "none"}
    allow_online(window, wanted=False)


def test_a_folder_that_will_not_do(window: Desktop) -> None:
    write(window, WHEELS, "/tmp/emoface/nothing/")
    assert "There is no folder" in window.ask("refusal", operator=DIALOG)
    write(window, WHEELS, "/tmp/emoface/")
    write(window, FOLDER, "/tmp/emoface/home/")
    assert "holds something else" in window.ask("refusal", operator=DIALOG)
    assert says(window, "the folder holds something else")
    write(window, FOLDER, "")


def test_made_cancelled_gone_on_with_and_removed(window: Desktop) -> None:
    write(window, BASE, SILENT)
    ask_to_make(window)
    window.press("Return")
    window.wait(lambda: window.ask("making")["state"] == "running", 20)
    assert says(window, "being made")
    picture(window, "making")
    push(window, "emoface.cancel_environment", last(window))
    window.wait(lambda: window.ask("making")["state"] == "cancelled", 20)
    write(window, BASE, "")
    assert window.ask("making")["folder"] == "unfinished"
    picture(window, "cancelled")
    assert says(window, "Go On Making")
    ask_to_make(window)
    window.press("Return")
    window.wait(lambda: window.ask("making")["state"] == "failed", 120)
    assert says(window, "holds no wheel of numpy")
    picture(window, "failed")
    push(window, "emoface.remove_environment", last(window))
    window.press("Return")
    window.wait(lambda: window.ask("making")["folder"] == "none", 60)


def test_a_base_that_will_not_do(window: Desktop) -> None:
    write(window, BASE, "/nowhere/python")
    ask_to_make(window)
    window.press("Return")
    window.wait(lambda: window.ask("making")["state"] == "failed", 60)
    assert says(window, "“/nowhere/python” could not be started")
    for path in (BASE, WHEELS):
        write(window, path, "")


def test_no_field_is_without_a_test(window: Desktop) -> None:
    buttons = ("test_engine", "free_memory", "clear_files", "open_logs")
    driven = {f"emoface.{button}" for button in buttons}
    driven |= {"emoface.make_environment", "emoface.remove_environment"}  # half made, as it is now
    driven |= {path.removeprefix(f"{OURS}.") for path in (ENGINE, DEVICE, KIND, *TYPED, *PARTS)}
    assert set(window.ask("page")["names"]) == driven
