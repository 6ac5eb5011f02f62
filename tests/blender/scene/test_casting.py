# SPDX-License-Identifier: GPL-3.0-or-later
"""Which strip goes to which face."""

from pathlib import Path

import bpy
import pytest

from blender_addon import compat
from blender_addon.control import properties
from blender_addon.scene.casting import Role, cast, cast_scene

from ..conftest import add_face
from .test_strips import needs_sound, write_wav

TWO = ["Anna", "Ben"]


@pytest.mark.parametrize(
    ("strip", "channel", "faces", "face"),
    [
        ("Anna_010", "Channel 1", TWO, "Anna"),
        ("anna010", "Channel 1", TWO, "Anna"),
        ("sh040 ANNA take2.001", "Channel 1", TWO, "Anna"),
        ("Ben", "Anna", TWO, "Ben"),
        ("dialogue", "Anna", TWO, "Anna"),
        ("Joanna_010", "Channel 1", TWO, ""),
        ("Anna and Ben", "Channel 1", TWO, ""),
        ("Anna Maria 3", "Channel 1", ["Anna", "Anna Maria"], "Anna Maria"),
        ("Anna_3", "Channel 1", ["Anna", "Anna Maria"], "Anna"),
        ("Anna_001", "Channel 1", ["Anna", "Anna.001"], ""),
        ("Anna.001", "Channel 1", ["Anna", "Anna.001"], "Anna.001"),
        ("Straße_4", "Channel 1", ["STRASSE", "Ben"], "STRASSE"),
        ("安娜_010", "Channel 1", ["安娜", "本"], "安娜"),
        ("Ёлка 7", "Channel 1", ["ёлка", "Ben"], "ёлка"),
        ("music", "Channel 1", ["Ben"], "Ben"),
        ("music", "Channel 1", TWO, ""),
        ("music", "Channel 1", [], ""),
        ("...", "…", TWO, ""),
    ],
)
def test_by_name(strip: str, channel: str, faces: list[str], face: str) -> None:
    found = cast(strip, channel, faces, {})
    assert found.face == face
    assert bool(found.reason) == (face == "")


def test_a_faces_own_choice_comes_first() -> None:
    assert cast("Anna_010", "Ben", TWO, {"Anna_010": "Ben"}) == Role("Anna_010", "Ben")


@needs_sound
def test_a_scene(tmp_path: Path) -> None:
    properties.register()
    try:
        anna, ben = add_face("Anna"), add_face("Ben")
        scene = bpy.context.scene
        sound = str(write_wav(tmp_path / "a.wav", 1.0))
        for frame, name in enumerate(["Anna_1", "Ben_1", "silent Ben", "line", "music"]):
            compat.new_sound_strip(scene, name, sound, frame + 1, 1)
        by_name = {s.name: s for s in compat.top_strips(scene.sequence_editor)}
        by_name["silent Ben"].mute = True
        anna.emoface.source, anna.emoface.strip = "STRIP", "line"
        roles = {role.strip: role.face for role in cast_scene(scene, scene)}
        assert roles == {"Anna_1": "Anna", "Ben_1": "Ben", "line": "Anna", "music": ""}
        for strip in by_name.values():
            strip.select = strip.name in {"silent Ben", "Ben_1"}
        chosen = {role.strip: role.face for role in cast_scene(scene, scene, selected=True)}
        assert chosen == {"Ben_1": "Ben", "silent Ben": ben.name}
    finally:
        properties.unregister()
