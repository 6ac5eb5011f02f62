# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Blender programs: Debian's builds, each in a folder of its own made by debootstrap.

Needs root, Debian or Ubuntu, and `debootstrap`; about 2 GB and two minutes for each, once.
`python3 tests/real_blender/programs.py [FOLDER]` makes them without running a test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CACHE = Path(os.environ.get("EMOFACE_REAL_BLENDER", Path.home() / ".cache" / "emoface-test"))
SUITES = {"4.3": "trixie", "5.2": "sid"}  # Blender's version -> the Debian that carries it
PACKAGES = [
    # Blender, and what its scripts import but Debian only recommends
    *("blender", "python3-numpy", "python3-requests", "python3-zstandard", "python3-cattr"),
    "libopenblas0-pthread",
    # a screen without a graphics card, a mouse, and a camera
    *("xvfb", "xauth", "libgl1-mesa-dri", "libegl-mesa0", "xdotool", "imagemagick"),
    "fonts-dejavu-core",
]
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp/emoface/home",
    "LANG": "C.UTF-8",
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "DEBIAN_FRONTEND": "noninteractive",
}
APT = ["apt-get", "-qq", "-o", "Acquire::Check-Valid-Until=false"]


@dataclass(frozen=True, slots=True)
class Program:
    """A Blender in a folder that holds a whole Debian."""

    version: str
    root: Path

    def inside(
        self, command: Sequence[str], timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in there, with a clean environment and a home of its own."""
        return subprocess.run(
            ["chroot", self.root, *command],
            env=ENVIRONMENT,
            check=False,
            text=True,
            timeout=timeout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def start(
        self, command: Sequence[str], display: str, log: IO[bytes], pipe: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command in there that goes on; it is spoken with through a `pipe`, or not."""
        env = {**ENVIRONMENT, "DISPLAY": display}
        command = ["chroot", self.root, *command]
        return subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe or log, stderr=log)

    def desk(self) -> Path:
        """A new, empty working folder, which is /tmp/emoface inside."""
        folder = self.root / "tmp" / "emoface"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "home").mkdir(parents=True)
        return folder


def program(version: str, cache: Path = CACHE) -> Program:
    """The real Blender of that version, installed first if it is not there yet."""
    suite = SUITES[version]
    made = Program(version, cache / suite)
    if not (made.root / "etc" / "debian_version").exists():
        cache.mkdir(parents=True, exist_ok=True)
        if os.path.ismount(made.root / "dev"):
            raise RuntimeError(f"{made.root} is half there: unmount its dev and proc, remove it.")
        shutil.rmtree(made.root, ignore_errors=True)
        subprocess.run(["debootstrap", "--variant=minbase", suite, made.root], check=True)
    for name, arguments in (("proc", ["-t", "proc", "proc"]), ("dev", ["--bind", "/dev"])):
        if not os.path.ismount(made.root / name):
            subprocess.run(["mount", *arguments, made.root / name], check=True)
    if not (made.root / "usr" / "bin" / "blender").exists():
        (made.root / "tmp" / "emoface" / "home").mkdir(parents=True, exist_ok=True)
        shutil.copy2("/etc/resolv.conf", made.root / "etc" / "resolv.conf")
        for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            done = made.inside([*APT, *command], timeout=1800)
            if done.returncode:
                raise RuntimeError(f"apt-get {command[0]} failed in {suite}:\n{done.stdout}")
    return made


if __name__ == "__main__":
    for wanted in SUITES:
        print(program(wanted, Path(sys.argv[1]) if len(sys.argv) > 1 else CACHE).root, flush=True)
