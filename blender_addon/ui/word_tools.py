# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that were heard: what is said, when, how strongly; and the text that finds them."""

from typing import Any, ClassVar

from bpy.types import Context, Operator, Panel, UILayout, UIList

from emoface_core.errors import InputError

from ..control import live
from ..control.properties import chosen_face, usable_face
from ..control.words import moved_by
from ..curves.words import DOUBTFUL
from ..layers import ownership
from . import lists
from .explained import Explained
from .sidebar import FacePanel, values


class EMOFACE_OT_reset_words(Explained, Operator):
    """Give all words their own strength again"""

    bl_idname = "emoface.reset_words"
    bl_label = "Reset All"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """One of them must have another."""
        if not any(item.mute or item.strength != 1 for item in usable_face(context).emoface.words):
            raise InputError("All words are as they were spoken.")

    def execute(self, context: Context) -> set[str]:
        """Strength 1, nothing muted."""
        face = usable_face(context)
        with live.together(face):
            for item in face.emoface.words:
                item.strength, item.mute = 1.0, False
        return {"FINISHED"}


class EMOFACE_UL_words(UIList):
    """Words in their order: heard or muted, what, from which frame, how strongly."""

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
        """One row. Its word is a label, so that a click on it chooses the word."""
        row = layout.row(align=True)
        row.active = not item.mute
        row.prop(item, "mute", text="", icon="MUTE_IPO_OFF" if item.mute else "MUTE_IPO_ON",
                 emboss=False, invert_checkbox=True)  # fmt: skip
        split = row.split(factor=0.62)
        split.label(text=named(item), icon="ERROR" if doubtful(item) else "NONE")
        right = split.split(factor=0.45)
        right.label(text=str(item.first + round(moved_by(item.id_data))))
        right.prop(item, "strength", text="", emboss=False, slider=True)

    def filter_items(self, _context: Context, data: Any, name: str) -> tuple[list[int], list[int]]:
        """Those in which the searched letters stand."""
        wanted = self.filter_name.casefold()
        shown = [
            self.bitflag_filter_item if wanted in named(item).casefold() else 0
            for item in getattr(data, name)
        ]
        return shown, []


def named(item: Any) -> str:
    """The word, or what was heard of a phrase."""
    return item.text or f"/{item.phones}/"


def doubtful(item: Any) -> bool:
    """Whether the written word is hardly heard."""
    return bool(item.text) and item.fit < DOUBTFUL


class EMOFACE_PT_words(FacePanel, Panel):
    """What was heard, and where longer texts are."""

    bl_idname = "EMOFACE_PT_words"
    bl_label = "Words"
    bl_order = 13

    def draw(self, context: Context) -> None:
        """The text, the list, and the selected word below it."""
        layout, face = self.layout, chosen_face(context)
        choices = face.emoface
        values(layout).prop(choices, "text_block", text="Text from")
        if ownership.record_of(face) is None:
            return
        if not choices.words:
            layout.label(text="No speech was heard", icon="INFO")
            return
        listed = (choices, "words", choices, "active_word")
        layout.template_list("EMOFACE_UL_words", "", *listed, rows=4, maxrows=8)
        word = lists.selected(choices, "word")
        column = values(layout)
        if word is not None:
            if word.text:
                column.label(text=f"Heard: /{word.phones}/")
            if doubtful(word):
                column.label(text="This word is hardly heard here", icon="ERROR")
            column.prop(word, "strength", slider=True)
            column.prop(word, "mute")
        column.operator("emoface.reset_words", icon="LOOP_BACK")


CLASSES = (EMOFACE_OT_reset_words, EMOFACE_UL_words, EMOFACE_PT_words)
