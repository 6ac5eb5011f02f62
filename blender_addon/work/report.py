# SPDX-License-Identifier: GPL-3.0-or-later
"""A report of a failure that holds nothing private."""

import getpass
import platform
import re
from pathlib import Path

import bpy

import emoface_core

from .job import Failure
from .session import Engine

# A folder's name may hold spaces as long as a separator follows; the last part of a path may not.
_PATH = re.compile(r"(?:\b[A-Za-z]:(?=[\\/])|~|//)?(?:[\\/]{1,2}[^\\/\n:\"'<>|“”]+)+[\\/]")
_QUOTED = re.compile(r"“[^”]*”")
_FILE = re.compile(r"…([^\s\"'“”:]+)")


def report(failure: Failure, engine: Engine) -> str:
    """Versions, the failure and the worker's last lines; names and paths are left out."""
    names = _names(failure)
    lines = [
        f"EmoFace {emoface_core.__version__}",
        f"Blender {bpy.app.version_string}, Python {platform.python_version()}",
        f"{platform.system()} {platform.release()} {platform.machine()}",
        f"Engine {engine.engine} on {engine.device}, "
        + ("a Python of its own" if engine.python else "Blender's Python"),
        f"Error {failure.code}: {without_names(failure.message, names)}",
        *(without_names(line, names) for line in failure.log),
    ]
    return "\n".join(lines)


def _names(failure: Failure) -> list[str]:
    """What could name somebody or something, where it stands alone in a text."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # nobody is logged in
        user = ""
    shot = Path(bpy.data.filepath).stem
    return [name for name in (failure.face, user, platform.node(), shot) if len(name) > 2]


def without_names(text: str, names: list[str] | None = None) -> str:
    """Text without what stands in “quotes”, without folders and files, and without these names."""
    text = _QUOTED.sub("“…”", text)
    text = text.replace(str(Path.home()), "~")
    text = _FILE.sub(_program, _PATH.sub("…", text))
    for name in names or ():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text)
    return text


def _program(file: re.Match[str]) -> str:
    """A program's file, as in a traceback, names nobody; others do."""
    return file[0] if file[1].endswith(".py") else "…"
