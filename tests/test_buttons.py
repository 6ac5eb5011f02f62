# SPDX-License-Identifier: GPL-3.0-or-later
"""Every button of the add-on is pressed by a test in the real programs: none is added without."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
ADDON = TESTS.parent / "blender_addon"
BUTTON = re.compile(r'bl_idname = "emoface\.(\w+)"')
ITEMS = {"load_preset", "remove_preset"}  # of menus, chosen by their letters


def pressed(test: Path) -> Iterator[str]:
    """The names that a test hands to the hand on the mouse, as in `push("emoface.animate")`."""
    for call in ast.walk(ast.parse(test.read_text("utf-8"))):
        for given in call.args if isinstance(call, ast.Call) else ():
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield given.value.partition("(")[0].removeprefix("emoface.")


def test_every_button_is_pressed_in_a_real_window() -> None:
    sources = [path.read_text("utf-8") for path in ADDON.rglob("*.py")]
    buttons = {name for text in sources for name in BUTTON.findall(text)}
    assert len(buttons) > 30
    driven = {name for test in TESTS.glob("real_blender/test_*.py") for name in pressed(test)}
    assert buttons - driven - ITEMS == set()
