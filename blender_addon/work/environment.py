# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python environment with PyTorch: planned, made step by step in processes of its own, removed.

Nothing here blocks, and nothing touches Blender: whoever shows it calls `Making.poll` on a timer.
Each step that is done is written down in the folder, so that what was cancelled or cut off by a
crash goes on where it stopped; downloads that were complete are kept for that, too.
"""

import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from emoface_core.errors import Cancelled, EmoFaceError, InputError
from emoface_core.files import atomic_path
from emoface_core.worker.process import clean_environment

PINS = Path(__file__).parents[1] / "pytorch.txt"
MARKER = "emoface-environment.json"
DOWNLOADS = "downloads"
OLDEST = (3, 11)
_LONGEST_PATH = 119  # of a file in PyTorch's wheel, below site-packages
_WINDOWS_PATH = 259
_RAW_PROGRESS = (24, 1)  # pip's own version from which it says its progress to programs
_EXTRA_INDEX = {
    ("linux", "cpu"): "https://download.pytorch.org/whl/cpu",
    ("win32", "gpu"): "https://download.pytorch.org/whl/cu130",
}  # elsewhere PyPI's own wheels are the right ones

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


# ------------------------------------------------------------------------------ what is there


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


def _write_marker(folder: Path, marker: Marker) -> None:
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
    _empty(folder)
    _unlink(folder / MARKER)  # last, so that what fails half way can be tried again
    try:
        folder.rmdir()
    except OSError:
        return  # another program looks into it; it is empty


def _goes_on(before: Marker, now: Marker, folder: Path) -> bool:
    """Whether what an earlier making left can be used."""
    return before.digest == now.digest and "venv" in before.done and interpreter(folder).exists()


def _empty(folder: Path) -> None:
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


# ------------------------------------------------------------------------------ making it


@dataclass(frozen=True, slots=True)
class Step:
    """One process: what it is called, what it does in words, and its share of the whole in MB."""

    name: str
    text: str
    weight: float


# What tells that the environment works: it is imported from as the worker will.
_TRY = """
import json, platform, numpy, soundfile, safetensors, torch
card = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
if not card and torch.backends.mps.is_available():
    card = "Metal"
print(json.dumps(f"PyTorch {torch.__version__}, Python {platform.python_version()}, "
                 + (card or "processor")))
"""
_CHECK_BASE = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
_WEIGHTS = {"pip": 4.0, "numpy": 20.0}


@dataclass(slots=True)
class Making:
    """The making of one environment. Call `poll` until `state` is no longer "running"."""

    recipe: Recipe
    trial: str = _TRY
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    text: str = "Starting"
    fraction: float = 0.0
    error: EmoFaceError | None = None
    log: deque[str] = field(default_factory=lambda: deque(maxlen=400))
    _steps: Iterator[Step] | None = None
    _step: Step | None = None
    _child: subprocess.Popen[bytes] | None = None
    _lines: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)
    _marker: Marker = field(default_factory=Marker)
    _again: bool = False  # the next step may have been cut off in the middle
    _tally: "Tally" = field(default_factory=lambda: Tally(0.0))

    def start(self, *, online: bool) -> None:
        """Begin, or go on where an earlier making stopped. InputError if it cannot be."""
        folder = self.recipe.folder
        check(self.recipe, online=online)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            before = read_marker(folder)
            self._marker = Marker(self.recipe.digest())
            if before is not None and _goes_on(before, self._marker, folder):
                self._marker, self._again = Marker(before.digest, before.done), True
            _write_marker(folder, self._marker)
        except OSError as error:
            raise InputError(
                f"“{folder}” cannot be written ({error.strerror}).", "Choose another folder."
            ) from None
        if not self._again:
            _empty(folder)
        steps = self._all_steps()
        self._tally = Tally(sum(step.weight for step in steps))
        self._steps = iter(steps)
        self._next()

    def cancel(self) -> None:
        """Stop it; what is done so far is kept, and `start` goes on from there."""
        if self.state != "running":
            return
        self._end_child()
        self._finish("cancelled", Cancelled("Making the environment was cancelled."))

    def poll(self) -> bool:
        """Take in what the process says; True if there was something new. Never blocks."""
        news = False
        while self.state == "running":
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                break
            news = True
            if line is None:
                self._step_ended()
            else:
                self._heard(line)
        return news

    # How it does it

    def _all_steps(self) -> list[Step]:
        steps = [Step("check", "Looking at Python", 1), Step("venv", "Making the environment", 15)]
        for requirement in self.recipe.requirements():
            name = requirement.partition("==")[0]
            if name == "pip" and self.recipe.wheels and not self._has_wheel("pip"):
                continue  # the one that Python brings will do
            weight = size_of(self.recipe.kind).download * 1000 if name == "torch" else 5.0
            steps.append(Step(requirement, f"Installing {name}", _WEIGHTS.get(name, weight)))
        return [*steps, Step("try", "Trying it", 10)]

    def _has_wheel(self, name: str) -> bool:
        return any(Path(self.recipe.wheels).glob(f"{name}-*.whl"))

    def _command(self, step: Step) -> list[str]:
        inside = [str(interpreter(self.recipe.folder)), "-I", "-X", "utf8"]
        base = [self.recipe.python, "-I", "-X", "utf8"]
        if step.name == "check":
            return [*base, "-c", _CHECK_BASE]
        if step.name == "venv":
            return [*base, "-m", "venv", str(self.recipe.folder)]
        if step.name == "try":
            return [*inside, "-c", self.trial]
        words = [*inside, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        words += ["--only-binary=:all:", "--constraint", str(self.recipe.pins)]
        words += ["--cache-dir", str(self.recipe.folder / DOWNLOADS)]
        if _pip_version(self.recipe.folder) >= _RAW_PROGRESS:
            words += ["--progress-bar", "raw"]
        else:
            words += ["--progress-bar", "off"]
        if self._again:
            # Half a package looks like a whole one to pip: put all of it there once more.
            words += ["--ignore-installed"]
        index = _EXTRA_INDEX.get((sys.platform, self.recipe.kind))
        if self.recipe.wheels:
            words += ["--no-index", "--find-links", self.recipe.wheels]
        elif index and step.name.startswith("torch=="):
            words += ["--extra-index-url", index]
        return [*words, step.name]

    def _next(self) -> None:
        """Start the next step that is still to be done."""
        if self._steps is None:
            raise EmoFaceError("The making was not started.")
        for step in self._steps:
            if step.name in self._marker.done:
                self._tally.add(step.weight)
                continue
            self._step, self.text = step, step.text
            self.fraction = self._tally.fraction()
            try:
                self._run(self._command(step))
            except OSError as error:
                self._fail(
                    f"“{self._command(step)[0]}” could not be started ({error.strerror}).",
                    "Choose another Python to make it with.",
                )
            return
        self._complete()

    def _run(self, command: Sequence[str]) -> None:
        flags: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            flags = {"creationflags": subprocess.CREATE_NO_WINDOW}
        self.log.append("> " + " ".join(command[1:]).splitlines()[0][:300])
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            cwd=self.recipe.folder,
            **flags,
        )
        # A queue of its own: what a cancelled process still says is heard by nobody.
        self._lines = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(self._child, self._lines), daemon=True)
        reader.start()

    def _heard(self, line: str) -> None:
        part = self._tally.hear(line)
        if part is None:
            self.log.append(line)
            return
        if self._step is not None:
            self.text = f"{self._step.text}: {part}"
            self.fraction = self._tally.fraction(self._step.weight)

    def _step_ended(self) -> None:
        step, child = self._step, self._child
        if step is None or child is None:
            return
        code = child.wait()  # it has closed its output, so it is about to end
        if code:
            self._fail(*_explain(step, code, self.log))
            return
        if step.name == "check" and (problem := self._base_problem()):
            self._fail(*problem)
            return
        if step.name == "try":
            self._marker = Marker(
                self._marker.digest, self._marker.done, found=_last_json(self.log)
            )
        elif step.name != "check":
            self._again = False
            self._marker = Marker(self._marker.digest, (*self._marker.done, step.name))
            _write_marker(self.recipe.folder, self._marker)
        self._tally.add(step.weight)
        self._next()

    def _base_problem(self) -> tuple[str, str] | None:
        said = self.log[-1].split() if self.log else []
        version = tuple(int(word) for word in said if word.isdigit())
        if len(version) == 2 and version >= OLDEST:
            return None
        return (
            f"“{self.recipe.python}” is Python {'.'.join(said) or 'unknown'}.",
            "Choose Python 3.11 or later to make the environment with.",
        )

    def _complete(self) -> None:
        folder = self.recipe.folder
        shutil.rmtree(folder / DOWNLOADS, ignore_errors=True)
        marker = self._marker
        size = bytes_in(folder) // 1_000_000
        _write_marker(folder, Marker(marker.digest, marker.done, True, size, marker.found))
        self.fraction, self.text = 1.0, marker.found
        self._finish("done", None)

    def _fail(self, message: str, hint: str) -> None:
        self._finish("failed", InputError(message, hint))

    def _finish(
        self, state: Literal["done", "failed", "cancelled"], error: EmoFaceError | None
    ) -> None:
        self.state, self.error, self._child, self._step = state, error, None, None

    def _end_child(self) -> None:
        """End the process and those that it started."""
        child = self._child
        if child is None or child.poll() is not None:
            return
        if sys.platform == "win32":
            kill = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
            subprocess.run(
                [str(kill), "/PID", str(child.pid), "/T", "/F"],
                creationflags=subprocess.CREATE_NO_WINDOW,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        else:
            os.killpg(child.pid, signal.SIGKILL)  # its own session: pip keeps nothing half done
        child.wait(10)


@dataclass(slots=True)
class Tally:
    """How far it is, from what pip says about its downloads."""

    total: float  # megabytes
    done: float = 0.0
    _files: float = 0.0  # of this step, those that are whole
    _size: float = 0.0  # of the file that is on its way
    _name: str = ""

    def add(self, weight: float) -> None:
        """A step is over."""
        self.done += weight
        self._files = self._size = 0.0

    def hear(self, line: str) -> str | None:
        """Words for the panel if the line is about progress, else None."""
        if found := re.match(r"\s*Downloading (?:\S*/)?([^/\s]+?)-\d", line):
            self._files += self._size
            self._name, self._size = found[1], 0.0
            return self._name
        if found := re.match(r"Progress (\d+) of (\d+)", line):
            here, whole = int(found[1]) / 1e6, int(found[2]) / 1e6
            self._size = here
            return f"{self._name}, {here:.0f} of {whole:.0f} MB" if whole >= 1 else self._name
        return "unpacking" if line.startswith("Installing collected packages") else None

    def fraction(self, weight: float = 0.0) -> float:
        """0 to 1; a step is never full before its end."""
        part = min(0.95 * weight, self._files + self._size)
        return min(1.0, (self.done + part) / self.total) if self.total else 0.0


def _read(child: "subprocess.Popen[bytes]", lines: "queue.SimpleQueue[str | None]") -> None:
    if child.stdout is not None:
        with child.stdout as stream:
            for line in iter(lambda: stream.readline(4096), b""):
                lines.put(line.decode("utf-8", "replace").rstrip())
    lines.put(None)


def _pip_version(folder: Path) -> tuple[int, ...]:
    """Of the environment's pip; (0,) if it cannot be told."""
    pattern = "Lib/site-packages" if os.name == "nt" else "lib/python3*/site-packages"
    for found in folder.glob(f"{pattern}/pip-*.dist-info"):
        numbers = re.match(r"pip-(\d+)\.(\d+)", found.name)
        if numbers:
            return int(numbers[1]), int(numbers[2])
    return (0,)


def _last_json(log: Sequence[str]) -> str:
    for line in reversed(log):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, str):
            return value
    return ""


_OFFLINE = r"NewConnectionError|NameResolution|ProxyError|SSLError|ConnectTimeout|ReadTimeout"


def _explain(step: Step, code: int, log: Sequence[str]) -> tuple[str, str]:
    """What a step's end means: one sentence, and what to do."""
    said = "\n".join(list(log)[-60:])
    again = "Go on with Make Environment: what is done is kept."
    if step.name in ("check", "venv"):
        if "No module named" in said or "ensurepip is not" in said:
            return (
                "This Python cannot make environments: its venv or ensurepip is not there.",
                "Install it (Debian, Ubuntu: apt install python3-venv), or choose another Python.",
            )
        return f"Python could not make the environment (code {code}).", "Choose another Python."
    if "No space left" in said or "Errno 28" in said or "WinError 112" in said:
        return "The disk is full.", "Free some space. " + again
    if re.search(_OFFLINE, said):
        return "The internet could not be reached.", "Check the connection. " + again
    if "No matching distribution" in said or "ResolutionImpossible" in said:
        return (
            f"There is no {step.name} for this Python and system.",
            "Choose another Python to make it with, or point to an environment of your own.",
        )
    errors = [line for line in log if line.startswith("ERROR") or "Error:" in line]
    last = errors[-1][:160] if errors else f"code {code}"
    doing = "The environment does not work" if step.name == "try" else f"{step.text} failed"
    return f"{doing} ({last}).", again
