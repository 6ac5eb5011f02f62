# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons of the panel do."""

from typing import ClassVar

from bpy.types import Context, Event, Object, Operator

from emoface_core.errors import EmoFaceError, InputError

from .. import compat
from ..control import live, speaking, words
from ..control.properties import baked_face, chosen_face, usable_face
from ..curves.join import check_apart
from ..layers import edits, ownership, writer
from ..scene import head_object, strips, target
from ..scene.strips import Heard
from ..work import report
from ..work.job import Job, desk, wish_of
from ..work.session import chosen_engine, session
from .explained import Explained
from .following import Following, check_engine, check_free, redraw

_INTERVAL = 0.02  # seconds between looks at the worker


def check_sounds(context: Context, face: Object) -> None:
    """InputError if what the face shall speak cannot be heard; quick, for every redraw."""
    choices = face.emoface
    if choices.source == "FILE":
        if not choices.file:
            raise InputError("No sound file is chosen.", "Choose one.")
        return
    home, sounds = speaking.strips_of(face, compat.sequencer_scene(context))
    clips = [(sound.name, strips.check(sound, home, context.scene)) for sound in sounds]
    check_apart(clips)


def heard(context: Context, face: Object) -> list[Heard]:
    """What the face shall speak, found on disk. InputError if there is nothing."""
    choices = face.emoface
    if choices.source == "FILE":
        return [strips.heard_of_file(choices.file, context.scene, choices.first_frame)]
    home, sounds = speaking.strips_of(face, compat.sequencer_scene(context))
    return [strips.heard_of_strip(sound, home, context.scene) for sound in sounds]


class EMOFACE_OT_animate(Explained, Following, Operator):
    """Make the face speak the sound, with the emotion, as shape keys on the timeline"""

    bl_idname = "emoface.animate"
    bl_label = "Animate from Audio"
    bl_options: ClassVar = {"UNDO"}

    _job: Job | None = None

    @classmethod
    def require(cls, context: Context) -> None:
        """A face, a sound, and nothing under way."""
        check_engine()
        face = usable_face(context)
        check_sounds(context, face)
        if said := live.why_not_moved(face):
            raise InputError(said)

    def _begin(self, context: Context) -> Job | None:
        face = chosen_face(context)
        try:
            face = target.check(face)
            wish = wish_of(face, *heard(context, face))
            job = Job(session.client(chosen_engine()), face, wish)
        except EmoFaceError as error:
            desk.fail(face.name if face else "", error, session.log)
            self.report({"ERROR"}, str(error))
            redraw()
            return None
        desk.begin(job)
        return job

    def execute(self, context: Context) -> set[str]:
        """Wait for the result: in background mode and from scripts."""
        job = self._begin(context)
        if job is None:
            return {"CANCELLED"}
        try:
            job.run()
        except EmoFaceError as error:
            return self.refuse(error)
        finally:
            desk.end()
            redraw()
        return self._finished(job)

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Start, and follow it from a timer while Blender stays usable."""
        if self.must_wait(context):
            return self.execute(context)
        job = self._begin(context)
        if job is None:
            return {"CANCELLED"}
        self._job = job
        redraw()
        return self.follow(context, _INTERVAL)

    def modal(self, context: Context, event: Event) -> set[str]:
        """Esc cancels; everything but the timer passes through."""
        job = self._job
        if job is None or desk.job is not job:  # the file was closed, the add-on turned off
            self._stop(context)
            return {"CANCELLED"}
        if event.type == "ESC" and event.value == "PRESS" and job.state == "running":
            job.cancel()
            redraw()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if job.step():
            redraw()
        if job.state == "running":
            return {"PASS_THROUGH"}
        self._stop(context)
        desk.end()
        redraw()
        if job.state != "done":
            if job.error is not None:
                kind = "INFO" if job.state == "cancelled" else "ERROR"
                self.report({kind}, str(job.error))
            return {"CANCELLED"}
        return self._finished(job)

    def cancel(self, context: Context) -> None:
        """Blender ends the operator: the window or the file is closed."""
        if self._job is not None and desk.job is self._job:
            desk.abandon()
        self._stop(context)

    def _stop(self, context: Context) -> None:
        self.let_go(context)
        self._job = None

    def _finished(self, job: Job) -> set[str]:
        if job.record is not None:
            record = job.record
            said = f"“{job.face.name}” speaks “{record.sound}” in frames {record.span}"
            self.report({"INFO"}, f"{said}. {job.kept}" if job.kept else said)
        return {"FINISHED"}


class EMOFACE_OT_cancel(Explained, Operator):
    """Stop; the face stays as it was"""

    bl_idname = "emoface.cancel"
    bl_label = "Cancel"

    @classmethod
    def require(cls, context: Context) -> None:
        """Something must be under way."""
        if desk.job is None:
            raise InputError("Nothing is under way.")

    def execute(self, context: Context) -> set[str]:
        """Ask for the end; the timer sees it come."""
        if desk.job is not None:
            desk.job.cancel()
        redraw()
        return {"FINISHED"}


class EMOFACE_OT_remove_bake(Explained, Operator):
    """Take EmoFace's shape keys and curves off the face, and nothing else"""

    bl_idname = "emoface.remove_bake"
    bl_label = "Remove Bake"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a bake of ours."""
        check_free()
        baked_face(context)

    def execute(self, context: Context) -> set[str]:
        """Remove it."""
        face = baked_face(context)
        key = face.data.shape_keys
        kept = edits.keep(key, writer.our_curves(key))
        ownership.remove_bake(face)
        words.forget(face)
        if kept:
            self.report({"INFO"}, edits.sentence(kept))
        redraw()
        return {"FINISHED"}


class EMOFACE_OT_add_head(Explained, Operator):
    """Add a head that is ready to speak, with eyes, teeth and tongue"""

    bl_idname = "emoface.add_head"
    bl_label = "Add EmoFace Head"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """Objects are added in Object Mode."""
        if context.mode != "OBJECT":
            raise InputError("Blender is not in Object Mode.", "Go back to Object Mode first.")

    def execute(self, context: Context) -> set[str]:
        """Add it at the 3D cursor, selected, and make it the face of the panel."""
        try:
            head = head_object.add_head(context)
        except EmoFaceError as error:
            return self.refuse(error)
        context.scene.emoface.face = head
        return {"FINISHED"}


class EMOFACE_OT_copy_report(Explained, Operator):
    """Copy what went wrong, with versions and the engine's last words, without names of yours"""

    bl_idname = "emoface.copy_report"
    bl_label = "Copy Report"

    @classmethod
    def require(cls, context: Context) -> None:
        """Something must have gone wrong."""
        if desk.failure is None:
            raise InputError("Nothing went wrong.")

    def execute(self, context: Context) -> set[str]:
        """To the clipboard."""
        if desk.failure is not None:
            context.window_manager.clipboard = report.report(desk.failure, chosen_engine())
            self.report({"INFO"}, "The report is on the clipboard")
        return {"FINISHED"}


class EMOFACE_OT_dismiss(Operator):
    """Hide the message"""

    bl_idname = "emoface.dismiss"
    bl_label = "Dismiss"

    def execute(self, context: Context) -> set[str]:
        """Forget the failure."""
        desk.failure = None
        redraw()
        return {"FINISHED"}


CLASSES = (
    EMOFACE_OT_animate,
    EMOFACE_OT_cancel,
    EMOFACE_OT_remove_bake,
    EMOFACE_OT_add_head,
    EMOFACE_OT_copy_report,
    EMOFACE_OT_dismiss,
)
