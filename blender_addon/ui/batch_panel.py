# SPDX-License-Identifier: GPL-3.0-or-later
"""Several faces at once, in the panel: the queue is worked off, and shows how far it is."""

import time
from typing import Any

import bpy
from bpy.types import Context, Event, Operator, Panel, UILayout, UIList

from emoface_core.errors import EmoFaceError, InputError

from ..work.batch import queue
from ..work.job import desk
from . import progress
from .batch_list import active_entry, active_row, batch_of, faces_of_list
from .explained import Explained
from .following import Following, check_engine, redraw
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
        check_engine()
        if not batch_of(context).rows:
            raise InputError("The list is empty.", "List strips first.")
        if not any(row.face for row in batch_of(context).rows):
            raise InputError("No strip of the list has a face.", "Choose faces in the list.")

    def prepare(self, context: Context) -> None:
        """The whole list."""
        home = bpy.data.scenes.get(batch_of(context).scene)
        if home is None:
            raise InputError("The scene of the list is gone.", "List the strips again.")
        queue.fill(faces_of_list(context), home)


class EMOFACE_OT_retry(_Works, Operator):
    """Animate again what failed or was cancelled; what is done stays"""

    bl_idname = "emoface.retry"
    bl_label = "Retry Failed"

    @classmethod
    def require(cls, context: Context) -> None:
        """Something must have failed."""
        check_engine()
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
        entry = active_entry(context)
        if entry is None or entry.state not in {"waiting", "running"}:
            raise InputError("This row neither waits nor runs.")

    def execute(self, context: Context) -> set[str]:
        """Cancel it."""
        entry = active_entry(context)
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
            split.label(text=f"{entry.face.name}  {entry.fraction:.0%}", icon="USER")
            return
        row = split.row()
        row.enabled = not queue.busy
        row.prop(item, "face", text="", icon="USER", placeholder="Nobody")


class EMOFACE_PT_batch(SubPanel, Panel):
    """The list, its buttons and its progress."""

    bl_idname = "EMOFACE_PT_batch"
    bl_label = "Several Faces"
    bl_order = 30

    def draw(self, context: Context) -> None:
        """From the strips to the button."""
        layout = self.layout
        batch = batch_of(context)
        row = layout.row(align=True)
        row.operator("emoface.list_strips", text="Selected Strips").which = "SELECTED"
        row.operator("emoface.list_strips", text="Whole Scene").which = "SCENE"
        row.operator("emoface.load_table", text="", icon="FILE_FOLDER")
        if not batch.rows:
            return
        row, column = layout.row(), layout.column()
        _draw_buttons(column)  # before the list, see `progress`
        row.template_list("EMOFACE_UL_rows", "", batch, "rows", batch, "active", rows=4)
        column = row.column(align=True)
        column.operator("emoface.remove_row", text="", icon="REMOVE")
        column.operator("emoface.cancel_row", text="", icon="X")
        _draw_active(layout, context)  # below: a long sentence moves no button


def _draw_buttons(column: UILayout) -> None:
    """What can be done with the list, or the progress of it."""
    if not queue.busy:
        progress.over(column)
    row = column.row(align=queue.busy)
    row.scale_y = 1.4
    if queue.busy:
        over = queue.count("done", "failed", "cancelled")
        row.progress(factor=queue.fraction, text=f"{over} of {len(queue.entries)} faces")
        row.operator("emoface.cancel_all", text="", icon="CANCEL")
        return
    row.operator("emoface.animate_all", icon="PLAY")
    if queue.count("failed", "cancelled"):
        row.operator("emoface.retry", text="Retry", icon="FILE_REFRESH")


def _draw_active(layout: UILayout, context: Context) -> None:
    """What became of the chosen row."""
    row, entry = active_row(context), active_entry(context)
    text = entry.text if entry is not None else ("" if row is None or row.face else row.reason)
    if not text:
        return
    column = layout.column(align=True)
    column.alert = entry is not None and entry.state == "failed"
    for line in wrap(text, characters(context)):
        column.label(text=line)


CLASSES = (
    EMOFACE_OT_animate_all,
    EMOFACE_OT_retry,
    EMOFACE_OT_cancel_row,
    EMOFACE_OT_cancel_all,
    EMOFACE_UL_rows,
    EMOFACE_PT_batch,
)
