# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel offers for a face from another file."""

from typing import ClassVar

from bpy.types import Context, Operator, Panel

from emoface_core.errors import InputError

from ..control.properties import chosen_face
from ..scene.linked import forgets_choices, make_mesh_local, needs_local_mesh
from .explained import Explained
from .sidebar import InSidebar
from .text import characters, wrap


class EMOFACE_OT_make_mesh_local(Explained, Operator):
    """Make the mesh this file's own, so that it can be animated; the rest stays linked"""

    bl_idname = "emoface.make_mesh_local"
    bl_label = "Make Mesh Local"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """A face whose mesh is linked, or an override."""
        if not needs_local_mesh(chosen_face(context)):
            raise InputError("The mesh of this face is not linked.")

    def execute(self, context: Context) -> set[str]:
        """Copy it."""
        face = chosen_face(context)
        make_mesh_local(face)
        self.report({"INFO"}, f"The mesh of “{face.name}” is this file's own now")
        return {"FINISHED"}


class EMOFACE_PT_linked(InSidebar, Panel):
    """For a face from another file."""

    bl_idname = "EMOFACE_PT_linked"
    bl_label = "Linked Character"
    bl_parent_id = "EMOFACE_PT_main"
    bl_order = -10

    @classmethod
    def poll(cls, context: Context) -> bool:
        """If there is something to do or to know."""
        face = chosen_face(context)
        return needs_local_mesh(face) or (face is not None and forgets_choices(face))

    def draw(self, context: Context) -> None:
        """A button, or what to know."""
        layout, face = self.layout, chosen_face(context)
        if needs_local_mesh(face):
            layout.operator("emoface.make_mesh_local", icon="LINKED")
            return
        text = (
            "The animation is saved, but what is chosen in this panel is not: open the file that "
            "this face comes from in a Blender with EmoFace, and save it once."
        )
        column = layout.column(align=True)
        for line in wrap(text, characters(context)):
            column.label(text=line)


CLASSES = (EMOFACE_OT_make_mesh_local, EMOFACE_PT_linked)
