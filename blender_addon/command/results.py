# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a job: a file of its own, so that a script or a farm can look. No bpy.

The same list may be run again: what is done and unchanged is not done twice.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import emoface_core
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.files import atomic_path

from .jobs import BakeJob

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one face speaks after a bake."""

    face: str
    sound: str
    first_frame: int
    last_frame: int
    shape_keys: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job."""

    job: BakeJob
    state: str  # done | failed
    code: str = ""
    message: str = ""
    hint: str = ""
    faces: tuple[Spoken, ...] = ()
    left_out: tuple[str, ...] = ()  # strips that no face speaks, each with the reason
    fingerprint: str = ""  # of the sounds and options, and of the engine
    source: str = ""  # sha256 of the .blend that was opened
    saved: str = ""  # sha256 of the .blend that was saved
    seconds: float = 0.0

    @staticmethod
    def of_error(job: BakeJob, error: EmoFaceError) -> "Result":
        """A job that failed with a sentence."""
        return Result(job, "failed", error.code, error.message, error.hint)


def result_path(folder: Path, job: BakeJob, number: int) -> Path:
    """Where the result of the job of that number (from 1) in its list lies."""
    return folder / f"{job.id or f'{number:04d}'}.json"


def write_result(path: Path, result: Result) -> None:
    """Whole or not at all. InputError if it cannot be written."""
    values = {
        "emoface_result": _FORMAT,
        "version": emoface_core.__version__,
        **asdict(result),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise InputError(
            f"The result “{path}” cannot be written ({error.strerror}).", "Check --results."
        ) from None


def is_done(path: Path, job: BakeJob, fingerprint: str, source: str) -> bool:
    """Whether a result file says that this very job is done and its .blend still there."""
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(read, dict) or read.get("emoface_result") != _FORMAT:
        return False
    saved = digest_of_file(Path(job.save)) if job.save else ""
    same_source = read.get("source") == source or _same_file(job.open, job.save)
    return (
        read.get("state") == "done"
        and read.get("fingerprint") == fingerprint
        and saved != ""
        and read.get("saved") == saved
        and same_source
    )


def _same_file(one: str, other: str) -> bool:
    return bool(one and other) and Path(one).resolve() == Path(other).resolve()


def digest_of_file(path: Path) -> str:
    """Its sha256; "" if there is none to read."""
    try:
        with path.open("rb") as file:  # a folder, such as "", is an OSError too
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def digest(*values: Any) -> str:
    """Of plain values."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
