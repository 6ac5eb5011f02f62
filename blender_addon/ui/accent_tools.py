# SPDX-License-Identifier: GPL-3.0-or-later
"""Accents: words that are stressed and noises that are muted; their buttons and sub-panel."""

from typing import Any, ClassVar

import bpy
from bpy.types import Context, Object, Operator, Panel, UILayout, UIList

from emoface_core.errors import InputError

from ..control import live
from ..control.properties import chosen_face
from ..scene import target
from .cue_tools import is_face
from .explained import Explained

_SECONDS = 0.4  # of a new accent: about a word


def _face(context: Context) -> Object:
    return target.check(chosen_face(context))


class EMOFACE_OT_add_accent(Explained, Operator):
    """Stress or mute what is spoken from the current frame on, or in the preview range if it is on"""  # noqa: E501  # one tooltip

    bl_idname = "emoface.add_accent"
    bl_label = "Add Accent"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a face."""
        _face(context)

    def execute(self, context: Context) -> set[str]:
        """Add it, of a strength that can be seen."""
        face, scene = _face(context), context.scene
        first = scene.frame_current
        last = first + round(_SECONDS * scene.render.fps / scene.render.fps_base)
        if scene.use_preview_range:
            first, last = scene.frame_preview_start, scene.frame_preview_end
        choices = face.emoface
        with live.together(face):
            accent = choices.accents.add()
            accent.first, accent.last, accent.strength = first, last, 1.3
            choices.active_accent = len(choices.accents) - 1
        return {"FINISHED"}


class EMOFACE_OT_remove_accent(Explained, Operator):
    """Remove the selected accent"""

    bl_idname = "emoface.remove_accent"
    bl_label = "Remove Accent"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """One must be selected."""
        choices = _face(context).emoface
        if not 0 <= choices.active_accent < len(choices.accents):
            raise InputError("No accent is selected.", "Add one, or select one in the list.")

    def execute(self, context: Context) -> set[str]:
        """Remove it; the next one is selected."""
        face = _face(context)
        choices = face.emoface
        with live.together(face):
            choices.accents.remove(choices.active_accent)
            choices.active_accent = max(0, min(choices.active_accent, len(choices.accents) - 1))
        return {"FINISHED"}


class EMOFACE_UL_accents(UIList):
    """Accents in the order of their frames."""

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
        """Frames and strength."""
        row = layout.row(align=True)
        row.prop(item, "first", text="", emboss=False)
        row.prop(item, "last", text="", emboss=False)
        row.prop(item, "strength", text="", emboss=False, slider=True)

    def filter_items(self, _context: Context, data: Any, name: str) -> tuple[list[int], list[int]]:
        """By their first frame."""
        frames = [(number, item.first) for number, item in enumerate(getattr(data, name))]
        return [], bpy.types.UI_UL_list.sort_items_helper(frames, key=lambda pair: pair[1])


class EMOFACE_PT_accents(Panel):
    """Strength of the speech over time."""

    bl_idname = "EMOFACE_PT_accents"
    bl_label = "Accents"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "EmoFace"
    bl_parent_id = "EMOFACE_PT_speech_style"
    bl_options: ClassVar = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Only for a face that can be animated."""
        return is_face(context)

    def draw(self, context: Context) -> None:
        """The list, and the selected accent below it."""
        layout = self.layout
        choices = chosen_face(context).emoface
        row = layout.row()
        row.template_list(
            "EMOFACE_UL_accents", "", choices, "accents", choices, "active_accent", rows=2
        )
        column = row.column(align=True)
        column.operator("emoface.add_accent", text="", icon="ADD")
        column.operator("emoface.remove_accent", text="", icon="REMOVE")
        if 0 <= choices.active_accent < len(choices.accents):
            accent = choices.accents[choices.active_accent]
            column = layout.column()
            column.use_property_split = True
            column.use_property_decorate = False
            for name in ("first", "last", "ease"):
                column.prop(accent, name)
            column.prop(accent, "strength", slider=True)


CLASSES = (
    EMOFACE_OT_add_accent,
    EMOFACE_OT_remove_accent,
    EMOFACE_UL_accents,
    EMOFACE_PT_accents,
)
