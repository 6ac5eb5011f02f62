# SPDX-License-Identifier: GPL-3.0-or-later
"""What the animator sees and presses: panels, buttons, lists, and the page of preferences."""

import bpy

from . import batch_panel, linked_panel, operators, panels, preferences, preset_panel

CLASSES = (*preferences.CLASSES, *operators.CLASSES, *panels.CLASSES)


def register() -> None:
    """Tell Blender of all of it. The properties that it shows must be there already."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    linked_panel.register()
    preset_panel.register()
    batch_panel.register()


def unregister() -> None:
    """Take it away, in the opposite order."""
    batch_panel.unregister()
    preset_panel.unregister()
    linked_panel.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
