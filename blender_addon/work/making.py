# SPDX-License-Identifier: GPL-3.0-or-later
"""The making of an environment with PyTorch, step by step in processes of its own.

Nothing here blocks, and nothing touches Blender: whoever shows it calls `Making.poll` on a timer.
Each step that is done is written down in the folder, so that what was cancelled or cut off by a
crash goes on where it stopped; downloads that were complete are kept for that, too.
"""

import os
import queue
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
from emoface_core.worker.process import clean_environment

from .environment import (
    Marker,
    Recipe,
    bytes_in,
    check,
    empty,
    goes_on,
    interpreter,
    read_marker,
    size_of,
    write_marker,
)
from .pip_says import Step, Tally, explain, last_json, pip_version

DOWNLOADS = "downloads"
_OLDEST = (3, 11)
_RAW_PROGRESS = (24, 1)  # pip's own version from which it says its progress to programs
_EXTRA_INDEX = {
    ("linux", "cpu"): "https://download.pytorch.org/whl/cpu",
    ("win32", "gpu"): "https://download.pytorch.org/whl/cu130",
}  # elsewhere PyPI's own wheels are the right ones

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
    _tally: Tally = field(default_factory=lambda: Tally(0.0))

    def start(self, *, online: bool) -> None:
        """Begin, or go on where an earlier making stopped. InputError if it cannot be."""
        folder = self.recipe.folder
        check(self.recipe, online=online)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            before = read_marker(folder)
            self._marker = Marker(self.recipe.digest())
            if before is not None and goes_on(before, self._marker, folder):
                self._marker, self._again = Marker(before.digest, before.done), True
            write_marker(folder, self._marker)
        except OSError as error:
            raise InputError(
                f"“{folder}” cannot be written ({error.strerror}).", "Choose another folder."
            ) from None
        if not self._again:
            empty(folder)
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
        if pip_version(self.recipe.folder) >= _RAW_PROGRESS:
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
            self._fail(*explain(step, code, self.log, self.recipe.wheels))
            return
        if step.name == "check" and (problem := self._base_problem()):
            self._fail(*problem)
            return
        if step.name == "try":
            self._marker = Marker(self._marker.digest, self._marker.done, found=last_json(self.log))
        elif step.name != "check":
            self._again = False
            self._marker = Marker(self._marker.digest, (*self._marker.done, step.name))
            write_marker(self.recipe.folder, self._marker)
        self._tally.add(step.weight)
        self._next()

    def _base_problem(self) -> tuple[str, str] | None:
        said = self.log[-1].split() if self.log else []
        version = tuple(int(word) for word in said if word.isdigit())
        if len(version) == 2 and version >= _OLDEST:
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
        write_marker(folder, Marker(marker.digest, marker.done, True, size, marker.found))
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


def _read(child: "subprocess.Popen[bytes]", lines: "queue.SimpleQueue[str | None]") -> None:
    if child.stdout is not None:
        with child.stdout as stream:
            for line in iter(lambda: stream.readline(4096), b""):
                lines.put(line.decode("utf-8", "replace").rstrip())
    lines.put(None)
