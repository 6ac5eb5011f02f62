# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of bakes, read from JSON or a table, and checked before any is begun. No bpy."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from emoface_core.emotions import AUTO, EMOTIONS, MAX_INTENSITY
from emoface_core.errors import InputError

from ..curves.timing import MOST_FRAMES

INTO = ("nla", "action")  # tracks, or the active Action
_ASK = "See --help for what a job can have."


@dataclass(frozen=True, slots=True)
class BakeJob:
    """What is to be baked. The fields are the options', the JSON keys' and the columns' names.

    The sound is one of `audio`, `strip` (several: one bake over all of them) and `all`.
    """

    id: str = ""  # names the result file; "" is the job's number
    open: str = ""  # a .blend to open first; "" is the one that is open
    audio: str = ""
    strip: str | tuple[str, ...] = ""
    text: str = ""  # the words that are spoken, or the .txt file that holds them
    all: bool = False  # every strip that is heard, to the face that its name says
    object: str = ""
    make_local: bool = False  # give a linked face a mesh of this file's own
    preset: str = ""
    emotion: str | None = None  # None: the preset's, or from the voice
    intensity: float | None = None
    preference: float | None = None
    eyes: bool = False  # blinks and gaze
    into: str | None = None  # "nla" or "action"; None: as chosen in the panel
    fps: float | None = None
    start_frame: int | None = None
    feel_before: int | None = None  # frames around the sound; None: as chosen in the panel
    feel_after: int | None = None
    save: str = ""

    @property
    def strips(self) -> tuple[str, ...]:
        """The names of the strips."""
        names = (self.strip,) if isinstance(self.strip, str) else self.strip
        return tuple(name for name in names if name)


_NUMBERS = {"intensity": (int, float), "preference": (int, float), "fps": (int, float)}
_SWITCHES = {"all": bool, "eyes": bool, "make_local": bool}
_FRAMES = {"start_frame": int, "feel_before": int, "feel_after": int}
_KINDS: dict[str, Any] = {**_NUMBERS, **_SWITCHES, **_FRAMES, "strip": (str, list)}
_NAMES = [field.name for field in fields(BakeJob)]


def read_list(
    path: Path, common: BakeJob, also: Callable[[BakeJob], None] | None = None
) -> list[BakeJob]:
    """The jobs of a .json list or a .csv table, checked; `common` is what they all have.

    `also`: a further check. InputError names the file, and the line or the job that is wrong.
    """
    table = path.suffix.lower() == ".csv"
    items = _read_table(path) if table else enumerate(_read_json(path), 1)
    found: list[BakeJob] = []
    numbers: list[int] = []
    for number, item in items:
        try:
            job = _job(common, _read_row(item) if table else item)
            check(job)
            if also is not None:
                also(job)
            if job.id and job.id.casefold() in {other.id.casefold() for other in found}:
                raise InputError(f"Two jobs have the id “{job.id}”.", "Give each its own.")
        except InputError as error:
            where = f"“{path.name}”, {'line' if table else 'job'} {number}"
            raise InputError(f"{where}: {error.message}", error.hint) from None
        found.append(job)
        numbers.append(number)
    if (pair := _overwriting(found)) is not None:
        one, other = (numbers[index] for index in pair)
        raise InputError(
            f"“{path.name}”, {'lines' if table else 'jobs'} {one} and {other}: the second would "
            f"overwrite what the first saves in “{found[pair[0]].save}”.",
            "Give each a file of its own. A face may speak several strips in one job.",
        )
    return found


def _overwriting(listed: Sequence[BakeJob]) -> tuple[int, int] | None:
    """The first two jobs of which one would undo the other: where they are in the list.

    They save under one name, and have the same face, or the later one goes on from another file.
    """
    saved: dict[Path, dict[str, int]] = {}  # file -> face -> job
    for index, job in enumerate(listed):
        if not job.save:
            continue
        path = Path(job.save).resolve()
        faces = saved.setdefault(path, {})
        before = listed[index - 1] if index else job
        together = (before.open, before.save) == (job.open, job.save)  # opened once, saved once
        goes_on = together or not job.open or Path(job.open).resolve() == path
        other = faces.get(job.object) if goes_on else next(reversed(faces.values()), None)
        if other is not None:
            return other, index
        faces[job.object] = index
    return None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets begin with a mark
    except OSError as error:
        raise InputError(f"“{path}” cannot be read ({error.strerror}).", "Check it.") from None
    except ValueError:
        raise InputError(f"“{path}” is not a text in UTF-8.", "Save it as UTF-8.") from None


def _read_json(path: Path) -> list[Any]:
    try:
        read = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"“{path}” is not JSON ({error}).", "Correct it.") from None
    if not isinstance(read, list) or not read or not all(isinstance(i, dict) for i in read):
        raise InputError(
            f"“{path}” is not a list of jobs.", 'Write [{"audio": "a.wav", "object": "Head"}, …].'
        )
    return read


def _read_table(path: Path) -> Iterator[tuple[int, dict[str | None, Any]]]:
    """A row a job, a column an option, each with its line; “|” parts several strips in a cell."""
    text = _read_text(path)
    first_line = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in first_line else ",")
    try:
        read = [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise InputError(f"“{path}” is not a table ({error}).", "Correct it.") from None
    if not read:
        raise InputError(f"“{path}” is not a table of jobs.", "Write a line of names, then jobs.")
    yield from read


def _read_row(row: Mapping[str | None, Any]) -> dict[str, Any]:
    if None in row or None in row.values():
        raise InputError("It is longer or shorter than the first line.", "Give it as many cells.")
    read: dict[str, Any] = {}
    for column, cell in row.items():
        name = str(column).strip().replace("-", "_")
        if cell.strip():
            read[name] = _read_cell(name, cell.strip())
    return read


def _read_cell(name: str, cell: str) -> Any:
    try:
        if name in _NUMBERS:
            return float(cell.replace(",", "."))
        if name in _FRAMES:
            return int(cell)
    except ValueError:
        raise InputError(f"A job's “{name}” cannot be “{cell}”.", _ASK) from None
    if name == "strip":
        return [part.strip() for part in cell.split("|")]
    if name in _SWITCHES:
        return cell.casefold() in {"1", "true", "yes", "x"}
    return cell


def _job(common: BakeJob, item: Mapping[str, Any]) -> BakeJob:
    item = {name.replace("-", "_"): value for name, value in item.items()}
    for name, value in item.items():
        if name not in _NAMES:
            raise InputError(f"A job cannot have “{name}”.", _ASK)
        kind = _KINDS.get(name, str)
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if wrong or (isinstance(value, list) and not all(isinstance(v, str) for v in value)):
            raise InputError(f"A job's “{name}” cannot be {value!r}.", _ASK)
    if isinstance(item.get("strip"), list):
        item["strip"] = tuple(item["strip"])
    if item.keys() & {"audio", "strip", "all"}:
        common = replace(common, audio="", strip="", all=False, text="")
    return replace(common, **item)


def check(job: BakeJob) -> None:
    """InputError if a job cannot be meant, before anything is opened."""
    _check_sound(job)
    if job.emotion is not None and job.emotion not in (AUTO, *EMOTIONS):
        raise InputError(
            f"There is no emotion “{job.emotion}”.", f"Give {AUTO}, {', '.join(EMOTIONS)}."
        )
    if job.into is not None and job.into not in INTO:
        raise InputError(f"A bake cannot go into “{job.into}”.", f"Give {' or '.join(INTO)}.")
    for name, value, most in (
        ("intensity", job.intensity, MAX_INTENSITY),
        ("preference", job.preference, 1.0),
    ):
        if value is not None and not 0 <= value <= most:
            raise InputError(f"The {name} {value:g} is not within 0 and {most:g}.", "Change it.")
    for name, frames in (("before", job.feel_before), ("after", job.feel_after)):
        if frames is not None and not 0 <= frames <= MOST_FRAMES:
            raise InputError(
                f"A face cannot feel {frames} frames {name} the sound.", f"Give 0 to {MOST_FRAMES}."
            )
    if job.text and (job.all or len(job.strips) > 1):
        raise InputError(
            "A text is of one sound, and the job has several.",
            "Put each strip's words into a text datablock of the strip's name.",
        )
    if job.save:
        _check_save(Path(job.save))
    if job.fps is not None and not (math.isfinite(job.fps) and 1 <= job.fps <= 1000):
        raise InputError(f"{job.fps:g} frames a second cannot be.", "Give 1 to 1000.")
    if set(job.id) & set('/\\:*?"<>|') or job.id.startswith("."):
        raise InputError(f"“{job.id}” cannot be an id: it names a file.", "Use letters and digits.")


def _check_sound(job: BakeJob) -> None:
    given = {"audio": bool(job.audio), "strip": bool(job.strips), "all": job.all}
    names = [f"“{name}”" for name, is_given in given.items() if is_given]
    if not names:
        raise InputError("A job needs a sound.", "Give one of --audio FILE, --strip NAME, --all.")
    if len(names) > 1:
        raise InputError(f"A job has one sound, not {' and '.join(names)}.", "Name only one.")


def _check_save(path: Path) -> None:
    """Before the work, not after it."""
    if path.suffix != ".blend":
        raise InputError(f"“{path}” is no name for a .blend file.", "End it in .blend.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"The folder “{path.parent}” does not exist.", "Create it first.")


def parse_part(text: str) -> tuple[int, int]:
    """“2/5”: the second of five parts of a list. InputError."""
    part, _, count = text.partition("/")
    if not (part.isascii() and part.isdigit() and count.isascii() and count.isdigit()):
        raise InputError(f"“{text}” is no part of a list.", "Give one such as 2/5.")
    if not 1 <= int(part) <= int(count):
        raise InputError(f"There is no part {part} of {count}.", "Give one such as 2/5.")
    return int(part), int(count)
