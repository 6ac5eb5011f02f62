# SPDX-License-Identifier: GPL-3.0-or-later
"""A report of a failure that holds nothing private."""

import platform
import re
from pathlib import Path

import bpy

import emoface_core

from .job import Failure
from .session import Engine


def report(failure: Failure, engine: Engine) -> str:
    """Versions, the failure and the worker's last lines; names and paths are left out."""
    lines = [
        f"EmoFace {emoface_core.__version__}",
        f"Blender {bpy.app.version_string}, Python {platform.python_version()}",
        f"{platform.system()} {platform.machine()}",
        f"Engine {engine.engine} on {engine.device}, "
        + ("a Python of the user's" if engine.python else "Blender's Python"),
        f"Error {failure.code}: {without_names(failure.message)}",
        *(without_names(line) for line in failure.log),
    ]
    return "\n".join(lines)


def without_names(text: str) -> str:
    """Text without what stands in “quotes”, and without folders."""
    text = re.sub(r"“[^”]*”", "“…”", text)
    text = text.replace(str(Path.home()), "~")
    return re.sub(r"(?:[A-Za-z]:)?(?:[\\/][^\\/\s:\"'<>|]+)+(?=[\\/])", "…", text)
