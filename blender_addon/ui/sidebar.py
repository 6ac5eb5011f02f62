# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels in the 3D view's sidebar share."""

from typing import ClassVar

from bpy.types import Context, UILayout

from emoface_core.errors import EmoFaceError

from ..control.properties import usable_face


class InSidebar:
    """Mixin for panels: our tab of the sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "EmoFace"


class SubPanel(InSidebar):
    """Mixin for panels below the main one, closed at first."""

    bl_parent_id = "EMOFACE_PT_main"
    bl_options: ClassVar = {"DEFAULT_CLOSED"}


class FacePanel(SubPanel):
    """Mixin for those that are about a face."""

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Only for a face that can be animated."""
        try:
            usable_face(context)
        except EmoFaceError:
            return False
        return True


def values(layout: UILayout) -> UILayout:
    """A column for values, with their names at its left and no dots to key them."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column
