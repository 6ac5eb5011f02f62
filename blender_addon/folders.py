# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the add-on keeps its files: never beside its own code, which an update replaces."""

import time
from datetime import datetime
from pathlib import Path

import bpy

from . import installed

_LOGS = 10  # kept, one for each worker that was started
_LOG_BYTES = 1_000_000
_IN_USE = 3600.0  # seconds: a working folder this young may be another Blender's


def home(name: str) -> Path:
    """The extension's own folder of that name, made if missing; Blender's data in a checkout."""
    own = installed.own_folder(name)
    if own is not None:
        return own
    data = bpy.utils.user_resource("DATAFILES", path="emoface", create=True)
    folder = Path(data, name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def working_folder() -> Path | None:
    """Where arrays travel: the extension's own folder, or the temporary one in a checkout."""
    own = installed.own_folder("worker")
    return own or (Path(bpy.app.tempdir) if bpy.app.tempdir else None)


class WorkerLog:
    """One worker's log file: written line by line and never held open, cut off at a size."""

    def __init__(self, folder: Path, heading: str) -> None:
        """Begin a new file; the oldest ones go."""
        now = f"{datetime.now().astimezone():%Y-%m-%d %H.%M.%S}"
        self.path = folder / f"worker {now}.log"
        self._room = _LOG_BYTES
        for old in log_files(folder)[: -(_LOGS - 1)]:
            _discard(old)
        self(heading)

    def __call__(self, line: str) -> None:
        """Add a line. Safe in any thread: only one worker's reader writes here."""
        text = line + "\n"
        if self._room <= 0:
            return
        self._room -= len(text)
        try:
            with self.path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text if self._room > 0 else "… (cut off here)\n")
        except OSError:
            self._room = 0  # a full disk must not end the worker: there is no log then


def log_files(folder: Path) -> list[Path]:
    """The logs, oldest first."""
    return sorted(folder.glob("worker *.log"))


def work_files(folder: Path) -> list[Path]:
    """What workers keep there: a folder for each."""
    return sorted(folder.glob("emoface-worker-*"))


def clear_work(folder: Path) -> int:
    """Delete what workers left behind, but not what another Blender may be using.

    Returns how many things are left.
    """
    left = 0
    for path in work_files(folder):
        young = time.time() - _touched(path) < _IN_USE
        left += young or not _discard(path)
    return left


def _touched(path: Path) -> float:
    try:
        return max(p.stat().st_mtime for p in (path, *path.glob("*")))
    except OSError:  # it has just gone
        return 0.0


def _discard(path: Path) -> bool:
    """Delete a file, or a folder with files in it; whether it is gone."""
    try:
        if path.is_dir():
            for inner in path.iterdir():
                inner.unlink()
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError:  # in use, on Windows; it goes the next time
        return False
    return True
