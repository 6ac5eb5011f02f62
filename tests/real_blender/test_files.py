# SPDX-License-Identifier: GPL-3.0-or-later
"""Files by mouse and keyboard: presets written, read, refused and removed; a linked character."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from .conftest import PICTURES
from .desktop import Desktop
from .programs import Program

FACE = 'bpy.data.objects["EmoFace Head"].emoface'
CHOSEN = 'bpy.data.scenes["Scene"].emoface.face'
IMPORT, EXPORT, REMOVE = 0.4, 0.75, 0.84  # of the sidebar's width


@pytest.fixture(scope="module")
def window(installed: Program) -> Iterator[Desktop]:
    """One window for all of these tests: our head, baked by the button, looking angry."""
    with Desktop(installed, f":{40 + int(installed.version[0])}") as opened:
        opened.ask("set_the_scene")
        opened.wait(lambda: opened.ask("show_tab"), 60)
        opened.choose(f"{FACE}.emotion", "a", "angry")
        animate(opened)
        opened.unfold("EMOFACE_PT_presets")
        yield opened
        assert opened.quit() == 0


def animate(window: Desktop) -> None:
    window.push("emoface.animate")
    window.wait(lambda: window.state()["baked"] and not window.state()["job"], 300)
    assert window.state()["failure"] == ""


def home(window: Desktop) -> Path:
    """The folder that Blender's file browser begins in."""
    return window.folder / "home"


def emotion(window: Desktop) -> str:
    return window.ask("value", path=f"{FACE}.emotion")


def points(window: Desktop) -> np.ndarray:
    """(5023, 3) millimetres."""
    window.ask("show", frame=60)
    return np.reshape(window.ask("points"), (-1, 3))


def moved(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=1).max())


def picture(window: Desktop, name: str) -> None:
    time.sleep(1)  # for the screen to show it
    window.picture(PICTURES / f"{window.program.version}-files-{name}.png")


def undo(window: Desktop) -> None:
    window.middle()
    window.press("ctrl+z")


def test_a_style_is_exported_as_small_readable_json(window: Desktop) -> None:
    window.push("emoface.export_preset", across=EXPORT)
    window.wait(lambda: window.ask("shows", area="FILE_BROWSER"), 20)
    assert window.ask("proposed") == "EmoFace Head.json"
    picture(window, "export")
    window.pick_file("Mara.json")
    assert window.ask("said") == "Written to Mara.json"
    text = (home(window) / "Mara.json").read_text("utf-8")
    assert len(text) < 2000
    assert text.count("\n") > 10, "a line for each value"
    assert json.loads(text)["name"] == "Mara"
    assert json.loads(text)["values"]["emotion"] == "angry"


def test_importing_it_brings_the_style_back_and_undo_takes_it_away(window: Desktop) -> None:
    angry = points(window)
    window.choose(f"{FACE}.emotion", "s", "sad")
    sad = points(window)
    assert moved(sad, angry) > 1
    window.push("emoface.import_preset", across=IMPORT)
    window.pick_file("Mara.json")
    assert window.ask("said") == "“Mara” is on “EmoFace Head”"
    assert emotion(window) == "angry"
    assert moved(points(window), angry) < 0.01
    assert window.ask("presets") == ["Mara"], "it is among ours now"
    undo(window)
    window.wait(lambda: emotion(window) == "sad", 20)
    assert moved(points(window), sad) < 0.01


def test_a_file_can_be_written_over_but_a_preset_of_ours_is_not(window: Desktop) -> None:
    window.push("emoface.export_preset", across=EXPORT)
    window.pick_file("Mara.json")
    shared = json.loads((home(window) / "Mara.json").read_text("utf-8"))
    assert shared["values"]["emotion"] == "sad"
    window.push("emoface.import_preset", across=IMPORT)
    window.pick_file("Mara.json")
    said = window.ask("said")
    assert said == "“Mara” is on “EmoFace Head”; your own preset of that name stays as it is"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.json", '{"milk": 2}', "“list.json” is not a preset of EmoFace."),
        ("cut.json", '{"emoface_preset": 1, "val', "“cut.json” is not a preset: "),
        (
            "mad.json",
            '{"emoface_preset": 1, "values": {"intensity": 0.1, "emotion": "mad"}}',
            'The preset “mad” gives “emotion” the value "mad", which it cannot have.',
        ),
    ],
)
def test_a_wrong_file_is_one_sentence_and_changes_nothing(
    window: Desktop, name: str, text: str, said: str
) -> None:
    before = points(window), emotion(window), window.ask("presets")
    (home(window) / name).write_text(text)
    window.push("emoface.import_preset", across=IMPORT)
    window.pick_file(name)
    assert window.ask("said").startswith(said)
    picture(window, f"wrong-{name.removesuffix('.json')}")
    window.press("Escape")  # Blender's message
    assert moved(points(window), before[0]) == 0
    assert (emotion(window), window.ask("presets")) == before[1:]


def test_a_preset_is_removed_after_it_was_asked(window: Desktop) -> None:
    def menu(*answer: str, done: list[str]) -> None:
        def over() -> bool:
            picture(window, "remove")
            window.press(*answer)
            return window.ask("presets") == done

        window.menu("emoface.save_preset", REMOVE, "m", over)

    assert window.ask("presets") == ["Mara"]
    menu("Escape", done=["Mara"])
    menu("Return", done=[])
    assert window.ask("said") == "“Mara” is removed"


def test_the_mesh_of_a_linked_character_is_made_local(window: Desktop) -> None:
    def linked() -> bool:
        return window.ask("value", path=f"{CHOSEN}.data.library") != "None"

    window.ask("set_the_scene")
    window.find("emoface.animate")  # our panel was looked at
    window.ask("link_a_character")
    assert linked()
    assert "EmoFace Head Jaw" not in window.ask("visible"), "which was hidden in its own file"
    picture(window, "linked")
    window.push("emoface.make_mesh_local")
    assert not linked()
    assert window.ask("value", path=f"{CHOSEN}.override_library") != "None", "the head still is"
    undo(window)
    window.wait(linked, 20)
    window.press("ctrl+shift+z")
    window.wait(lambda: not linked(), 20)
    rest = points(window)
    animate(window)
    assert moved(points(window), rest) > 1
    picture(window, "linked-speaks")
