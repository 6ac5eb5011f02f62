# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen in memory with a real Blender window on it, and a hand on its mouse."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from .programs import Program

SIZE = (1400, 900)


class Desktop:
    """Blender's window on a virtual screen, inside the program's folder. Use it in a `with`."""

    def __init__(self, program: Program, display: str, *arguments: str) -> None:
        self.program, self.display, self.arguments = program, display, arguments
        self.folder = program.root / "tmp" / "emoface"
        self._stack = ExitStack()

    def __enter__(self) -> Desktop:
        width, height = (str(side) for side in SIZE)
        self._start("Xvfb", self.display, "-screen", "0", f"{width}x{height}x24")
        self.wait(lambda: self._do("xdotool", "getmouselocation").returncode == 0, 20)
        geometry = ("--window-geometry", "0", "0", width, height)
        self.blender = self._start("blender", *geometry, *self.arguments)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self.folder / f"{command[0]}.log").open("wb"))
        process = self.program.start([*command], self.display, log)
        self._stack.callback(process.wait, 20)
        self._stack.callback(process.terminate)
        return process

    def _do(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.program.inside(["env", f"DISPLAY={self.display}", *command], 60)

    def wait(self, ready: Callable[[], Any], seconds: float) -> None:
        """Wait until something is so; TimeoutError with Blender's words if it never is."""
        end = time.monotonic() + seconds
        while not ready():
            failed = self.folder / "failed.txt"
            if failed.exists():
                raise RuntimeError(failed.read_text())
            if time.monotonic() > end:
                log = self.folder / "blender.log"
                raise TimeoutError(log.read_text("utf-8", "replace")[-4000:])
            time.sleep(0.1)

    def state(self) -> dict[str, Any]:
        """What the script inside Blender says."""
        path = self.folder / "state.json"
        return json.loads(path.read_text()) if path.exists() else {"stage": ""}

    def click(self, x: float, y: float) -> None:
        """Press the left button there, as a hand would: there first, then down, then up."""
        for command in (
            ["mousemove", str(round(x)), str(round(y))],
            ["mousemove_relative", "1", "1"],
            ["mousedown", "1"],
            ["mouseup", "1"],
        ):
            done = self._do("xdotool", *command)
            if done.returncode:
                raise RuntimeError(done.stdout)
            time.sleep(0.3)

    def hover(self, x: float, y: float) -> None:
        """Leave the pointer there."""
        self._do("xdotool", "mousemove", str(round(x)), str(round(y)))

    def picture(self, path: Path) -> Path:
        """What the screen shows, as a PNG."""
        done = self._do("import", "-window", "root", "/tmp/emoface/screen.png")
        if done.returncode:
            raise RuntimeError(done.stdout)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((self.folder / "screen.png").read_bytes())
        return path
