# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets in the panel: save, load, share as files, and copy to other faces."""

from pathlib import Path
from typing import ClassVar

from bpy.props import StringProperty
from bpy.types import Context, Event, Menu, Object, Operator, Panel
from bpy_extras.io_utils import ExportHelper, ImportHelper

from emoface_core.errors import EmoFaceError, InputError

from ..control import presets
from ..control.properties import chosen_face, usable_face
from ..scene import target
from .explained import Explained
from .sidebar import FacePanel


def _other_faces(context: Context) -> list[Object]:
    face = chosen_face(context)
    selected = context.selected_objects if context.mode == "OBJECT" else []
    return [
        obj
        for obj in selected
        if obj is not face and obj.type == "MESH" and len(obj.data.vertices) == target.VERTICES
    ]


class _FaceOperator(Explained):
    """What all operators here need: a face."""

    @classmethod
    def require(cls, context: Context) -> None:
        """A face must be chosen."""
        usable_face(context)

    def give(self, preset: presets.Preset, face: Object, also: str = "") -> None:
        """Apply a preset and say what of it is unknown here."""
        unknown = presets.apply(preset, face)
        text = f"“{preset.name}” is on “{face.name}”{also}"
        if unknown:
            text += f"; this version does not know {', '.join(unknown)}"
        self.report({"WARNING" if unknown else "INFO"}, text)  # of Operator


class EMOFACE_OT_save_preset(_FaceOperator, Operator):
    """Keep this face's emotion and style under a name, for other faces and files"""

    bl_idname = "emoface.save_preset"
    bl_label = "Save Preset"
    bl_property = "name"

    name: StringProperty(name="Name", description="A preset of that name is replaced")

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Ask for the name."""
        return set(context.window_manager.invoke_props_dialog(self))

    def execute(self, context: Context) -> set[str]:
        """Save it."""
        try:
            preset = presets.capture(usable_face(context), self.name.strip())
            presets.write(preset, presets.path_of(self.name))
        except EmoFaceError as error:
            return self.refuse(error)
        self.report({"INFO"}, f"“{preset.name}” is saved")
        return {"FINISHED"}


class EMOFACE_OT_load_preset(_FaceOperator, Operator):
    """Give this face the preset's emotion and style"""

    bl_idname = "emoface.load_preset"
    bl_label = "Load Preset"
    bl_options: ClassVar = {"UNDO", "INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def execute(self, context: Context) -> set[str]:
        """Apply it."""
        try:
            self.give(presets.read(Path(self.filepath)), usable_face(context))
        except EmoFaceError as error:
            return self.refuse(error)
        return {"FINISHED"}


class EMOFACE_OT_remove_preset(Operator):
    """Delete this preset's file"""

    bl_idname = "emoface.remove_preset"
    bl_label = "Remove Preset"
    bl_options: ClassVar = {"INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Ask first: what is deleted, no undo brings back."""
        ask = context.window_manager.invoke_confirm
        title = f"Remove “{Path(self.filepath).stem}”?"
        message = "Its file is deleted, which undo does not bring back"
        return set(ask(self, event, title=title, message=message, confirm_text="Remove"))

    def execute(self, context: Context) -> set[str]:
        """Delete it; only files of the presets' folder."""
        path = Path(self.filepath)
        if path not in presets.saved():
            self.report({"ERROR"}, "There is no such preset any more.")
            return {"CANCELLED"}
        path.unlink(missing_ok=True)
        self.report({"INFO"}, f"“{path.stem}” is removed")
        return {"FINISHED"}


class EMOFACE_OT_import_preset(_FaceOperator, Operator, ImportHelper):
    """Use a preset that somebody shared, and keep it among yours"""

    bl_idname = "emoface.import_preset"
    bl_label = "Import Preset"
    bl_options: ClassVar = {"UNDO"}

    filename_ext = presets.SUFFIX
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: Context) -> set[str]:
        """Read, apply, keep."""
        try:
            face, preset = usable_face(context), presets.read(Path(self.filepath))
            presets.check(preset, face)
            mine, also = presets.path_of(preset.name), ""
            if not mine.exists():
                presets.write(preset, mine)
            elif presets.read(mine) != preset:
                also = "; your own preset of that name stays as it is"
            self.give(preset, face, also)
        except EmoFaceError as error:
            return self.refuse(error)
        return {"FINISHED"}


class EMOFACE_OT_export_preset(_FaceOperator, Operator, ExportHelper):
    """Write this face's emotion and style to a file that can be shared"""

    bl_idname = "emoface.export_preset"
    bl_label = "Export Preset"

    filepath: StringProperty(subtype="FILE_PATH")
    filename_ext = presets.SUFFIX
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Ask for the file; the face's name is proposed, beside what was written before."""
        name = presets.path_of(usable_face(context).name).name
        self.filepath = str(Path(self.filepath or context.blend_data.filepath).parent / name)
        return set(super().invoke(context, event))

    def execute(self, context: Context) -> set[str]:
        """Write it, named as the file."""
        path = Path(self.filepath)
        try:
            presets.write(presets.capture(usable_face(context), path.stem), path)
        except EmoFaceError as error:
            return self.refuse(error)
        self.report({"INFO"}, f"Written to {path.name}")
        return {"FINISHED"}


class EMOFACE_OT_copy_style(_FaceOperator, Operator):
    """Give the other selected faces this face's emotion and style"""

    bl_idname = "emoface.copy_style"
    bl_label = "Copy to Selected"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """A face, and others that are selected."""
        usable_face(context)
        if not _other_faces(context):
            raise InputError("No other face is selected.", "Select the faces to copy to.")

    def execute(self, context: Context) -> set[str]:
        """Copy it."""
        face = usable_face(context)
        style = presets.capture(face, face.name)
        others = _other_faces(context)
        try:
            for other in others:
                presets.apply(style, target.check(other))
        except EmoFaceError as error:
            return self.refuse(error)
        names = ", ".join(f"“{other.name}”" for other in others)
        self.report({"INFO"}, f"Copied to {names}")
        return {"FINISHED"}


class EMOFACE_MT_presets(Menu):
    """The user's presets."""

    bl_idname = "EMOFACE_MT_presets"
    bl_label = "Presets"

    def draw(self, context: Context) -> None:
        """A line each."""
        layout = self.layout
        layout.operator_context = "EXEC_DEFAULT"
        found = presets.saved()
        for path in found:
            layout.operator("emoface.load_preset", text=path.stem).filepath = str(path)
        if not found:
            layout.label(text="No presets yet: save one")


class EMOFACE_MT_remove_preset(Menu):
    """The presets to choose from for deletion."""

    bl_idname = "EMOFACE_MT_remove_preset"
    bl_label = "Remove Preset"

    def draw(self, context: Context) -> None:
        """A line each."""
        found = presets.saved()
        for path in found:
            operator = self.layout.operator("emoface.remove_preset", text=path.stem, icon="TRASH")
            operator.filepath = str(path)
        if not found:
            self.layout.label(text="No presets yet: save one")


class EMOFACE_PT_presets(FacePanel, Panel):
    """Save, load and share."""

    bl_idname = "EMOFACE_PT_presets"
    bl_label = "Presets"
    bl_order = 20

    def draw(self, context: Context) -> None:
        """A menu and the buttons."""
        layout = self.layout
        row = layout.row(align=True)
        row.menu("EMOFACE_MT_presets", text="Choose a Preset", icon="PRESET")
        row.operator("emoface.save_preset", text="", icon="ADD")
        row.menu("EMOFACE_MT_remove_preset", text="", icon="REMOVE")
        row = layout.row(align=True)
        row.operator("emoface.import_preset", text="Import", icon="IMPORT")
        row.operator("emoface.export_preset", text="Export", icon="EXPORT")
        layout.operator("emoface.copy_style", icon="PASTEDOWN")


CLASSES = (
    EMOFACE_OT_save_preset,
    EMOFACE_OT_load_preset,
    EMOFACE_OT_remove_preset,
    EMOFACE_OT_import_preset,
    EMOFACE_OT_export_preset,
    EMOFACE_OT_copy_style,
    EMOFACE_MT_presets,
    EMOFACE_MT_remove_preset,
    EMOFACE_PT_presets,
)
