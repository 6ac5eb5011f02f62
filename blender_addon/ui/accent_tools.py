# SPDX-License-Identifier: GPL-3.0-or-later
"""Accents: words that are stressed and noises that are muted; their buttons and sub-panel."""

from typing import ClassVar

from bpy.types import Context, Operator, Panel, UIList

from ..control import live
from ..control.properties import chosen_face, usable_face
from . import lists
from .explained import Explained
from .sidebar import FacePanel, values

_SECONDS = 0.4  # of a new accent: about a word


class EMOFACE_OT_add_accent(Explained, Operator):
    """Stress or mute what is spoken from the current frame on, or in the preview range if it is on"""  # noqa: E501  # one tooltip

    bl_idname = "emoface.add_accent"
    bl_label = "Add Accent"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a face."""
        usable_face(context)

    def execute(self, context: Context) -> set[str]:
        """Add it, of a strength that can be seen."""
        face, scene = usable_face(context), context.scene
        first = scene.frame_current
        last = first + round(_SECONDS * scene.render.fps / scene.render.fps_base)
        if scene.use_preview_range:
            first, last = scene.frame_preview_start, scene.frame_preview_end
        choices = face.emoface
        with live.together(face):
            accent = lists.add(choices, "accent")
            accent.first, accent.last, accent.strength = first, last, 1.3
        return {"FINISHED"}


class EMOFACE_OT_remove_accent(Explained, Operator):
    """Remove the selected accent"""

    bl_idname = "emoface.remove_accent"
    bl_label = "Remove Accent"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """One must be selected."""
        lists.check_selected(usable_face(context).emoface, "accent")

    def execute(self, context: Context) -> set[str]:
        """Remove it; the next one is selected."""
        face = usable_face(context)
        with live.together(face):
            lists.remove(face.emoface, "accent")
        return {"FINISHED"}


class EMOFACE_UL_accents(lists.ByFrame, UIList):
    """Accents in the order of their frames."""

    shown = ("first", "last", "strength")


class EMOFACE_PT_accents(FacePanel, Panel):
    """Strength of the speech over time."""

    bl_idname = "EMOFACE_PT_accents"
    bl_label = "Accents"
    bl_parent_id = "EMOFACE_PT_speech_style"

    def draw(self, context: Context) -> None:
        """The list, and the selected accent below it."""
        choices = chosen_face(context).emoface
        lists.draw(self.layout, choices, "accent", rows=2)
        accent = lists.selected(choices, "accent")
        if accent is None:
            return
        column = values(self.layout)
        for name in ("first", "last", "ease"):
            column.prop(accent, name)
        column.prop(accent, "strength", slider=True)


CLASSES = (
    EMOFACE_OT_add_accent,
    EMOFACE_OT_remove_accent,
    EMOFACE_UL_accents,
    EMOFACE_PT_accents,
)
