# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in a panel: broken into lines that its width has room for."""

from bpy.types import Context, UILayout

_CHARACTERS_A_PIXEL = 1 / 7  # of Blender's interface font at scale 1, nearly


def characters(context: Context, part: float = 1.0) -> int:
    """How many fit into a line of the panel that is drawn, or into a part of its width."""
    scale = context.preferences.system.ui_scale
    return max(16, int((part * context.region.width / scale - 70) * _CHARACTERS_A_PIXEL))


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words, `width` characters long; what is longer itself, a path, is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += [word[at : at + width] for at in range(0, len(word), width)]
    return lines


def message(
    layout: UILayout,
    context: Context,
    text: str,
    *more: str,
    icon: str,
    alert: bool = False,
    part: float = 1.0,
) -> UILayout:
    """A box with sentences that are broken to the panel's width, or to a part of it.

    Returns it for more. The first sentence has the icon, and is red if it is an alert.
    """
    column = layout.box().column(align=True)
    width = characters(context, part)
    for number, line in enumerate(wrap(text, width)):
        row = column.row()
        row.alert = alert
        row.label(text=line, icon=icon if number == 0 else "BLANK1")
    for sentence in more:
        for line in wrap(sentence, width):
            column.label(text=line, icon="BLANK1")
    return column
