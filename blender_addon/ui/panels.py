# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the 3D view's sidebar: from a voice to a face in three choices and a button."""

from collections.abc import Callable

import bpy
from bpy.types import Context, Object, Panel, UILayout

from emoface_core.emotions import AUTO
from emoface_core.errors import EmoFaceError
from emoface_core.face.topology import FLAME_VERTICES

from .. import compat
from ..control import drift, live, speaking
from ..control.properties import chosen_face
from ..curves.naming import INTENSITY, INTENSITY_PATH, BakeRecord
from ..layers import edits, ownership
from ..scene import linked, target
from ..work.batch import queue
from ..work.job import Failure, Job, desk
from . import cue_tools, operators, progress
from .sidebar import InSidebar
from .text import message


class EMOFACE_PT_main(InSidebar, Panel):
    """The whole of it."""

    bl_idname = "EMOFACE_PT_main"
    bl_label = "EmoFace"

    def draw(self, context: Context) -> None:
        """Face, sound, emotion, button, and what came of it."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        face = chosen_face(context)
        record, problem = ownership.record_of(face), _problem(face)
        if face is None or problem is not None:
            draw_face(layout, context, face, problem)
            if not linked.needs_local_mesh(face):  # that has a button of its own
                if record is not None:  # it can be removed even if it cannot be made again
                    draw_result(layout, record)
                draw_quick_start(layout, face)
            draw_failure(layout, context)
            return
        above, sound, emotion, button = (layout.column() for _ in range(4))
        draw_button(button, context, face, record)  # before what stands above it, see `progress`
        draw_face(above, context, face, problem)
        draw_sound(sound, context, face)
        draw_emotion(emotion, context, face, record)
        draw_warnings(layout, context, face)
        draw_failure(layout, context)
        if record is not None and desk.job is None:
            draw_result(layout, record)


def _problem(face: Object | None) -> EmoFaceError | None:
    try:
        target.check(face)
    except EmoFaceError as error:
        return error
    return None


def draw_face(
    layout: UILayout, context: Context, face: Object | None, problem: EmoFaceError | None
) -> None:
    """Which head."""
    row = layout.row(align=True)
    row.prop(context.scene.emoface, "face", icon="USER")
    row.operator("emoface.add_head", text="", icon="ADD")
    if face is None:
        return
    chosen = context.scene.emoface.face is not None
    if not chosen and problem is None:
        _right(layout).label(text=f"Selected: {face.name}", icon="RESTRICT_SELECT_OFF")
    # Whatever else is selected, such as the cube of a new file, was not meant as a face.
    elif problem is not None and (chosen or len(face.data.vertices) == FLAME_VERTICES):
        message(layout, context, problem.message, problem.hint, icon="ERROR")


def draw_quick_start(layout: UILayout, face: Object | None) -> None:
    """For who has no face yet."""
    box = layout.box()
    column = box.column(align=True)
    column.label(text="Quick Start", icon="INFO")
    column.separator()
    if face is None:
        column.label(text="1.  Select a head, or add ours:")
    else:
        column.label(text="1.  Choose another head, or add ours:")
    row = column.row()
    row.scale_y = 1.4
    row.operator("emoface.add_head", icon="USER")
    column.separator()
    for line in ("2.  Choose the voice", "3.  Press Animate from Audio"):
        row = column.row()
        row.enabled = False
        row.label(text=line)


def draw_sound(layout: UILayout, context: Context, face: Object) -> None:
    """Strip or file, and what is said in it."""
    choices = face.emoface
    column = layout.column()
    column.row().prop(choices, "source", expand=True)
    if choices.source == "STRIP":
        column.prop(choices, "strip", icon="SOUND", placeholder=_automatic_strip(context, face))
    else:
        column.prop(choices, "file")
        column.prop(choices, "first_frame")
    if choices.text_block is None:
        column.prop(choices, "text", placeholder="Its words, if known")
    else:
        column.prop(choices, "text_block", text="Text")


def _automatic_strip(context: Context, face: Object) -> str:
    """What an empty field stands for."""
    try:
        _, (first, *others) = speaking.strips_of(face, compat.sequencer_scene(context))
    except EmoFaceError:  # the button says what it is
        return "Choose a sound"
    return f"{first.name} and {len(others)} more" if others else first.name


def draw_emotion(
    layout: UILayout, context: Context, face: Object, record: BakeRecord | None
) -> None:
    """What it feels now, and how strongly; after a bake the intensity is the face's own."""
    choices = face.emoface
    column = layout.column()
    rule = cue_tools.rule_at(choices, context.scene.frame_current)
    if rule:  # the emotion that was chosen here is not the one that shows
        message(column, context, rule, "", icon="KEYFRAME_HLT")
        cue = cue_tools.cue_at(choices, context.scene.frame_current)
        if said := cue_tools.unfelt(face, cue):
            message(column, context, said, cue_tools.FEEL_ON, icon="INFO")
    else:
        column.prop(choices, "emotion")
        if choices.emotion != AUTO:
            column.prop(choices, "preference", slider=True)
    if record is not None and ownership.has_stray_drivers(face):
        _soon(live.own_intensities)
    home = ownership.intensity_home(face)
    if record is not None and INTENSITY in home:
        row = column.row()
        row.use_property_decorate = True  # the dot that keys it
        row.prop(home, INTENSITY_PATH, text="Intensity", slider=True)
    else:
        column.prop(choices, "intensity", slider=True)


def draw_button(
    layout: UILayout, context: Context, face: Object, record: BakeRecord | None
) -> None:
    """The button, or the progress of what it started."""
    layout.separator()
    column = layout.column(align=True)
    if desk.job is not None:
        draw_progress(column, desk.job)
        return
    progress.over(column)
    row = column.row()
    row.scale_y = 1.6
    again = record is not None
    text = "Animate Again" if again else "Animate from Audio"
    if (count := len(speaking.repeated(face))) > 1:
        text += f" ({count} Strips)"
    row.operator("emoface.animate", text=text, icon="FILE_REFRESH" if again else "PLAY")
    reason = operators.EMOFACE_OT_animate.disabled_reason(context)
    if reason:
        message(layout, context, reason, "", icon="INFO")


def draw_progress(column: UILayout, job: Job) -> None:
    """How far it is, with a way to stop it."""
    row = column.row(align=True)
    row.scale_y = 1.6
    row.progress(factor=job.fraction, text=f"{job.text}…  {job.fraction:.0%}")
    row.operator("emoface.cancel", text="", icon="X")
    hint = column.row()
    hint.enabled = False
    hint.label(text=progress_hint(job))


def progress_hint(job: Job) -> str:
    """Whose animation it is, its place in a queue, and what Esc does."""
    if not queue.busy:
        return f"Animating “{job.face.name}”. Esc cancels."
    over = queue.count("done", "failed", "cancelled")
    return f"“{job.face.name}”, {over + 1} of {len(queue.entries)} in the list. Esc skips it."


def draw_warnings(layout: UILayout, context: Context, face: Object) -> None:
    """What hides the result, and what has changed under it since."""
    here = compat.sequencer_scene(context)
    hidden = target.warnings(face, context.scene)
    for warning in (*hidden, *drift.warnings(face, context.scene, here)):
        message(layout, context, warning, "", icon="ERROR")
    if problem := live.problem(face):
        message(layout, context, problem, "", icon="INFO")
    if said := edits.sentence(edits.noted(face.data.shape_keys)):
        column = message(layout, context, said, icon="INFO")
        column.operator("emoface.dismiss_kept", icon="X")


def draw_failure(layout: UILayout, context: Context) -> None:
    """What went wrong, and what to do."""
    failure: Failure | None = desk.failure
    if failure is None:
        return
    column = message(layout, context, failure.message, failure.hint, icon="CANCEL", alert=True)
    row = column.row(align=True)
    row.operator("emoface.copy_report", icon="COPYDOWN")
    row.operator("emoface.dismiss", text="", icon="X")


def draw_result(layout: UILayout, record: BakeRecord) -> None:
    """What is on the face now."""
    box = layout.box().column(align=True)
    box.label(text=f"Speaks “{record.sound}”", icon="CHECKMARK")
    box.label(text=f"Frames {record.span} at {record.fps:.4g} fps", icon="BLANK1")
    box.label(
        text=f"{len(record.keys)} shape keys, within {record.worst_error * 1000:.2f} mm",
        icon="BLANK1",
    )
    box.separator()
    box.operator("emoface.remove_bake", icon="TRASH")


def _soon(mend: Callable[[], None]) -> None:
    """Let something be mended once the panel is drawn: until then Blender lets nothing change."""
    if not bpy.app.timers.is_registered(mend):
        bpy.app.timers.register(mend)


def _right(layout: UILayout) -> UILayout:
    row = layout.row()
    row.alignment = "RIGHT"
    row.enabled = False
    return row


CLASSES = (EMOFACE_PT_main,)
