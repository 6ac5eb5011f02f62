# SPDX-License-Identifier: GPL-3.0-or-later
"""Several faces at once, in the panel: a list of strips and their faces, and the queue's progress.

The list lives in the window manager: it is of this session, and undo does not touch it.
"""

import time
from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy.app.handlers import persistent
from bpy.props import (
    CollectionProperty,
    EnumProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import (
    Context,
    Event,
    Object,
    Operator,
    Panel,
    PropertyGroup,
    UILayout,
    UIList,
    WindowManager,
)
from bpy_extras.io_utils import ImportHelper

from emoface_core.errors import EmoFaceError, InputError

from .. import compat
from ..command import jobs
from ..command.jobs import BakeJob
from ..control import presets
from ..scene import casting
from ..work.batch import Entry, queue
from ..work.job import desk
from .explained import Explained
from .following import Following, check_free, redraw
from .sidebar import SubPanel
from .text import characters, wrap

_INTERVAL = 0.05  # seconds between looks at the worker
_ICONS = {
    "waiting": "TIME",
    "running": "PLAY",
    "done": "CHECKMARK",
    "failed": "ERROR",
    "cancelled": "X",
}


def _search_faces(_self: PropertyGroup, context: Context, text: str) -> list[str]:
    faces = casting.possible_faces(context.scene.objects)
    return [face.name for face in faces if text.casefold() in face.name.casefold()]


class EmoFaceRow(PropertyGroup):
    """A strip and who speaks it."""

    strip: StringProperty(name="Strip", description="A sound strip of the sequencer")
    face: StringProperty(
        name="Face",
        description="Who speaks this strip. Empty: nobody",
        search=_search_faces,
        search_options={"SORT"},
    )
    reason: StringProperty(description="Why it has no face")


class EmoFaceBatch(PropertyGroup):
    """The list."""

    rows: CollectionProperty(type=EmoFaceRow)
    active: IntProperty(name="Row", description="The row that is told about below")
    scene: StringProperty(description="The scene whose strips these are")


def _list(context: Context) -> Any:
    return context.window_manager.emoface_batch


def _active_row(context: Context) -> Any | None:
    batch = _list(context)
    return batch.rows[batch.active] if 0 <= batch.active < len(batch.rows) else None


def _active_entry(context: Context) -> Entry | None:
    row = _active_row(context)
    return queue.entry_of(_list(context).scene, row.strip) if row is not None else None


class _WhenFree(Explained):
    """For what changes the list: nothing may be under way."""

    @classmethod
    def require(cls, context: Context) -> None:
        """The queue must stand still."""
        check_free()


class EMOFACE_OT_list_strips(_WhenFree, Operator):
    """List sound strips, each with the face that its name or its channel's name says"""

    bl_idname = "emoface.list_strips"
    bl_label = "List Strips"

    which: EnumProperty(
        name="Which",
        items=(
            ("SELECTED", "Selected Strips", "The sound strips that are selected in the sequencer"),
            ("SCENE", "Whole Scene", "Every sound strip that is not muted"),
        ),
        default="SCENE",
    )

    def execute(self, context: Context) -> set[str]:
        """Fill the list anew."""
        home = compat.sequencer_scene(context)
        roles = casting.cast_scene(context.scene, home, selected=self.which == "SELECTED")
        if not roles:
            none = "is selected" if self.which == "SELECTED" else "can be heard"
            self.report({"ERROR"}, f"No sound strip {none} in the sequencer of “{home.name}”.")
            return {"CANCELLED"}
        _fill(context, home.name, [(role.strip, role.face, role.reason) for role in roles])
        return {"FINISHED"}


def _fill(context: Context, scene: str, rows: list[tuple[str, str, str]]) -> None:
    batch = _list(context)
    queue.abandon()
    batch.rows.clear()
    for strip, face, reason in rows:
        row = batch.rows.add()
        row.name = row.strip = strip
        row.face, row.reason = face, reason
    batch.active, batch.scene = 0, scene
    redraw()


class EMOFACE_OT_load_table(_WhenFree, Operator, ImportHelper):
    """List a table's strips: a .csv with columns strip, object, emotion, intensity, or a .json"""

    bl_idname = "emoface.load_table"
    bl_label = "Load Table"
    bl_options: ClassVar = {"UNDO"}

    filename_ext = ""
    filter_glob: StringProperty(default="*.csv;*.json", options={"HIDDEN"})

    def execute(self, context: Context) -> set[str]:
        """Read it, choose the emotions it gives, and fill the list."""
        try:
            listed = jobs.read_list(Path(self.filepath), BakeJob())
            rows = [row for job in listed for row in _rows_of(job, context)]
        except EmoFaceError as error:
            return self.refuse(error)
        _fill(context, compat.sequencer_scene(context).name, rows)
        return {"FINISHED"}


def _rows_of(job: BakeJob, context: Context) -> list[tuple[str, str, str]]:
    jobs.check(job)
    if not job.strips or not job.object:
        raise InputError(
            "A line of the table names no strip or no object.",
            "Give both; sound files and other scenes are for --jobs.",
        )
    face = context.scene.objects.get(job.object)
    if face is None:
        return [(strip, "", f"There is no object “{job.object}”.") for strip in job.strips]
    if job.preset:
        presets.apply(presets.read(Path(job.preset)), face)
    wanted = {"emotion": job.emotion, "preference": job.preference, "intensity": job.intensity}
    values = {name: value for name, value in wanted.items() if value is not None}
    presets.apply(presets.Preset(Path(job.object).name, values), face)
    return [(strip, face.name, "") for strip in job.strips]


class EMOFACE_OT_remove_row(_WhenFree, Operator):
    """Take this row off the list"""

    bl_idname = "emoface.remove_row"
    bl_label = "Remove Row"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be one."""
        check_free()
        if _active_row(context) is None:
            raise InputError("The list is empty.", "List strips first.")

    def execute(self, context: Context) -> set[str]:
        """Remove it."""
        batch = _list(context)
        batch.rows.remove(batch.active)
        batch.active = min(batch.active, len(batch.rows) - 1)
        return {"FINISHED"}


def _faces_of_list(context: Context) -> list[tuple[Object, list[str]]]:
    """Each face once, with its strips. InputError for a name that is none."""
    found: dict[str, list[str]] = {}
    for row in _list(context).rows:
        if row.face:
            found.setdefault(row.face, []).append(row.strip)
    faces = []
    for name, names in found.items():
        obj = context.scene.objects.get(name)
        if obj is None:
            raise InputError(f"There is no face “{name}” in this scene.", "Choose another one.")
        faces.append((obj, names))
    return faces


class _Works(Explained, Following):
    """Works the queue off: in the window from a timer, in background mode to the end."""

    def prepare(self, context: Context) -> None:
        """Put something into the queue. InputError if there is nothing."""

    def execute(self, context: Context) -> set[str]:
        """In background mode and from scripts."""
        if not self._begin(context):
            return {"CANCELLED"}
        while queue.busy:
            if not self._step():
                time.sleep(0.005)
        return self._end(context)

    def invoke(self, context: Context, event: Event) -> set[str]:
        """From a timer, while Blender stays usable."""
        if self.must_wait(context):
            return self.execute(context)
        if not self._begin(context):
            return {"CANCELLED"}
        return self.follow(context, _INTERVAL)

    def modal(self, context: Context, event: Event) -> set[str]:
        """Esc cancels the face that is being animated; the others follow."""
        if event.type == "ESC" and event.value == "PRESS" and desk.job is not None:
            desk.job.cancel()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if self._step():
            redraw()
        if queue.busy:
            return {"PASS_THROUGH"}
        return self._end(context)

    def cancel(self, context: Context) -> None:
        """Blender ends the operator: the window or the file is closed."""
        queue.abandon()
        self.let_go(context)

    def _begin(self, context: Context) -> bool:
        try:
            self.prepare(context)
        except EmoFaceError as error:
            self.refuse(error)
            return False
        redraw()
        return True

    def _step(self) -> bool:
        """One look; a face that was written is an undo step of its own."""
        before = queue.count("done")
        new = queue.step()
        if queue.count("done") > before:
            bpy.ops.ed.undo_push(message="EmoFace: Animate")
        return new

    def _end(self, context: Context) -> set[str]:
        self.let_go(context)
        redraw()
        done, failed = queue.count("done"), queue.count("failed")
        text = f"{done} of {len(queue.entries)} faces are animated"
        if failed:
            text += f"; {failed} failed: choose their rows to see why"
        self.report({"WARNING" if failed else "INFO"}, text)  # of Operator
        return {"FINISHED"} if done else {"CANCELLED"}


class EMOFACE_OT_animate_all(_Works, Operator):
    """Animate every face of the list; the strips of one face become one animation"""

    bl_idname = "emoface.animate_all"
    bl_label = "Animate All"

    @classmethod
    def require(cls, context: Context) -> None:
        """A list with a face in it, and nothing under way."""
        check_free()
        if not _list(context).rows:
            raise InputError("The list is empty.", "List strips first.")
        if not any(row.face for row in _list(context).rows):
            raise InputError("No strip of the list has a face.", "Choose faces in the list.")

    def prepare(self, context: Context) -> None:
        """The whole list."""
        home = bpy.data.scenes.get(_list(context).scene)
        if home is None:
            raise InputError("The scene of the list is gone.", "List the strips again.")
        queue.fill(_faces_of_list(context), home)


class EMOFACE_OT_retry(_Works, Operator):
    """Animate again what failed or was cancelled; what is done stays"""

    bl_idname = "emoface.retry"
    bl_label = "Retry Failed"

    @classmethod
    def require(cls, context: Context) -> None:
        """Something must have failed."""
        check_free()
        if not queue.count("failed", "cancelled"):
            raise InputError("Nothing failed.")

    def prepare(self, context: Context) -> None:
        """What failed."""
        queue.retry()


class EMOFACE_OT_cancel_row(Explained, Operator):
    """Leave this face out; the others go on"""

    bl_idname = "emoface.cancel_row"
    bl_label = "Cancel Row"

    @classmethod
    def require(cls, context: Context) -> None:
        """The row must wait or run."""
        entry = _active_entry(context)
        if entry is None or entry.state not in {"waiting", "running"}:
            raise InputError("This row neither waits nor runs.")

    def execute(self, context: Context) -> set[str]:
        """Cancel it."""
        entry = _active_entry(context)
        if entry is not None:
            queue.cancel(entry)
        redraw()
        return {"FINISHED"}


class EMOFACE_OT_cancel_all(Explained, Operator):
    """Stop; faces that are done stay animated, the others stay as they were"""

    bl_idname = "emoface.cancel_all"
    bl_label = "Cancel All"

    @classmethod
    def require(cls, context: Context) -> None:
        """The queue must be under way."""
        if not queue.busy:
            raise InputError("Nothing is under way.")

    def execute(self, context: Context) -> set[str]:
        """Cancel all of it."""
        queue.cancel_all()
        redraw()
        return {"FINISHED"}


class EMOFACE_UL_rows(UIList):
    """Strip, face, state."""

    bl_idname = "EMOFACE_UL_rows"

    def draw_item(
        self,
        context: Context,
        layout: UILayout,
        data: Any,
        item: Any,
        icon: int,
        active_data: Any,
        active_property: str,
    ) -> None:
        """One row."""
        entry = queue.entry_of(data.scene, item.strip)
        split = layout.split(factor=0.5)
        state = _ICONS[entry.state] if entry is not None else "SOUND"
        split.label(text=item.strip, icon=state)
        if entry is not None and entry.state == "running":
            split.progress(factor=entry.fraction, text=f"{entry.face.name}  {entry.fraction:.0%}")
            return
        row = split.row()
        row.enabled = not queue.busy
        row.prop(item, "face", text="", icon="USER", emboss=False, placeholder="Nobody")


class EMOFACE_PT_batch(SubPanel, Panel):
    """The list, its buttons and its progress."""

    bl_idname = "EMOFACE_PT_batch"
    bl_label = "Several Faces"
    bl_order = 30

    def draw(self, context: Context) -> None:
        """From the strips to the button."""
        layout = self.layout
        batch = _list(context)
        row = layout.row(align=True)
        row.operator("emoface.list_strips", text="Selected Strips").which = "SELECTED"
        row.operator("emoface.list_strips", text="Whole Scene").which = "SCENE"
        row.operator("emoface.load_table", text="", icon="FILE_FOLDER")
        if not batch.rows:
            return
        row = layout.row()
        row.template_list("EMOFACE_UL_rows", "", batch, "rows", batch, "active", rows=4)
        column = row.column(align=True)
        column.operator("emoface.remove_row", text="", icon="REMOVE")
        column.operator("emoface.cancel_row", text="", icon="X")
        _draw_active(layout, context)
        if queue.busy:
            row = layout.row(align=True)
            row.scale_y = 1.4
            over = queue.count("done", "failed", "cancelled")
            row.progress(factor=queue.fraction, text=f"{over} of {len(queue.entries)} faces")
            row.operator("emoface.cancel_all", text="", icon="CANCEL")
            return
        row = layout.row()
        row.scale_y = 1.4
        row.operator("emoface.animate_all", icon="PLAY")
        if queue.count("failed", "cancelled"):
            layout.operator("emoface.retry", icon="FILE_REFRESH")


def _draw_active(layout: UILayout, context: Context) -> None:
    """What became of the chosen row."""
    row, entry = _active_row(context), _active_entry(context)
    text = entry.text if entry is not None else ("" if row is None or row.face else row.reason)
    if not text:
        return
    column = layout.column(align=True)
    column.alert = entry is not None and entry.state == "failed"
    for line in wrap(text, characters(context)):
        column.label(text=line)


@persistent
def _leave_file(*_: object) -> None:
    """The list is of the file that is left."""
    queue.abandon()
    for manager in bpy.data.window_managers:
        manager.emoface_batch.rows.clear()


_LISTS = ("load_pre", "load_post")

CLASSES = (
    EmoFaceRow,
    EmoFaceBatch,
    EMOFACE_OT_list_strips,
    EMOFACE_OT_load_table,
    EMOFACE_OT_remove_row,
    EMOFACE_OT_animate_all,
    EMOFACE_OT_retry,
    EMOFACE_OT_cancel_row,
    EMOFACE_OT_cancel_all,
    EMOFACE_UL_rows,
    EMOFACE_PT_batch,
)


def register() -> None:
    """Add the list, and see that it does not outlive the file."""
    WindowManager.emoface_batch = PointerProperty(type=EmoFaceBatch)
    for name in _LISTS:
        getattr(bpy.app.handlers, name).append(_leave_file)


def unregister() -> None:
    """Take it away."""
    for name in _LISTS:
        if _leave_file in getattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).remove(_leave_file)
    queue.abandon()
    del WindowManager.emoface_batch
