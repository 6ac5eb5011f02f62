# SPDX-License-Identifier: GPL-3.0-or-later
"""What was changed after a bake stands in the panel until it is mended, by mouse and keyboard."""

from __future__ import annotations

from .conftest import PICTURES
from .desktop import Desktop
from .programs import Program

MOVED = "“voice” is heard 30 frames later than the face speaks it"
GONE = "“EmoFace Head” speaks “voice”, which is not in the sequencer any more."


def animate(window: Desktop, said: str) -> None:
    window.push("emoface.animate")
    window.wait(lambda: said in window.ask("told"), 180)
    assert window.state()["failure"] == ""


def test_a_strip_is_moved_and_renamed(installed: Program) -> None:
    with Desktop(installed, f":{90 + int(installed.version[0])}") as window:
        window.ask("set_the_scene")
        window.wait(lambda: window.ask("show_tab"), 60)
        animate(window, "Frames 11–138")
        window.ask("move_strip", frames=30)
        assert MOVED in window.ask("told")
        window.middle()
        window.picture(PICTURES / f"{installed.version}-moved.png")
        animate(window, "Frames 41–168")
        assert MOVED not in window.ask("told")
        window.ask("rename_strip", name="voice 2")
        assert GONE in window.ask("told")
        window.middle()
        window.picture(PICTURES / f"{installed.version}-gone.png")
        window.write(".emoface.strip", "voice 2")
        assert GONE not in window.ask("told")
        animate(window, "Speaks “voice 2”")
        assert window.quit() == 0
