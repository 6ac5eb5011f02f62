# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a worker without a shell and in a clean environment, and reading what it says.

Standard library alone. Threads only fill a queue; all decisions are taken by who reads it.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from .protocol import MAX_LINE, Message, ProtocolError, Request, decode, encode

WORKER_MAIN = Path(__file__).with_name("worker_main.py")
_LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker.

    `python`: the interpreter (Blender's own, or that of a PyTorch environment). It runs isolated
    (-I), so folders with packages that it does not know itself, such as the one where an
    extension's wheels land, are named in `libraries`. `model`: a folder with model.json; "" = ours.
    """

    python: str = sys.executable
    libraries: tuple[str, ...] = ()
    engine: str = "auto"
    device: str = "auto"
    model: str = ""
    main: str = str(WORKER_MAIN)

    def command(self) -> list[str]:
        """The argument list."""
        words = [self.python, "-I", "-X", "utf8", self.main, "--parent", str(os.getpid())]
        words += ["--engine", self.engine, "--device", self.device]
        if self.model:
            words += ["--model", self.model]
        for folder in self.libraries:
            words += ["--library", folder]
        return words


@dataclass(frozen=True, slots=True)
class Closed:
    """The worker's output ended; `garbage` says what broke it off if that was a bad line."""

    garbage: str = ""


Heard: TypeAlias = Message | Closed  # an Event, if all is well


def clean_environment() -> dict[str, str]:
    """This process's environment without what would lead another Python astray."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith("PYTHON")}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONIOENCODING": "utf-8"}


class Process:
    """One running worker. OSError from the constructor if it cannot be started."""

    def __init__(self, launch: Launch, note: Callable[[str], None] | None = None) -> None:
        """`note` is given each line of its stderr, in a thread of our own."""
        self._note = note
        self.heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        flags = 0
        if sys.platform == "win32":
            # No console window, and no Ctrl+C that was meant for the parent.
            flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        self._child = subprocess.Popen(
            launch.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            cwd=Path(launch.main).parent,  # not the .blend's folder: it may be renamed or unmounted
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )
        assert self._child.stdin and self._child.stdout and self._child.stderr  # noqa: S101
        self._stdin = self._child.stdin
        self._threads = [
            threading.Thread(target=self._listen, args=(self._child.stdout,), daemon=True),
            threading.Thread(target=self._keep_log, args=(self._child.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines of its stderr."""
        return tuple(self._log)

    def send(self, message: Request) -> bool:
        """Write a message; False if nobody reads any more."""
        try:
            self._stdin.write(encode(message))
            self._stdin.flush()
        except (OSError, ValueError):  # the pipe broke, or was closed by us
            return False
        return True

    def close_input(self) -> None:
        """Close its stdin: a worker ends when it reads that."""
        try:
            self._stdin.close()
        except OSError:
            return  # unsent bytes for a dead worker; the pipe is closed all the same

    def terminate(self) -> None:
        """Ask the system to end it."""
        self._child.terminate()

    def kill(self) -> None:
        """End it."""
        self._child.kill()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, waiting so long at most; what it left to say is then heard."""
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        for thread in self._threads:
            thread.join(1.0)
        return True

    def how_it_ended(self) -> str:
        """In words, once it has."""
        code = self._child.poll()
        if code is None:
            return "it still runs"
        if code >= 0:
            return f"exit code {code}" if code < 1 << 16 else f"exit code {code:#x}"
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"

    def _listen(self, stdout: IO[bytes]) -> None:
        garbage = ""
        with stdout:
            while line := stdout.readline(MAX_LINE + 1):
                if not line.endswith(b"\n"):
                    # Cut off by death, or endless: neither can be trusted.
                    garbage = "an unfinished line" if len(line) <= MAX_LINE else "a line too long"
                    break
                try:
                    message = decode(line)
                except ProtocolError as error:
                    garbage = f"{line[:60]!r} ({error})"
                    break
                self.heard.put(message)
        self.heard.put(Closed(garbage))

    def _keep_log(self, stderr: IO[bytes]) -> None:
        with stderr:
            while line := stderr.readline(4096):
                text = line.decode("utf-8", "replace").rstrip()
                self._log.append(text)
                if self._note is not None:
                    self._note(text)
