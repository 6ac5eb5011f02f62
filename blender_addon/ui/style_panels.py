# SPDX-License-Identifier: GPL-3.0-or-later
"""Sub-panels for what can be changed after the bake: regions, speech, layers."""

from typing import Any

from bpy.types import Context, Panel, UILayout

from ..control import live
from ..control.properties import chosen_face
from ..curves.naming import INTENSITY, INTENSITY_PATH
from ..layers import gaze_layer, hosts, ownership
from .sidebar import FacePanel, values
from .text import message


class EMOFACE_PT_regions(FacePanel, Panel):
    """Which part of the face shows how much of which emotion."""

    bl_idname = "EMOFACE_PT_regions"
    bl_label = "Regions"
    bl_order = 12

    def draw(self, context: Context) -> None:
        """A strength for each region, and an emotion of the mouth's own."""
        choices = chosen_face(context).emoface
        column = values(self.layout)
        for name in ("brows", "eyes", "cheeks", "mouth", "jaw"):
            column.prop(choices.regions, name, slider=True)
        column.separator()
        column.prop(choices, "mouth_emotion")
        column.separator()
        column.operator("emoface.reset_style", icon="LOOP_BACK").group = "regions"


class EMOFACE_PT_speech_style(FacePanel, Panel):
    """How it is spoken."""

    bl_idname = "EMOFACE_PT_speech_style"
    bl_label = "Speech Style"
    bl_order = 14

    def draw(self, context: Context) -> None:
        """Strength, mouth, smoothing, time."""
        style = chosen_face(context).emoface.speech_style
        column = values(self.layout)
        for name in ("strength", "jaw_opening", "lip_opening", "lip_closing", "rounding"):
            column.prop(style, name, slider=True)
        column.separator()
        column.prop(style, "smoothing_upper")
        column.prop(style, "smoothing_lower")
        column.prop(style, "offset")
        column.separator()
        column.operator("emoface.reset_style", icon="LOOP_BACK").group = "speech_style"


class EMOFACE_PT_eyes(FacePanel, Panel):
    """Blinks and gaze."""

    bl_idname = "EMOFACE_PT_eyes"
    bl_label = "Blinks & Gaze"
    bl_order = 15

    def draw_header(self, context: Context) -> None:
        """The switch of the layer."""
        self.layout.prop(chosen_face(context).emoface.eyes, "show", text="")

    def draw(self, context: Context) -> None:
        """How often, how far, and when."""
        face = chosen_face(context)
        column = values(self.layout)
        column.active = face.emoface.eyes.show
        column.prop(face.emoface.eyes, "blinks_per_minute", text="Blinks / min", slider=True)
        column.prop(face.emoface.eyes, "gaze", slider=True)
        column.prop(face.emoface.eyes, "seed")
        if ownership.record_of(face) is not None and not gaze_layer.sound_of(face):
            self.layout.label(text="Animate again to get them", icon="INFO")


class EMOFACE_PT_layers(FacePanel, Panel):
    """Speech and emotion as layers, and making them the artist's own."""

    bl_idname = "EMOFACE_PT_layers"
    bl_label = "Layers"
    bl_order = 16

    def draw(self, context: Context) -> None:
        """A switch and a strength for each; then what can be done with the curves."""
        layout = self.layout
        face = chosen_face(context)
        choices = face.emoface
        column = layout.column(align=True)
        row = _layer(column, choices, "mute_speech")
        row.prop(choices.speech_style, "strength", text="Speech", slider=True)
        row = _layer(column, choices, "mute_emotion")
        home = ownership.intensity_home(face)
        if ownership.record_of(face) is not None and INTENSITY in home:
            row.prop(home, INTENSITY_PATH, text="Emotion", slider=True)
        else:
            row.prop(choices, "intensity", text="Emotion", slider=True)
        row = _layer(column, choices.eyes, "show")
        row.prop(choices.eyes, "strength", slider=True)
        column = values(layout)
        column.row().prop(choices, "into", expand=True)
        if said := live.why_not_moved(face):
            message(layout, context, said, "", icon="ERROR")
        elif hosts.plays_in(face.data.shape_keys) not in (None, choices.into):
            layout.operator("emoface.move_bake", icon="NLA")
        column = layout.column(align=True)
        column.operator("emoface.thin_curves", icon="IPO_LINEAR")
        column.operator("emoface.to_plain_keys", icon="SHAPEKEY_DATA")


def _layer(column: UILayout, group: Any, switch: str) -> UILayout:
    """A row for a layer, with the eye that shows or hides it; where its strength goes."""
    row = column.row(align=True)
    mutes = switch.startswith("mute")
    shown = getattr(group, switch) != mutes
    row.prop(group, switch, text="", icon="HIDE_OFF" if shown else "HIDE_ON", invert_checkbox=mutes)
    strength = row.row(align=True)
    strength.active = shown
    return strength


CLASSES = (EMOFACE_PT_regions, EMOFACE_PT_speech_style, EMOFACE_PT_eyes, EMOFACE_PT_layers)
