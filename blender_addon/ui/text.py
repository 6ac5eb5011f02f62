# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in a panel: broken into lines that its width has room for."""

from bpy.types import Context, UILayout

_CHARACTERS_A_PIXEL = 1 / 7  # of Blender's interface font at scale 1, nearly


def characters(context: Context) -> int:
    """How many fit into a line of the panel that is drawn."""
    scale = context.preferences.system.ui_scale
    return max(16, int((context.region.width / scale - 70) * _CHARACTERS_A_PIXEL))


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words, `width` characters long where words allow."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def message(
    layout: UILayout,
    context: Context,
    text: str,
    hint: str,
    *,
    icon: str,
    alert: bool = False,
) -> UILayout:
    """A box with text that is broken to the panel's width; returns it for more."""
    column = layout.box().column(align=True)
    width = characters(context)
    for number, line in enumerate(wrap(text, width)):
        row = column.row()
        row.alert = alert
        row.label(text=line, icon=icon if number == 0 else "BLANK1")
    for line in wrap(hint, width):
        row = column.row()
        row.label(text=line, icon="BLANK1")
    return column
