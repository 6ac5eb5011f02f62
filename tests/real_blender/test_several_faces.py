# SPDX-License-Identifier: GPL-3.0-or-later
"""Several faces by mouse and keyboard: listed, given strips, started, cancelled, tried again.

Then what goes from one to another: presets, styles; and where a bake plays.
"""

from __future__ import annotations

import time
import wave
from collections.abc import Iterator

import numpy as np
import pytest

from emoface_core.audio.files import read_audio

from .conftest import CLIP, PICTURES
from .desktop import EDGE, SMALL, Desktop
from .programs import Program

LINES = {"Anna": 40, "Ben": 1}  # how often each says the clip: time to cancel the first
LISTED = [["Anna line", "Anna"], ["Ben line", "Ben"]]
ANNA, BEN = (f'bpy.data.objects["{name}"].emoface' for name in LINES)


@pytest.fixture(scope="module")
def window(installed: Program) -> Iterator[Desktop]:
    """One window for all of these tests: two heads, and a strip for each."""
    opened = Desktop(installed, f":{60 + int(installed.version[0])}")
    samples = (read_audio(CLIP) * 32767).astype("<i2")
    for name, times in LINES.items():
        with wave.open(str(opened.folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(np.tile(samples, times).tobytes())
    with opened:
        opened.ask("set_two_faces")
        opened.wait(lambda: opened.ask("show_tab"), 60)
        yield opened
        assert opened.quit() == 0


def cast(window: Desktop) -> list[list[str]]:
    """Each row's strip and who speaks it."""
    return [row[:2] for row in window.ask("rows")]


def states(window: Desktop) -> list[str]:
    return [row[2] for row in window.ask("rows")]


def over(window: Desktop) -> bool:
    return not {"waiting", "running", ""} & set(states(window))


def begin(window: Desktop, button: str) -> float:
    """Press it, and see the queue under way; the height of the button."""
    x, y = window.find(button)
    window.click(x, y)
    window.wait(lambda: "running" in states(window), 30)
    return y


def points(window: Desktop, name: str, frame: int = 60) -> np.ndarray:
    """(5023, 3) millimetres."""
    window.ask("show", frame=frame)
    return np.reshape(window.ask("points", name=name), (-1, 3))


def moved(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=1).max())


def picture(window: Desktop, name: str) -> None:
    time.sleep(1)
    window.picture(PICTURES / f"{window.program.version}-{name}.png")


def test_strips_are_listed_with_the_faces_of_their_names(window: Desktop) -> None:
    window.unfold("EMOFACE_PT_batch")
    window.push("emoface.list_strips", across=0.65)
    assert cast(window) == LISTED


def test_only_the_selected_strips_are_listed(window: Desktop) -> None:
    window.ask("select_strips", names=["Ben line"])
    window.push("emoface.list_strips", across=0.3)
    assert cast(window) == [["Ben line", "Ben"]]
    window.push("emoface.list_strips", across=0.65)
    assert cast(window) == LISTED


def test_a_row_is_given_to_another_face_to_nobody_and_taken_off(window: Desktop) -> None:
    for name, typed in (("Anna", "an"), ("Ben", "be")):
        window.push("rows[1].face", across=0.55)
        time.sleep(0.5)
        picture(window, f"queue-0-{name}")
        window.press("ctrl+a")
        window.type(typed)
        window.press("Return")
        assert cast(window) == [LISTED[0], ["Ben line", name]]
    x, row = window.find("rows[1].face", across=0.69)
    window.click(x, row)  # the cross that clears it
    assert cast(window) == [LISTED[0], ["Ben line", ""]]
    left, _, width, _ = window.area()
    window.click(left + 0.2 * width, row)
    window.push("emoface.remove_row", across=EDGE)
    assert cast(window) == LISTED[:1]


def load_table(window: Desktop, *lines: str) -> str:
    """Lines of strip, object, emotion; what Blender says after that table."""
    table = "\n".join(("strip,object,emotion", *lines))
    (window.folder / "home" / "shots.csv").write_text(table)
    window.push("emoface.load_table", across=EDGE)
    window.pick_file("shots.csv")
    return window.ask("said")


def emotions(window: Desktop) -> list[str]:
    return [window.ask("value", path=f"{face}.emotion") for face in (ANNA, BEN)]


def test_a_wrong_line_of_a_table_is_named_and_loses_nothing(window: Desktop) -> None:
    said = load_table(window, "Anna line,Anna,angry", "Ben line,Ben,furious")
    assert said.startswith("“shots.csv”, line 3: There is no emotion “furious”.")
    picture(window, "table-1-wrong")
    window.press("Escape")  # Blender's message
    assert cast(window) == LISTED[:1]
    assert emotions(window) == ["auto", "auto"]


def test_a_table_lists_its_strips_and_gives_their_faces_emotions(window: Desktop) -> None:
    said = load_table(window, "Anna line,Anna,angry", "Ben line,Ben,sad")
    assert said == "shots.csv: 2 strips"
    assert cast(window) == LISTED
    assert emotions(window) == ["angry", "sad"]
    picture(window, "table-2-loaded")
    window.middle()
    window.press("ctrl+z")
    window.wait(lambda: emotions(window) == ["auto", "auto"], 20)
    assert cast(window) == LISTED, "the list is no part of the file"


def test_all_of_it_can_be_cancelled(window: Desktop) -> None:
    start = begin(window, "emoface.animate_all")
    window.push("emoface.cancel_all", across=EDGE, below=start - 30)
    window.wait(lambda: over(window), 60)
    assert states(window) == ["cancelled", "cancelled"]
    assert [window.ask("keys_of", name=name)[0] for name in LINES] == [0, 0]


def test_one_that_waits_can_be_left_out(window: Desktop) -> None:
    _, row = window.find("rows[1].face", across=0.55)
    left, _, width, _ = window.area()
    window.click(left + 0.2 * width, row)
    begin(window, "emoface.retry")
    window.push("emoface.cancel_row", across=EDGE, below=row - 90)
    picture(window, "queue-1-running")
    window.wait(lambda: over(window), 300)
    assert states(window) == ["done", "cancelled"]
    assert [bool(window.ask("keys_of", name=name)[0]) for name in LINES] == [True, False]
    picture(window, "queue-2-left-out")


def test_what_fails_is_told_and_tried_again(window: Desktop) -> None:
    sound = window.folder / "Ben.wav"
    away = sound.rename(sound.with_name("away.wav"))
    window.push("emoface.retry")
    window.wait(lambda: states(window)[1] == "failed", 60)
    assert "Ben.wav" in window.ask("rows")[1][3]
    picture(window, "queue-3-failed")
    for scale in (2.0, 1.0):
        window.ask("set_scale", scale=scale)
        time.sleep(2)
        if scale == 2:
            window.scroll(24)
            picture(window, "queue-4-large")
    away.rename(sound)
    before = points(window, "Anna")
    window.push("emoface.retry")
    window.wait(lambda: states(window) == ["done", "done"], 180)
    assert moved(points(window, "Anna"), before) == 0, "what is done stays"
    window.middle()
    window.press("ctrl+z")
    window.wait(lambda: window.ask("keys_of", name="Ben")[0] == 0, 20)
    assert window.ask("keys_of", name="Anna")[0], "a face is a step of its own"
    window.press("ctrl+shift+z")
    window.wait(lambda: window.ask("keys_of", name="Ben")[0], 20)


def choose_face(window: Desktop, name: str) -> None:
    """Click on a head in the 3D view."""
    left, top, _, height = window.area(kind="WINDOW")
    x, y = window.ask("on_screen", name=name)
    window.click(left + x, top + height - y)
    assert window.ask("selected") == [name]


def test_a_preset_is_saved_and_given_to_another(window: Desktop) -> None:
    choose_face(window, "Anna")
    window.unfold("EMOFACE_PT_presets")
    window.choose(f"{ANNA}.emotion", "a", "angry")
    window.push("emoface.save_preset", across=SMALL)
    time.sleep(1)
    picture(window, "preset-1-save")
    window.type("Mara")
    window.press("Return", "Return")
    window.wait(lambda: window.ask("presets") == ["Mara"], 10)
    choose_face(window, "Ben")
    before = points(window, "Ben")
    window.menu(
        "emoface.save_preset",
        0.4,
        "m",
        lambda: window.ask("value", path=f"{BEN}.emotion") == "angry",
    )
    assert moved(points(window, "Ben"), before) > 1, "at once"
    picture(window, "preset-2-applied")


def test_a_style_is_copied_to_another_character(window: Desktop) -> None:
    window.choose(f"{BEN}.emotion", "s", "sad")
    window.middle()
    window.press("a")  # all; Ben stays the active one
    assert window.ask("selected")[:2] == ["Ben", "Anna"]
    before = points(window, "Anna")
    window.push("emoface.copy_style")
    window.wait(lambda: window.ask("value", path=f"{ANNA}.emotion") == "sad", 10)
    assert moved(points(window, "Anna"), before) > 1
    picture(window, "preset-3-copied")


def test_layers_move_from_tracks_to_one_action_and_back(window: Desktop) -> None:
    choose_face(window, "Ben")
    window.unfold("EMOFACE_PT_layers")
    before = points(window, "Ben")
    assert window.ask("keys_of", name="Ben")[1] == "NLA"
    picture(window, "layers-1-tracks")
    window.push(".into", across=0.85)
    window.wait(lambda: window.ask("keys_of", name="Ben")[1] == "ACTION", 10)
    assert moved(points(window, "Ben"), before) < 0.001
    picture(window, "layers-2-action")
    window.middle()
    window.press("ctrl+z")
    window.wait(lambda: window.ask("keys_of", name="Ben")[1] == "NLA", 20)
    assert moved(points(window, "Ben"), before) < 0.001


def test_what_could_not_move_moves_by_its_button(window: Desktop) -> None:
    before = points(window, "Ben")
    window.ask("add_my_action", name="Ben")
    window.push(".into", across=0.85)
    assert window.ask("value", path=f"{BEN}.into") == "ACTION"
    assert window.ask("keys_of", name="Ben")[1] == "NLA", "mine is not replaced"
    assert "emoface.move_bake" not in window.ask("drawn")
    picture(window, "layers-3-why-not")
    window.ask("push_my_action_down", name="Ben")
    window.push("emoface.move_bake")
    assert window.ask("keys_of", name="Ben")[1] == "ACTION"
    assert moved(points(window, "Ben"), before) < 0.001
    window.middle()
    window.press("ctrl+z")
    window.wait(lambda: window.ask("keys_of", name="Ben")[1] == "NLA", 20)
    assert moved(points(window, "Ben"), before) < 0.001
    picture(window, "layers-4-to-be-moved")


def test_a_curve_edited_by_hand_is_kept_and_the_message_dismissed(window: Desktop) -> None:
    def told() -> bool:
        return "emoface.dismiss_kept" in window.ask("drawn")

    window.ask("edit_a_curve", name="Ben", key="emoface.speech.jawOpen")
    assert not told()
    window.choose(f"{BEN}.emotion", "h", "happy")
    assert told()
    picture(window, "layers-5-kept")
    window.push("emoface.dismiss_kept")
    assert not told()
    assert window.ask("value", path='bpy.data.actions["EmoFace Ben Speech Edited"].use_fake_user')
    window.middle()
    window.press("ctrl+z")
    window.wait(told, 20)


def test_the_cross_beside_the_bar_cancels_and_leaves_the_old_bake(window: Desktop) -> None:
    choose_face(window, "Anna")
    before = points(window, "Anna")
    x, y = window.find("emoface.animate")
    window.click(x, y)
    window.wait(lambda: window.state()["job"], 60)
    window.push("emoface.cancel()", across=EDGE, below=y - 30)
    window.wait(lambda: not window.state()["job"], 60)
    assert window.state()["failure"] == ""
    assert moved(points(window, "Anna"), before) == 0
