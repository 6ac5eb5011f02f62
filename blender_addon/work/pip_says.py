# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip and Python say while an environment is made, and what that means."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Step:
    """One process: what it is called, what it does in words, and its share of the whole in MB."""

    name: str
    text: str
    weight: float


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


def pip_version(folder: Path) -> tuple[int, ...]:
    """Of the environment's pip; (0,) if it cannot be told."""
    pattern = "Lib/site-packages" if os.name == "nt" else "lib/python3*/site-packages"
    for found in folder.glob(f"{pattern}/pip-*.dist-info"):
        numbers = re.match(r"pip-(\d+)\.(\d+)", found.name)
        if numbers:
            return int(numbers[1]), int(numbers[2])
    return (0,)


def last_json(log: Sequence[str]) -> str:
    """The last text that was said in JSON, "" if there is none."""
    for line in reversed(log):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, str):
            return value
    return ""


_OFFLINE = r"NewConnectionError|NameResolution|ProxyError|SSLError|ConnectTimeout|ReadTimeout"


def explain(step: Step, code: int, log: Sequence[str], wheels: str = "") -> tuple[str, str]:
    """What a step's end means: one sentence, and what to do. `wheels`: the folder with them."""
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
        if wheels:
            return (
                f"“{wheels}” holds no wheel of {step.name} for this Python and system.",
                "Put it there, or empty the field of the wheels to fetch them from the internet.",
            )
        return (
            f"There is no {step.name} for this Python and system.",
            "Choose another Python to make it with, or point to an environment of your own.",
        )
    errors = [line for line in log if line.startswith("ERROR") or "Error:" in line]
    last = errors[-1][:160] if errors else f"code {code}"
    doing = "The environment does not work" if step.name == "try" else f"{step.text} failed"
    return f"{doing} ({last}).", again
