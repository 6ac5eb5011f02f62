# SPDX-License-Identifier: GPL-3.0-or-later
"""The main panel says what the face feels at this frame: its own emotion, or a cue's."""

from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from blender_addon.control import live
from blender_addon.ui import panels

from ..conftest import add_face

pytestmark = pytest.mark.usefixtures("addon")


class Layout:
    """What a panel draws: the properties and the texts."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def prop(self, _owner: Any, name: str, **_: Any) -> None:
        self.shown.append(name)

    def label(self, text: str, **_: Any) -> None:
        self.shown.append(text)

    def column(self, **_: Any) -> "Layout":
        return self

    box = row = column


def drawn(face: bpy.types.Object, frame: int) -> list[str]:
    bpy.context.scene.frame_set(frame)
    context = SimpleNamespace(
        scene=bpy.context.scene,
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
        region=SimpleNamespace(width=1000),
    )
    layout = Layout()
    panels.draw_emotion(layout, context, face, None)
    return layout.shown


def add_cue(face: bpy.types.Object, frame: int, emotion: str, second: str = live.NONE) -> None:
    cue = face.emoface.cues.add()
    cue.frame, cue.emotion, cue.second = frame, emotion, second


def test_cues_rule_from_the_first_one_on() -> None:
    face = add_face()
    face.emoface.emotion = "sad"
    own = ["emotion", "preference", "intensity"]
    assert drawn(face, 50) == own
    add_cue(face, 40, "auto", "angry")  # not in the order of their frames
    add_cue(face, 12, "happy")
    assert drawn(face, 11) == own, "before the first cue the face's own emotion holds"
    assert drawn(face, 12) == ["Emotion by cues: happy from frame 12 to 39", "intensity"]
    assert drawn(face, 39) == drawn(face, 12)
    voice = "Emotion by cues: from the voice and angry from frame 40"
    assert drawn(face, 40) == [voice, "intensity"]
    face.emoface.cues.clear()
    assert drawn(face, 40) == own
