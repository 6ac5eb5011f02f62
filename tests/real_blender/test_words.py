# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a line by mouse and keyboard: typed, listed, gone to, muted, undone."""

from __future__ import annotations

import time

import numpy as np

from .conftest import PICTURES
from .desktop import Desktop
from .programs import Program

FACE = 'bpy.data.objects["EmoFace Head"].emoface'
TEXT = "produced the block books, which were the immediate predecessors of the true printed book,"


def points(window: Desktop, frame: int) -> np.ndarray:
    """(5023, 3) millimetres."""
    window.ask("show", frame=frame)
    return np.reshape(window.ask("points"), (-1, 3))


def moved(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=1).max())


def test_the_words_of_a_line(installed: Program) -> None:
    with Desktop(installed, f":{90 + int(installed.version[0])}") as window:
        window.ask("set_the_scene")
        window.wait(lambda: window.ask("show_tab"), 60)
        window.unfold("EMOFACE_PT_words")
        window.write(".emoface.text", TEXT)
        assert window.ask("value", path=f"{FACE}.text") == TEXT
        window.push("emoface.animate")
        window.wait(lambda: window.state()["baked"] and not window.state()["job"], 180)
        assert window.state()["failure"] == ""

        # "books" is muted by the mark at its left, and gone to by a click on it.
        books = window.ask("value", path=f"{FACE}.words[3].first")
        assert window.ask("value", path=f"{FACE}.words[3].text") == "books,"
        spoken, later = points(window, books + 4), points(window, books + 60)
        x, y = window.find("words[3].mute", across=0.1)
        window.click(x, y)
        assert window.ask("value", path=f"{FACE}.words[3].mute") is True
        muted = points(window, books + 4)
        assert moved(muted, spoken) > 1
        assert moved(points(window, books + 60), later) < 0.01
        left, _, width, _ = window.area()
        for patience in (0.5, 1, 2):  # a click may be lost on a busy machine
            window.click(left + 0.35 * width, y)
            time.sleep(patience)
            if window.state()["frame"] == books:
                break
        assert window.state()["frame"] == books
        window.middle()
        time.sleep(1)
        window.picture(PICTURES / f"{installed.version}-words.png")

        # A louder word, by its slider's own field.
        window.push("words[3].strength", across=0.8)
        window.press("ctrl+a")
        window.type("1.5")
        window.press("Return")
        assert window.ask("value", path=f"{FACE}.words[3].strength") == 1.5

        # Undone: the number, the frame that a click went to, the mark.
        window.middle()
        for _ in range(6):
            if window.ask("value", path=f"{FACE}.words[3].mute") is False:
                break
            window.press("ctrl+z")
            time.sleep(0.5)
        assert window.ask("value", path=f"{FACE}.words[3].mute") is False
        assert moved(points(window, books + 4), spoken) < 0.01
        assert window.quit() == 0
