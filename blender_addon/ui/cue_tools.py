# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of emotion cues: its buttons, and the sub-panel that it is in."""

from typing import Any, ClassVar

from bpy.props import BoolProperty
from bpy.types import Context, Object, Operator, Panel, UILayout, UIList

from emoface_core.emotions import AUTO
from emoface_core.errors import InputError

from ..control import live, markers
from ..control.properties import chosen_face, usable_face
from ..curves.cues import cues_of_voice
from ..curves.motion import Motion
from ..curves.naming import BakeRecord
from ..layers import hosts, ownership, writer
from . import lists
from .explained import Explained
from .sidebar import FacePanel, values
from .text import message

FEEL_ON = "Raise Feel After and press Animate Again."


def _cue(context: Context) -> Any:
    return lists.check_selected(usable_face(context).emoface, "cue")


def cue_at(choices: Any, frame: int) -> Any | None:
    """The cue that says what a face feels at a frame; None before the first one."""
    before = [cue for cue in choices.cues if cue.frame <= frame]
    return max(before, key=lambda cue: cue.frame, default=None)


def rule_at(choices: Any, frame: int) -> str:
    """Which cue rules a frame, in words; "" where the face's own emotion holds."""
    cue = cue_at(choices, frame)
    if cue is None:
        return ""
    names = cue.bl_rna.properties["second"].enum_items
    felt = " and ".join(
        names[emotion].name.lower() for emotion in (cue.emotion, cue.second) if emotion != live.NONE
    )
    later = [other.frame for other in choices.cues if other.frame > frame]
    until = f" to {min(later) - 1}" if later else ""
    return f"Emotion by cues: {felt} from frame {cue.frame}{until}"


def unfelt(face: Object, cue: Any) -> str:
    """That a cue shows nothing, as it lies after all that a baked face feels; "" if it shows."""
    record = ownership.record_of(face)
    if record is None:
        return ""
    last = record.last_frame + round(hosts.offset(face.data.shape_keys, "emotion"))
    return "" if cue.frame <= last else f"The face feels nothing after frame {last}."


class EMOFACE_OT_add_cue(Explained, Operator):
    """Add a cue at the current frame: from there on the face feels something else"""

    bl_idname = "emoface.add_cue"
    bl_label = "Add Cue"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a face."""
        usable_face(context)

    def execute(self, context: Context) -> set[str]:
        """Add it, with what is felt there now, to be changed."""
        face = usable_face(context)
        choices, frame = face.emoface, context.scene.frame_current
        before = cue_at(choices, frame)
        felt = choices if before is None else before
        emotion, preference = felt.emotion, felt.preference
        second, share = (live.NONE, 0.5) if before is None else (before.second, before.share)
        strength = 1.0 if before is None else before.intensity
        with live.together(face):
            cue = lists.add(choices, "cue")
            cue.frame, cue.emotion, cue.preference = frame, emotion, preference
            cue.second, cue.share, cue.intensity = second, share, strength
        return {"FINISHED"}


class EMOFACE_OT_remove_cue(Explained, Operator):
    """Remove the selected cue"""

    bl_idname = "emoface.remove_cue"
    bl_label = "Remove Cue"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """One must be selected."""
        _cue(context)

    def execute(self, context: Context) -> set[str]:
        """Remove it; the next one is selected."""
        face, cue = usable_face(context), _cue(context)
        with live.together(face):
            markers.forget(face, cue)
            lists.remove(face.emoface, "cue")
        return {"FINISHED"}


class EMOFACE_OT_cue_here(Explained, Operator):
    """Move the selected cue to the current frame"""

    bl_idname = "emoface.cue_here"
    bl_label = "Move to Current Frame"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """One must be selected, and be elsewhere."""
        if _cue(context).frame == context.scene.frame_current:
            raise InputError("The cue is at the current frame.")

    def execute(self, context: Context) -> set[str]:
        """Move it."""
        _cue(context).frame = context.scene.frame_current
        return {"FINISHED"}


class EMOFACE_OT_go_to_cue(Explained, Operator):
    """Go to the frame of the selected cue"""

    bl_idname = "emoface.go_to_cue"
    bl_label = "Go to Cue"

    @classmethod
    def require(cls, context: Context) -> None:
        """One must be selected."""
        _cue(context)

    def execute(self, context: Context) -> set[str]:
        """Go there."""
        context.scene.frame_set(_cue(context).frame)
        return {"FINISHED"}


def _heard(context: Context) -> tuple[Object, Motion, BakeRecord]:
    face = usable_face(context)
    record, motion = ownership.record_of(face), writer.motion_of(face)
    if record is None or motion is None:
        raise InputError(
            f"“{face.name}” has no animation that keeps what the voice feels.",
            "Press Animate from Audio first.",
        )
    return face, motion, record


class EMOFACE_OT_cues_of_voice(Explained, Operator):
    """List the emotions heard in the voice as cues, to keep or to change, in the place of yours"""

    bl_idname = "emoface.cues_of_voice"
    bl_label = "Cues from the Voice"
    bl_options: ClassVar = {"UNDO"}

    keep: BoolProperty(
        name="Keep Others",
        description="Keep the cues that are there instead of replacing them",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, _context: Context, chosen: Any) -> str:
        """The tooltip."""
        return "List the emotions heard in the voice beside your cues" if chosen.keep else ""

    @classmethod
    def require(cls, context: Context) -> None:
        """The voice must have been heard."""
        _heard(context)

    def execute(self, context: Context) -> set[str]:
        """Add a cue where the strongest emotion in the voice changes."""
        face, motion, record = _heard(context)
        pad = (len(motion.voice) - record.frames) // 2
        first = record.first_frame + round(hosts.offset(face.data.shape_keys, "emotion"))
        voice = motion.voice[pad : pad + record.frames]
        found = cues_of_voice(voice, first, motion.fps, motion.emotion_names)
        choices = face.emoface
        with live.together(face):
            if not self.keep:
                for cue in choices.cues:
                    markers.forget(face, cue)
                choices.cues.clear()
            for cue in found:
                item = choices.cues.add()
                item.frame, item.ease = int(cue.frame), int(cue.ease)
                item.emotion = cue.feeling.emotion
            choices.active_cue = 0
        heard = "1 emotion was" if len(found) == 1 else f"{len(found)} emotions were"
        self.report({"INFO"}, f"{heard} heard in the voice")
        return {"FINISHED"}


class EMOFACE_OT_cues_from_markers(Explained, Operator):
    """Move the cues to where their markers were moved on the timeline"""

    bl_idname = "emoface.cues_from_markers"
    bl_label = "Take Frames from Markers"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """A marker of a cue must have been moved."""
        face = usable_face(context)
        if not face.emoface.show_markers:
            raise InputError("The cues have no markers.", "Turn on Show as Markers first.")
        if not markers.moved(face, context.scene):
            raise InputError("No marker of a cue was moved.")

    def execute(self, context: Context) -> set[str]:
        """Move them."""
        face = usable_face(context)
        with live.together(face):
            for cue, frame in markers.moved(face, context.scene):
                cue.frame = frame
        return {"FINISHED"}


class EMOFACE_UL_cues(lists.ByFrame, UIList):
    """Cues in the order of their frames."""

    shown = ("frame", "emotion", "intensity")


class EMOFACE_PT_cues(FacePanel, Panel):
    """Emotion over time."""

    bl_idname = "EMOFACE_PT_cues"
    bl_label = "Emotion Cues"
    bl_order = 10

    def draw(self, context: Context) -> None:
        """The list, and the selected cue below it."""
        layout = self.layout
        choices = chosen_face(context).emoface
        column = lists.draw(layout, choices, "cue", rows=3)
        column.separator()
        column.operator("emoface.cue_here", text="", icon="TRIA_DOWN_BAR")
        column.operator("emoface.go_to_cue", text="", icon="VIEWZOOM")
        row = layout.row(align=True)
        row.operator("emoface.cues_of_voice", icon="SOUND")
        row.operator("emoface.cues_of_voice", text="", icon="ADD").keep = True
        row = layout.row(align=True)
        row.prop(choices, "show_markers", toggle=True, icon="MARKER_HLT")
        row.operator("emoface.cues_from_markers", text="", icon="IMPORT")
        if len(choices.cues):
            hint = layout.row()
            hint.enabled = False
            hint.label(text="Before the first cue its own emotion holds")
        cue = lists.selected(choices, "cue")
        if cue is not None:
            draw_cue(layout, cue)
            if said := unfelt(chosen_face(context), cue):
                message(layout, context, said, FEEL_ON, icon="INFO")
        column = values(layout)
        column.prop(choices, "feel_before")
        column.prop(choices, "feel_after")


def draw_cue(layout: UILayout, cue: Any) -> None:
    """All of one cue."""
    column = values(layout)
    column.prop(cue, "frame")
    column.prop(cue, "ease")
    column.prop(cue, "emotion")
    if cue.emotion != AUTO:
        column.prop(cue, "preference", slider=True)
    column.prop(cue, "second")
    if cue.second != live.NONE:
        column.prop(cue, "share", slider=True)
    column.prop(cue, "intensity", slider=True)


CLASSES = (
    EMOFACE_OT_add_cue,
    EMOFACE_OT_remove_cue,
    EMOFACE_OT_cue_here,
    EMOFACE_OT_go_to_cue,
    EMOFACE_OT_cues_of_voice,
    EMOFACE_OT_cues_from_markers,
    EMOFACE_UL_cues,
    EMOFACE_PT_cues,
)
