# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who has never seen EmoFace, in Blender as it starts: only what the interface shows."""

from __future__ import annotations

import time

import numpy as np

from .conftest import PICTURES
from .desktop import Desktop
from .programs import Program

FACE = 'bpy.data.objects["EmoFace Head"].emoface'


def points(window: Desktop, frame: int) -> np.ndarray:
    """(5023, 3) millimetres."""
    window.ask("show", frame=frame)
    return np.reshape(window.ask("points"), (-1, 3))


def go_to(window: Desktop, part: float) -> int:
    """Click into the timeline; returns the frame that it went to."""
    left, top, width, _ = window.area("DOPESHEET_EDITOR", "WINDOW")
    window.click(left + part * width, top + 10 * window.scale)
    return window.state()["frame"]


def test_from_the_zip_to_a_rendered_frame(installed: Program) -> None:
    name = f"{installed.version}-stranger"
    with Desktop(installed, f":{80 + int(installed.version[0])}") as window:
        # The sidebar, its tab, and our head beside Blender's cube.
        window.middle()
        window.press("n")
        window.open_tab("EmoFace")
        time.sleep(1)
        window.picture(PICTURES / f"{name}-1-start.png")
        window.push("emoface.add_head")
        window.wait(lambda: "EmoFace Head" in window.state()["objects"], 20)
        window.middle()
        window.press("KP_Decimal", "KP_1")  # View › Frame Selected, Viewpoint › Front

        # The sound, by its path.
        window.push(".source", across=0.75)
        window.wait(lambda: window.ask("value", path=f"{FACE}.source") == "FILE", 10)
        window.write(".file", "/tmp/emoface/voice.flac")
        window.push("emoface.animate")
        window.wait(lambda: window.state()["baked"] and not window.state()["job"], 180)
        assert window.state()["failure"] == ""

        # Two shots, an emotion each.
        window.unfold("EMOFACE_PT_cues")
        shots = []
        for part, letter, emotion in ((0.12, "h", "happy"), (0.3, "a", "angry")):
            shots.append(go_to(window, part))
            number = len(shots) - 1
            while window.ask("cues") < len(shots):  # a click may be lost on a busy machine
                window.push("emoface.add_cue", across=0.84)
            window.choose(f"{FACE}.cues[{number}].emotion", letter, emotion)
        assert 0 < shots[0] < shots[1] < 120, "within the sound"
        time.sleep(1)
        window.picture(PICTURES / f"{name}-2-cues.png")

        window.ask("set_scale", scale=2.0)
        time.sleep(3)
        window.picture(PICTURES / f"{name}-large.png")
        window.ask("set_scale", scale=1.0)
        time.sleep(1)

        # The intensity, keyed as everything is in Blender: the pointer over it, and I.
        end = go_to(window, 0.4)
        window.hover(*window.find("emoface_intensity"))
        window.press("i")
        window.wait(lambda: window.ask("keys_of_intensity") == [end], 10)

        # A picture.
        window.ask("use_workbench")  # this machine has no graphics card
        angry = points(window, end)
        window.middle()
        # View › Align View › Align Active Camera to View; its Alt would stick on this keyboard.
        window.ask("camera_to_view")
        window.press("F12")
        window.wait(lambda: window.ask("rendered"), 180)
        assert window.ask("save_render", path="/tmp/emoface/render.png") > 20, "it shows something"
        (PICTURES / f"{name}-3-render.png").write_bytes((window.folder / "render.png").read_bytes())
        happy = points(window, (shots[0] + shots[1]) // 2)
        assert np.linalg.norm(angry - happy, axis=1).max() > 1
        assert window.quit() == 0
