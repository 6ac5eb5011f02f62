# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system refused, as one sentence; and reports of what nobody foresaw."""

import errno
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

from emoface_core import __version__
from emoface_core.errors import EmoFaceError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class DiskFullError(EmoFaceError):
    """No room, or no right, to write."""

    code = "disk_full"


class NoMemoryError(EmoFaceError):
    """The machine's or the device's memory is too small for the job."""

    code = "out_of_memory"


def foreseen(error: BaseException) -> EmoFaceError | None:
    """The error as a sentence for a person, or None if it is a fault of ours."""
    if isinstance(error, EmoFaceError):
        return error
    if isinstance(error, MemoryError):
        return NoMemoryError(
            "There is not enough memory.", "Close other programs, or work on a shorter part."
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return DiskFullError("The disk is full.", "Free some space, then try again.")
    if isinstance(error, PermissionError) or (
        isinstance(error, OSError) and error.errno == errno.EROFS
    ):
        return DiskFullError(
            f"“{error.filename}” may not be written.",
            "Choose another folder, or change its rights.",
        )
    return None


def report(error: BaseException) -> str:
    """What somebody who is to mend it needs; nothing of the user's but paths in the traceback."""
    lines = [
        f"emoface_core {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"{time.strftime('%Y-%m-%d %H:%M:%S')}",
        "".join(traceback.format_exception(error)),
    ]
    for name in ("numpy", "onnxruntime", "torch", "soundfile"):
        module = sys.modules.get(name)
        if module is not None:
            lines.append(f"{name} {getattr(module, '__version__', '?')}")
    return "\n".join(lines)


def write_report(error: BaseException) -> Path:
    """Put the report into a file of the temporary folder; returns where."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="emoface-report-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(report(error))
    return Path(file.name)
