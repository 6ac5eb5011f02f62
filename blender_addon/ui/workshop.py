# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that make and remove the environment with PyTorch, and the making under way."""

import time
from typing import Any

import bpy
from bpy.types import Context, Event, Operator

from emoface_core.errors import EmoFaceError, InputError

from .. import folders
from ..installed import preferences
from ..work import environment
from ..work.job import desk
from ..work.making import Making
from ..work.session import session
from .explained import Explained
from .following import check_free, redraw
from .text import wrap

_TICK = 0.2  # seconds between looks at the making
_DIALOG, _LINE = 440, 68  # how wide it is: pixels at scale 1, and letters
_SOURCE = "From pypi.org and download.pytorch.org, over the internet."


class Workshop:
    """The making of the environment, while Blender runs. Never saved."""

    def __init__(self) -> None:
        self.making: Making | None = None

    @property
    def busy(self) -> bool:
        """Whether one is being made."""
        return self.making is not None and self.making.state == "running"

    def begin(self, making: Making) -> None:
        """Follow it from a timer of Blender's, which outlives the window of the preferences."""
        self.making = making
        if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=_TICK, persistent=True)

    def close(self) -> None:
        """The add-on is turned off, or Blender ends: what is done so far is kept."""
        if self.making is not None:
            self.making.cancel()
        self.making = None
        if bpy.app.timers.is_registered(_tick):
            bpy.app.timers.unregister(_tick)


workshop = Workshop()


def _tick() -> float | None:
    making = workshop.making
    if making is None:
        return None
    if making.poll():
        redraw("PREFERENCES")
    if making.state == "running":
        return _TICK
    _made(making)
    return None


def _made(making: Making) -> None:
    """Write the log, and let the next job start a worker in the new environment."""
    log = folders.WorkerLog(folders.home("logs"), f"PyTorch environment: {making.state}")
    for line in making.log:
        log(line)
    if making.state == "done" and desk.job is None:
        session.close()
    redraw("PREFERENCES")


class EMOFACE_OT_make_environment(Explained, Operator):
    """Make a Python environment with PyTorch; says how large and where before it starts"""

    bl_idname = "emoface.make_environment"
    bl_label = "Make a PyTorch Environment"

    @classmethod
    def require(cls, context: Context) -> None:
        """Online or with wheels, a free folder, enough room."""
        if workshop.busy:
            raise InputError("The environment is being made.")
        chosen = preferences()
        if chosen is None:
            raise InputError("The add-on is not turned on.")
        environment.check(chosen.recipe(), online=bpy.app.online_access)

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Ask first."""
        asked: Any = context.window_manager.invoke_props_dialog(self, width=_DIALOG)
        return set(asked)

    def draw(self, context: Context) -> None:
        """What will be done."""
        recipe = preferences().recipe()
        column = self.layout.column(align=True)
        source = f"From the folder “{recipe.wheels}”." if recipe.wheels else _SOURCE
        for text in (
            f"PyTorch and what it needs: {environment.size_of(recipe.kind)}.",
            source,
            f"Into “{recipe.folder}”.",
            "Blender stays usable meanwhile. It can be cancelled, and goes on later.",
        ):
            for line in wrap(text, _LINE):
                column.label(text=line)

    def execute(self, context: Context) -> set[str]:
        """Begin; in background mode, wait for the end."""
        making = Making(preferences().recipe())
        try:
            making.start(online=bpy.app.online_access)
        except EmoFaceError as error:
            return self.refuse(error)
        workshop.begin(making)
        if not bpy.app.background:
            redraw("PREFERENCES")
            return {"FINISHED"}
        while making.state == "running":
            making.poll()
            time.sleep(0.02)
        _made(making)
        return {"FINISHED"} if making.error is None else self.refuse(making.error)


class EMOFACE_OT_cancel_environment(Explained, Operator):
    """Stop; what is done so far is kept"""

    bl_idname = "emoface.cancel_environment"
    bl_label = "Cancel"

    @classmethod
    def require(cls, context: Context) -> None:
        """One must be under way."""
        if not workshop.busy:
            raise InputError("Nothing is under way.")

    def execute(self, context: Context) -> set[str]:
        """End the process."""
        if workshop.making is not None:
            workshop.making.cancel()
        redraw("PREFERENCES")
        return {"FINISHED"}


class EMOFACE_OT_remove_environment(Explained, Operator):
    """Delete the environment with PyTorch"""

    bl_idname = "emoface.remove_environment"
    bl_label = "Remove Environment"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be one of ours, and nobody in it."""
        check_free()
        if workshop.busy:
            raise InputError("The environment is being made.", "Cancel that first.")
        chosen = preferences()
        if chosen is None or environment.read_marker(chosen.environment_folder()) is None:
            raise InputError("There is no environment that was made here.")

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Ask first."""
        asked: Any = context.window_manager.invoke_confirm(self, event)
        return set(asked)

    def execute(self, context: Context) -> set[str]:
        """End the worker that may run in it, then delete."""
        session.close()
        workshop.making = None
        try:
            environment.remove(preferences().environment_folder())
        except EmoFaceError as error:
            return self.refuse(error)
        redraw("PREFERENCES")
        return {"FINISHED"}


CLASSES = (
    EMOFACE_OT_make_environment,
    EMOFACE_OT_cancel_environment,
    EMOFACE_OT_remove_environment,
)
