# SPDX-License-Identifier: GPL-3.0-or-later
"""What the animator sees and presses: panels, buttons, lists, and the page of preferences."""

import bpy

from . import (
    accent_tools,
    batch_list,
    batch_panel,
    cue_tools,
    engine_test,
    layer_tools,
    linked_panel,
    operators,
    panels,
    preferences,
    preset_panel,
    style_panels,
    upkeep,
    word_tools,
    workshop,
)

# A panel stands behind the one that it is part of.
_MODULES = (
    preferences, engine_test, workshop, upkeep,
    operators, panels, cue_tools, layer_tools, word_tools, style_panels, accent_tools,
    linked_panel, preset_panel, batch_list, batch_panel,
)  # fmt: skip
CLASSES = tuple(cls for module in _MODULES for cls in module.CLASSES)


def register() -> None:
    """Tell Blender of all of it. The properties that it shows must be there already."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    batch_list.register()


def unregister() -> None:
    """Take it away, in the opposite order."""
    batch_list.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
