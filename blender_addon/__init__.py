# SPDX-License-Identifier: GPL-3.0-or-later
"""EmoFace: animate an emotional, speaking face from a sound.

Each of these may import from those before it, never the other way:

    compat, installed, folders    Blender's versions, the add-on's name, its files
    curves      what a face does over time, as numbers, without Blender
    layers      what a bake leaves on a face's shape keys
    scene       what the file holds: faces, linked characters, sounds, who speaks which
    control     what the animator chooses, and what follows from it at once
    work        the engine's process, one animation, a queue of them
    command     baking without a window; bake.py hands over to it
    ui          panels, buttons, lists, preferences
"""

import atexit

import bpy
from bpy.app.handlers import persistent

from . import ui
from .command import cli
from .control import live, properties
from .scene import casting, linked
from .ui.workshop import workshop
from .work.job import desk
from .work.session import session


@persistent
def _leave_file(*_: object) -> None:
    """Another file is about to be loaded: nothing of this one may be written into it."""
    desk.abandon()


@persistent
def _save_file(*_: object) -> None:
    """Faces play from the file as they should; who links one shall keep what is chosen for it."""
    live.own_intensities()
    for face in casting.possible_faces(bpy.data.objects):
        linked.settle_choices(face)


def register() -> None:
    """For Blender, when the add-on is turned on."""
    properties.register()
    ui.register()
    bpy.app.handlers.load_pre.append(_leave_file)
    bpy.app.handlers.save_pre.append(_save_file)
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
    if _save_file in bpy.app.handlers.save_pre:
        bpy.app.handlers.save_pre.remove(_save_file)
    if _leave_file in bpy.app.handlers.load_pre:
        bpy.app.handlers.load_pre.remove(_leave_file)
    ui.unregister()
    properties.unregister()
