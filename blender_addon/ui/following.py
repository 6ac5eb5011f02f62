# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that goes on while Blender stays usable: one at a time, followed from a timer."""

from typing import Any

import bpy
from bpy.types import Context

from emoface_core.errors import InputError

from ..work.batch import queue
from ..work.job import desk
from ..work.session import session


def check_free() -> None:
    """InputError while a face, or a list of them, is being animated: there is one engine."""
    if desk.job is not None:
        what = f"“{desk.job.face.name}”"
    elif queue.busy:
        what = "The list"
    else:
        return
    raise InputError(f"{what} is being animated.", "Wait until it is done, or cancel it.")


def check_engine() -> None:
    """InputError while the engine is at work: for a face, for a list, or to be tested."""
    check_free()
    if session.tested is not None:
        raise InputError("The engine is being tested.", "Wait until that is done.")


def redraw(area_type: str = "VIEW_3D") -> None:
    """Show the new state in every area of a type."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == area_type:
                area.tag_redraw()


class Following:
    """Mixin for operators: `follow` makes Blender call `modal` at intervals, until `let_go`."""

    _timer: Any = None

    @staticmethod
    def must_wait(context: Context) -> bool:
        """Whether there is no window to follow anything in."""
        return bpy.app.background or context.window is None

    def follow(self, context: Context, seconds: float) -> set[str]:
        """Begin; what `invoke` then returns."""
        self._timer = context.window_manager.event_timer_add(seconds, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def let_go(self, context: Context) -> None:
        """End; `modal` is not called any more."""
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
