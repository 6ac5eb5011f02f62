# SPDX-License-Identifier: GPL-3.0-or-later
"""A face's lists of things at frames, cues and accents: choosing, adding, removing, drawing.

Each `kind` of thing is a collection and the number of the selected one: `cues`, `active_cue`.
"""

from typing import Any, ClassVar

import bpy
from bpy.types import Context, UILayout

from emoface_core.errors import InputError


def selected(choices: Any, kind: str) -> Any | None:
    """The selected one of a face's choices; None if there is none."""
    items, active = getattr(choices, f"{kind}s"), getattr(choices, f"active_{kind}")
    return items[active] if 0 <= active < len(items) else None


def check_selected(choices: Any, kind: str) -> Any:
    """The selected one. InputError if there is none."""
    item = selected(choices, kind)
    if item is None:
        raise InputError(f"No {kind} is selected.", "Add one, or select one in the list.")
    return item


def add(choices: Any, kind: str) -> Any:
    """A new one, which is selected."""
    items = getattr(choices, f"{kind}s")
    item = items.add()
    setattr(choices, f"active_{kind}", len(items) - 1)
    return item


def remove(choices: Any, kind: str) -> None:
    """Remove the selected one; the next one is selected."""
    items, active = getattr(choices, f"{kind}s"), getattr(choices, f"active_{kind}")
    items.remove(active)
    setattr(choices, f"active_{kind}", max(0, min(active, len(items) - 1)))


class ByFrame:
    """Mixin for UILists: a few values in a row, in the order of the first, which is a frame."""

    shown: ClassVar[tuple[str, ...]]  # of each item; the last one is a strength

    def draw_item(
        self,
        _context: Context,
        layout: UILayout,
        _data: Any,
        item: Any,
        _icon: int,
        _active_data: Any,
        _active_property: str,
    ) -> None:
        """One row."""
        row = layout.row(align=True)
        for name in self.shown:
            row.prop(item, name, text="", emboss=False, slider=name == self.shown[-1])

    def filter_items(self, _context: Context, data: Any, name: str) -> tuple[list[int], list[int]]:
        """By frame."""
        frames = [(n, getattr(item, self.shown[0])) for n, item in enumerate(getattr(data, name))]
        return [], bpy.types.UI_UL_list.sort_items_helper(frames, key=lambda pair: pair[1])


def draw(layout: UILayout, choices: Any, kind: str, rows: int) -> UILayout:
    """The list with its buttons; returns their column for more."""
    row = layout.row()
    listed = (choices, f"{kind}s", choices, f"active_{kind}")
    row.template_list(f"EMOFACE_UL_{kind}s", "", *listed, rows=rows, maxrows=8)
    column = row.column(align=True)
    column.operator(f"emoface.add_{kind}", text="", icon="ADD")
    column.operator(f"emoface.remove_{kind}", text="", icon="REMOVE")
    return column
