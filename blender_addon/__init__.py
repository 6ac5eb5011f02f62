# SPDX-License-Identifier: GPL-3.0-or-later
"""EmoFace: animate an emotional, speaking face from a sound."""

import atexit

import bpy
from bpy.app.handlers import persistent

from . import (
    batch_panel,
    cli,
    linked_panel,
    operators,
    panels,
    preferences,
    preset_panel,
    properties,
)
from .job import desk
from .session import session
from .upkeep import workshop

CLASSES = (*preferences.CLASSES, *operators.CLASSES, *panels.CLASSES)


@persistent
def _leave_file(*_: object) -> None:
    """Another file is about to be loaded: nothing of this one may be written into it."""
    desk.abandon()


def register() -> None:
    """For Blender, when the add-on is turned on."""
    properties.register()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    linked_panel.register()
    preset_panel.register()
    batch_panel.register()
    bpy.app.handlers.load_pre.append(_leave_file)
    cli.register()
    atexit.register(session.close)
    atexit.register(workshop.close)


def unregister() -> None:
    """For Blender, when the add-on is turned off."""
    atexit.unregister(session.close)
    atexit.unregister(workshop.close)
    workshop.close()
    desk.abandon()
    session.close()
    cli.unregister()
    if _leave_file in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_leave_file)
    batch_panel.unregister()
    preset_panel.unregister()
    linked_panel.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    properties.unregister()
