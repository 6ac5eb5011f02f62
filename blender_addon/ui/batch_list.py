# SPDX-License-Identifier: GPL-3.0-or-later
"""Strips and who speaks each: the list of several faces, and the buttons that fill it.

The list lives in the window manager: it is of this session, and undo does not touch it.
"""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy.app.handlers import persistent
from bpy.props import CollectionProperty, EnumProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import Context, Object, Operator, PropertyGroup, WindowManager
from bpy_extras.io_utils import ImportHelper

from emoface_core.errors import EmoFaceError, InputError

from .. import compat
from ..command import jobs
from ..command.jobs import BakeJob
from ..control import presets
from ..scene import casting
from ..work.batch import Entry, queue
from .explained import Explained
from .following import check_free, redraw


def _search_faces(_self: PropertyGroup, context: Context, _text: str) -> list[str]:
    """All of them, whatever stands in the field: Blender leaves out what does not match."""
    return [face.name for face in casting.possible_faces(context.scene.objects)]


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


def batch_of(context: Context) -> Any:
    """The list, an EmoFaceBatch."""
    return context.window_manager.emoface_batch


def active_row(context: Context) -> Any | None:
    """The row that is chosen, if there is one."""
    batch = batch_of(context)
    return batch.rows[batch.active] if 0 <= batch.active < len(batch.rows) else None


def active_entry(context: Context) -> Entry | None:
    """What the queue has of that row, if it has."""
    row = active_row(context)
    return queue.entry_of(batch_of(context).scene, row.strip) if row is not None else None


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
    batch = batch_of(context)
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
        """Read it, choose the emotions it gives, and fill the list: all or nothing."""
        table = Path(self.filepath)
        try:
            listed = jobs.read_list(table, BakeJob(), lambda job: _check(job, table, context))
            rows = [row for job in listed for row in _rows_of(job, table, context)]
        except EmoFaceError as error:
            return self.refuse(error)
        _fill(context, compat.sequencer_scene(context).name, rows)
        self.report({"INFO"}, f"{table.name}: {len(rows)} strips")
        if left := sorted({name for job in listed for name in _left_aside(job)}):
            self.report({"WARNING"}, f"Used by --jobs only, left aside here: {', '.join(left)}")
        return {"FINISHED"}


_CHOICES = ("emotion", "preference", "intensity")
_HEEDED = {"strip", "object", "preset", *_CHOICES}


def _left_aside(job: BakeJob) -> list[str]:
    """What a line gives that the list has no place for."""
    names = (field.name for field in fields(job) if field.name not in _HEEDED)
    return [name for name in names if getattr(job, name) != getattr(BakeJob(), name)]


def _check(job: BakeJob, table: Path, context: Context) -> None:
    if not job.strips or not job.object:
        raise InputError(
            "It names no strip or no object.",
            "Give both; sound files and other scenes are for --jobs.",
        )
    face = _face_of(job, context)
    for style in _styles(job, table) if face is not None else ():
        presets.check(style, face)


def _face_of(job: BakeJob, context: Context) -> Object | None:
    faces = casting.possible_faces(context.scene.objects)
    return next((face for face in faces if face.name == job.object), None)


def _styles(job: BakeJob, table: Path) -> Iterator[presets.Preset]:
    """What a line gives its face: a preset, which may lie beside the table, then more choices."""
    if job.preset:
        yield presets.read(table.parent / job.preset)
    wanted = {name: value for name in _CHOICES if (value := getattr(job, name)) is not None}
    yield presets.Preset(job.object, wanted)


def _rows_of(job: BakeJob, table: Path, context: Context) -> list[tuple[str, str, str]]:
    face = _face_of(job, context)
    if face is None:
        return [(strip, "", f"There is no face “{job.object}”.") for strip in job.strips]
    for style in _styles(job, table):
        presets.apply(style, face)
    return [(strip, face.name, "") for strip in job.strips]


class EMOFACE_OT_remove_row(_WhenFree, Operator):
    """Take this row off the list"""

    bl_idname = "emoface.remove_row"
    bl_label = "Remove Row"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be one."""
        check_free()
        if active_row(context) is None:
            raise InputError("The list is empty.", "List strips first.")

    def execute(self, context: Context) -> set[str]:
        """Remove it."""
        batch = batch_of(context)
        batch.rows.remove(batch.active)
        batch.active = min(batch.active, len(batch.rows) - 1)
        return {"FINISHED"}


def faces_of_list(context: Context) -> list[tuple[Object, list[str]]]:
    """Each face once, with its strips. InputError for a name that is none."""
    found: dict[str, list[str]] = {}
    for row in batch_of(context).rows:
        if row.face:
            found.setdefault(row.face, []).append(row.strip)
    faces = []
    for name, names in found.items():
        obj = context.scene.objects.get(name)
        if obj is None:
            raise InputError(f"There is no face “{name}” in this scene.", "Choose another one.")
        faces.append((obj, names))
    return faces


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
