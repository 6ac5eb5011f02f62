# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python environment with PyTorch in a folder: planned, found, judged, removed."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emoface_core.errors import InputError
from emoface_core.files import atomic_path

PINS = Path(__file__).parents[1] / "pytorch.txt"
MARKER = "emoface-environment.json"
_LONGEST_PATH = 119  # of a file in PyTorch's wheel, below site-packages
_WINDOWS_PATH = 259

Kind = Literal["gpu", "cpu"]
State = Literal["none", "unfinished", "ready", "broken", "foreign"]


@dataclass(frozen=True, slots=True)
class Size:
    """In gigabytes, nearly: what is fetched, and what it takes on disk in the end."""

    download: float
    disk: float

    @property
    def needed(self) -> float:
        """Free space while it is made: downloads are kept until all is done."""
        return self.download + self.disk

    def __str__(self) -> str:
        return f"about {self.download:g} GB to download, {self.disk:g} GB on disk"


def size_of(kind: Kind, platform: str = sys.platform) -> Size:
    """How large an environment gets."""
    if platform == "darwin":
        return Size(0.2, 0.7)
    return Size(3, 6) if kind == "gpu" else Size(0.3, 1.1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be made, where, and from what."""

    folder: Path
    python: str  # that makes it
    kind: Kind = "gpu"
    wheels: str = ""  # a folder with the wheels; "" fetches them from the internet
    pins: Path = PINS

    def requirements(self) -> list[str]:
        """One pip command each, in order."""
        asked, _, _ = self.pins.read_text("utf-8").partition("\n\n")
        return [line for line in asked.splitlines() if line and not line.startswith("#")]

    def digest(self) -> str:
        """Changes when what is installed would change."""
        text = f"{self.kind} {self.pins.read_text('utf-8')}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def interpreter(folder: Path) -> Path:
    """Where a virtual environment keeps its Python."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@dataclass(frozen=True, slots=True)
class Marker:
    """What the folder says about itself."""

    digest: str = ""
    done: tuple[str, ...] = ()
    complete: bool = False
    megabytes: int = 0
    found: str = ""


def read_marker(folder: Path) -> Marker | None:
    """The folder's own note; None where there is none that can be read."""
    try:
        body = json.loads((folder / MARKER).read_text("utf-8"))
        return Marker(
            digest=str(body["digest"]),
            done=tuple(map(str, body["done"])),
            complete=body["complete"] is True,
            megabytes=int(body["megabytes"]),
            found=str(body["found"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_marker(folder: Path, marker: Marker) -> None:
    """Leave a note in the folder."""
    body = {name: getattr(marker, name) for name in Marker.__slots__}
    with atomic_path(folder / MARKER) as temporary:
        temporary.write_text(json.dumps(body, indent=1), "utf-8")


def state_of(folder: Path) -> State:
    """What is in a folder; quick."""
    if (folder / MARKER).is_file():
        marker = read_marker(folder)
        if marker is None or not marker.complete:
            return "unfinished"
        # A venv leans on the Python that made it, which may have gone with an old Blender.
        return "ready" if interpreter(folder).exists() else "broken"
    try:
        return "foreign" if any(folder.iterdir()) else "none"
    except FileNotFoundError:
        return "none"
    except OSError:  # a file, or not ours to read
        return "foreign"


def ready_python(folder: Path) -> str:
    """The Python of a complete environment, "" if there is none."""
    return str(interpreter(folder)) if state_of(folder) == "ready" else ""


def check(recipe: Recipe, *, online: bool) -> None:
    """InputError if the environment cannot be made as things are."""
    if not recipe.wheels and not online:
        raise InputError(
            "Blender is set to stay offline.",
            "Turn on Preferences › System › Network › Allow Online Access, or name a folder with "
            "the wheels.",
        )
    if recipe.wheels and not Path(recipe.wheels).is_dir():
        raise InputError(f"There is no folder “{recipe.wheels}”.", "Check the folder of wheels.")
    state = state_of(recipe.folder)
    if state == "foreign":
        raise InputError(
            f"“{recipe.folder}” holds something else.", "Choose an empty folder, or a new one."
        )
    inside = interpreter(Path()).parent if os.name != "nt" else Path("Lib/site-packages")
    longest = len(str(recipe.folder / inside)) + 1 + _LONGEST_PATH
    if os.name == "nt" and longest > _WINDOWS_PATH:
        raise InputError(
            f"The folder's path is {longest - _WINDOWS_PATH} characters too long for Windows.",
            "Choose a folder with a shorter path, such as C:\\emoface.",
        )
    if state == "none":
        _check_space(recipe)


def _check_space(recipe: Recipe) -> None:
    home = recipe.folder.absolute()
    while not home.exists():
        home = home.parent
    needed = size_of(recipe.kind).needed if recipe.pins == PINS else 0.0
    free = shutil.disk_usage(home).free / 1e9
    if free < needed:
        raise InputError(
            f"There is not enough room: {needed:.0f} GB are needed and {free:.1f} GB are free.",
            "Free some space, or choose a folder on another disk.",
        )


def remove(folder: Path) -> None:
    """Delete an environment of ours. InputError if it is none, or if files are in use."""
    if not (folder / MARKER).is_file():
        raise InputError(f"“{folder}” holds no environment of EmoFace.")
    empty(folder)
    _unlink(folder / MARKER)  # last, so that what fails half way can be tried again
    try:
        folder.rmdir()
    except OSError:
        return  # another program looks into it; it is empty


def goes_on(before: Marker, now: Marker, folder: Path) -> bool:
    """Whether what an earlier making left can be used."""
    return before.digest == now.digest and "venv" in before.done and interpreter(folder).exists()


def empty(folder: Path) -> None:
    """Delete all but the marker. InputError if files are in use."""
    for child in folder.iterdir():
        if child.name == MARKER:
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            _unlink(child)
    if any(child.name != MARKER for child in folder.iterdir()):
        raise InputError(f"Some files in “{folder}” are in use.", "Close other Blenders first.")


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise InputError(
            f"“{path}” cannot be deleted ({error.strerror}).", "Close what uses it, and try again."
        ) from None


def bytes_in(path: Path) -> int:
    """What a file or a folder takes; files that vanish meanwhile count nothing."""
    total = 0
    for name in _files_in(path):
        try:
            total += os.lstat(name).st_size
        except OSError:
            continue
    return total


def _files_in(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
    for home, _, names in os.walk(path):
        yield from (os.path.join(home, name) for name in names)  # noqa: PTH118
