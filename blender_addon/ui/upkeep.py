# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that free the engine's memory, delete what it left behind, and show its logs."""

import time
from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy.types import Context, Operator

from emoface_core.errors import InputError

from .. import folders
from ..work import environment
from ..work.session import session
from .engine_test import found
from .explained import Explained
from .following import check_free, redraw


class EMOFACE_OT_free_memory(Explained, Operator):
    """End the engine's process; it starts again when needed"""

    bl_idname = "emoface.free_memory"
    bl_label = "Free Memory"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be an idle worker."""
        check_free()
        if not session.running:
            raise InputError("The engine is not running, so it holds no memory.")

    def execute(self, context: Context) -> set[str]:
        """End it."""
        session.close()
        found.forget()
        redraw("PREFERENCES")
        return {"FINISHED"}


class EMOFACE_OT_clear_files(Explained, Operator):
    """Delete what engines left in the working folder; what another Blender uses stays"""

    bl_idname = "emoface.clear_files"
    bl_label = "Clear"

    @classmethod
    def require(cls, context: Context) -> None:
        """Not in the middle of a job."""
        check_free()

    def execute(self, context: Context) -> set[str]:
        """End the worker, whose files go with it, then delete what is old."""
        session.close()
        folder = folders.working_folder()
        left = folders.clear_work(folder) if folder is not None else 0
        text = f"{left} in use by another Blender, perhaps" if left else "Nothing is left"
        self.report({"INFO"}, f"Working files deleted. {text}.")
        _sizes.clear()
        redraw("PREFERENCES")
        return {"FINISHED"}


class EMOFACE_OT_open_logs(Explained, Operator):
    """Show the folder with the engine's logs"""

    bl_idname = "emoface.open_logs"
    bl_label = "Open Folder"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a log."""
        if not folders.log_files(folders.home("logs")):
            raise InputError("There is no log yet: the engine has not run.")

    def execute(self, context: Context) -> set[str]:
        """In the system's own file browser."""
        home = folders.home("logs")
        bpy.ops.wm.path_open(filepath=str(home))
        self.report({"INFO"}, f"Logs are in {home}")  # where the system has no file browser
        return {"FINISHED"}


class _Sizes:
    """Sizes of folders, looked up again every few seconds and not at every redraw."""

    _seconds: ClassVar = 5.0

    def __init__(self) -> None:
        self._known: dict[Any, tuple[float, str]] = {}

    def text(self, paths: tuple[Path, ...]) -> str:
        """How much they take together."""
        now = time.monotonic()
        if paths not in self._known or now - self._known[paths][0] > self._seconds:
            size = sum(environment.bytes_in(path) for path in paths)
            self._known = {**self._known, paths: (now, _in_words(size))}
        return self._known[paths][1]

    def clear(self) -> None:
        """Look again."""
        self._known = {}


_sizes = _Sizes()


def _in_words(size: int) -> str:
    if not size:
        return "none"
    if size >= 10_000_000:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def work_size() -> str:
    """What workers keep."""
    folder = folders.working_folder()
    return _sizes.text(tuple(folders.work_files(folder))) if folder is not None else "none"


def logs_size() -> str:
    """What logs take."""
    return _sizes.text(tuple(folders.log_files(folders.home("logs"))))


CLASSES = (EMOFACE_OT_free_memory, EMOFACE_OT_clear_files, EMOFACE_OT_open_logs)
