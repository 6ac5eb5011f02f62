#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command for everything: `python3 build.py demo | example | test | extension …`.

Needs Python 3.11 or later and nothing else: environments with pinned packages are made in `.venv*`
beside this file, and the system libraries that Blender links to are seen to first.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036  older Pythons get as far as this line
    sys.exit("build.py needs Python 3.11 or later; this is " + sys.version.split()[0] + ".")

import argparse
import ctypes
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET  # read from pytest that we ran ourselves
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
PINS = ROOT / "wheels" / "pins.txt"


class Bpy(NamedTuple):
    """Blender as a Python module: its version, the only Python it loads in, its NumPy."""

    version: str
    python: str
    numpy: str


BPY = {
    "4.2": Bpy("4.2.23", "3.11", "1.24.4"),
    "4.5": Bpy("4.5.15", "3.11", "1.26.4"),
    "5.0": Bpy("5.0.1", "3.11", "1.26.4"),
    "5.2": Bpy("5.2.3", "3.13", "2.5.5"),
}
BLENDER_OF_PYTHON = {"3.11": "5.0", "3.13": "5.2"}  # the newest that runs in each

# What the `bpy` wheels link to, which a bare Debian or Ubuntu lacks: library -> package.
SYSTEM_LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}

FESTIVAL = "/usr/share/festival/voices"
VOICES = {  # a program or file that shows they are there -> the packages with it
    "flite": "flite",
    "espeak-ng": "espeak-ng",
    "festival": "festival festvox-kdlpc16k festvox-kallpc16k festvox-us-slt-hts",
    f"{FESTIVAL}/finnish/suo_fi_lj_diphone": "festvox-suopuhe-lj",
    f"{FESTIVAL}/czech/czech_ph": "festvox-czech-ph",
}


class BuildError(Exception):
    """What stops the build, in one sentence that says what to do."""


# ---------------------------------------------------------------------------- environments


def running_python() -> str:
    """The running Python's short version, such as "3.11"."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def find_python(version: str) -> Path | None:
    """A Python of that short version on this machine that really starts, or None."""
    if version == running_python():
        return Path(sys.executable)
    name = f"python{version}"
    found = [Path(p) for p in [shutil.which(name)] if p]
    found += sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/{name}"))
    found += sorted(
        (Path.home() / ".local/share/uv/python").glob(f"cpython-{version}.*/bin/{name}")
    )
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA", "")
        folder = "Python" + version.replace(".", "")
        found += [Path(home) / "Programs" / "Python" / folder / "python.exe"]
    for candidate in found:
        try:
            done = subprocess.run(
                [candidate, "-c", "import venv, sys; print('%d.%d' % sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0 and done.stdout.strip() == version:
            return candidate
    return None


def main_python() -> tuple[Path, str]:
    """The Python of `.venv` and its version: the running one if it can carry a Blender."""
    for version in sorted(BLENDER_OF_PYTHON, key=lambda version: version != running_python()):
        if python := find_python(version):
            return python, version
    raise BuildError(
        f"Blender's module runs in Python 3.11 or 3.13, and this is {running_python()}: "
        "install one of them and run it as `python3.13 build.py …`."
    )


def missing_libraries() -> list[str]:
    """The system libraries that Blender links to and that do not load here."""
    if not sys.platform.startswith("linux"):
        return []

    def loads(library: str) -> bool:
        try:
            ctypes.CDLL(library)
        except OSError:
            return False
        return True

    return [library for library in SYSTEM_LIBRARIES if not loads(library)]


def missing_voices() -> list[str]:
    """The packages of synthetic voices, which some tests of the training code listen to."""
    missing = [
        packages
        for what, packages in VOICES.items()
        if not (shutil.which(what) or (Path(what).is_absolute() and Path(what).exists()))
    ]
    return " ".join(missing).split()


def see_to_system(*, blender: bool = True, voices: bool = False) -> None:
    """Install what the system lacks where we may, else say the one line that does."""
    packages = [SYSTEM_LIBRARIES[name] for name in missing_libraries()] if blender else []
    if importlib.util.find_spec("ensurepip") is None:  # Debian splits it off
        packages.append(f"python{running_python()}-venv")
    we_may = shutil.which("apt-get") is not None and os.geteuid() == 0
    if voices and missing_voices():
        if we_may:
            packages += missing_voices()
        else:  # they can be done without
            say(f"Not here, so their tests are skipped: {' '.join(missing_voices())}")
    if not packages:
        return
    if we_may:
        say(f"Installing system packages: {' '.join(packages)}")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], env=env)
        run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages], env=env)
    elif shutil.which("apt-get"):
        raise BuildError(f"First run: sudo apt-get install -y {' '.join(packages)}")
    else:
        lacking = ", ".join(missing_libraries() or packages)
        raise BuildError(
            f"System libraries are not here: {lacking}. Install them with your package manager."
        )


def extras(*names: str) -> list[str]:
    """The requirements of pyproject.toml's extras, with what they need of each other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted: list[str] = list(project["dependencies"])
    for name in names:
        wanted += project["optional-dependencies"][name]
    return wanted


def venv_python(folder: Path) -> Path:
    """Where a virtual environment keeps its Python."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment(folder: Path, python: Path, version: str, requirements: Sequence[str]) -> Path:
    """Make or complete a virtual environment; returns its Python. Quick when nothing changed."""
    interpreter = venv_python(folder)
    wanted = sorted(set(requirements))
    digest = hashlib.sha256("\n".join([*wanted, PINS.read_text("utf-8")]).encode()).hexdigest()
    stamp = folder / "emoface.stamp"
    have = stamp.read_text("utf-8").split() if stamp.exists() else [version]
    if digest in have and have[0] == version and interpreter.exists():
        return interpreter
    if have[0] != version or not interpreter.exists():
        have = [version]
        shutil.rmtree(folder, ignore_errors=True)
        say(f"Making {folder.name}")
        run([python, "-m", "venv", folder])
    say(f"Installing into {folder.name}: {' '.join(wanted)}")
    pip = [str(interpreter), "-m", "pip", "install", "-qq", "--no-input"]
    run([*pip, "--disable-pip-version-check", "--only-binary=:all:", "-c", str(PINS), *wanted])
    # `demo` asks for less than `test`: an environment that has served both serves either.
    stamp.write_text("\n".join([*have, digest]), "utf-8")
    return interpreter


def main_environment(*names: str) -> Path:
    """`.venv`, with pyproject.toml's extras of these names and the Blender of its Python."""
    python, version = main_python()
    see_to_system(blender="blender" in names, voices="dev" in names)
    wanted = extras("engine", *names)
    bpy = BPY[BLENDER_OF_PYTHON[version]]
    wanted.append(f"numpy=={bpy.numpy}")
    if "blender" in names:
        wanted.append(f"bpy=={bpy.version}")
    return environment(ROOT / ".venv", python, version, wanted)


def blender_environment(version: str) -> Path | None:
    """`.venv-blender-X` for another Blender's tests; None where its Python is not here."""
    bpy = BPY[version]
    python = find_python(bpy.python)
    if python is None:
        return None
    wanted = [*extras("engine"), "pytest", f"bpy=={bpy.version}", f"numpy=={bpy.numpy}"]
    return environment(ROOT / f".venv-blender-{version}", python, bpy.python, wanted)


# ---------------------------------------------------------------------------- running things


def say(text: str) -> None:
    """A line of progress, seen at once."""
    print(f"build: {text}", flush=True)


def run(command: Sequence[str | os.PathLike[str]], env: dict[str, str] | None = None) -> None:
    """Run a command that has to succeed, in the project's folder."""
    code = run_code(command, env)
    if code:
        named = " ".join(str(part) for part in command[:6])
        raise BuildError(f"This command failed with code {code}: {named} …")


def run_code(command: Sequence[str | os.PathLike[str]], env: dict[str, str] | None = None) -> int:
    """Run a command in the project's folder and return its exit code."""
    return subprocess.run(command, cwd=ROOT, env=env or clean_environment(), check=False).returncode


def clean_environment() -> dict[str, str]:
    """This process's environment, without what would let other packages leak in."""
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    return {**env, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}


# ---------------------------------------------------------------------------- the commands


def demo(arguments: argparse.Namespace) -> int:
    """Speak a clip onto the head in real Blender; leave a .blend, an .mp4 and a contact sheet."""
    started = time.perf_counter()
    python = main_environment("blender", "demo")
    say(f"Environment ready after {time.perf_counter() - started:.0f} s")
    command: list[str | os.PathLike[str]] = [python, ROOT / "blender_addon" / "demo.py"]
    for name in ("audio", "emotion", "intensity", "head", "out"):
        if (value := getattr(arguments, name)) is not None:
            # Paths are the caller's, and the command runs in the project's folder.
            is_path = name in {"audio", "head", "out"}
            command += [f"--{name}", str(Path(value).absolute()) if is_path else str(value)]
    return run_code(command)


def example(arguments: argparse.Namespace) -> int:
    """Make a small .blend to try things in: our head, a voice, two shots with an emotion each."""
    python = main_environment("blender", "demo")
    out = Path(arguments.out).absolute()
    return run_code([python, ROOT / "blender_addon" / "demo.py", "--example", "--out", out])


def test(arguments: argparse.Namespace) -> int:
    """Lint, types and every test; says which Blenders ran and which did not."""
    asked = list(BPY) if arguments.blender == "all" else (arguments.blender or "").split(",")
    asked = [version for version in asked if version]
    if unknown := [version for version in asked if version not in BPY]:
        raise BuildError(f"Unknown Blender {', '.join(unknown)}: choose from {', '.join(BPY)}.")
    python = main_environment(*TESTED)
    own = blender_of(python)
    failed: list[str] = []
    if not arguments.k:
        for name, check in CHECKS.items():
            say(name)
            if run_code([python, "-m", *check]):
                failed.append(name)

    tally = Tally()
    select = ["-k", arguments.k] if arguments.k else []
    say("Tests of the engine and of the build")
    tally.run(python, "core", ["tests", "--ignore=tests/blender", "-n", "2", *select])
    ran, absent = [], []
    for version in sorted({own, *asked, *installed_blenders()}):
        blender = python if version == own else blender_environment(version)
        if blender is None:
            absent.append(f"{version} (no Python {BPY[version].python} on this machine)")
            continue
        say(f"Tests in Blender {version}")
        tally.run(blender, f"Blender {version}", ["tests/blender", *select])
        ran.append(version)
    if arguments.real:
        say("Tests in the real Blender programs")
        tally.run(python, "real Blender", ["tests/real_blender", "--real", "-x", *select])

    failed += tally.failed
    absent += [v for v in BPY if v not in ran and not any(v in a for a in absent)]
    say(f"Blender ran: {', '.join(ran)}; did not run: {', '.join(absent) or 'none'}")
    say(f"Failed: {', '.join(failed)}" if failed else "All good")
    print(f"{tally.passed} passed, {tally.broken} failed, {tally.skipped} skipped", flush=True)
    return 1 if failed else 0


# pyproject.toml's extras that the tests need; `engine` is in every environment.
TESTED = (
    "blender",
    "captures",
    "corpus",
    "demo",
    "dev",
    "evaluation",
    "package",
    "registration",
    "torch",
)
CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
}


class Tally:
    """Runs pytest several times and adds up what it reports."""

    def __init__(self) -> None:
        self.passed = self.broken = self.skipped = 0
        self.failed: list[str] = []

    def run(self, python: Path, name: str, arguments: Sequence[str]) -> None:
        """One pytest run; code 5 (nothing selected) counts as a failure only without `-k`."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            code = run_code([python, "-m", "pytest", f"--junitxml={report}", *arguments])
            if code and not (code == 5 and "-k" in arguments):
                self.failed.append(name)
            if report.exists():
                for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314
                    count = {k: int(suite.get(k, 0)) for k in ("tests", "failures", "errors")}
                    skipped = int(suite.get("skipped", 0))
                    broken = count["failures"] + count["errors"]
                    self.broken += broken
                    self.skipped += skipped
                    self.passed += count["tests"] - broken - skipped


def blender_of(python: Path) -> str:
    """The short Blender version whose module is in this environment."""
    lines = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('bpy'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return ".".join(lines.strip().split(".")[:2])


def installed_blenders() -> Iterator[str]:
    """Blenders that an earlier `--blender` installed."""
    for folder in ROOT.glob(".venv-blender-*"):
        version = folder.name.removeprefix(".venv-blender-")
        if version in BPY and (folder / "emoface.stamp").exists():
            yield version


def extension(arguments: argparse.Namespace) -> int:
    """Build and validate the extension's zips, one for each platform."""
    python = main_environment("blender", "package")
    out = Path(arguments.out).absolute()
    return run_code([python, ROOT / "wheels" / "bundle.py", "extension", "--out", out])


def wheels(arguments: argparse.Namespace) -> int:
    """Download the bundled wheels by their lock and check them; `--update` rewrites the lock."""
    python = main_environment()
    update = ["--update"] if arguments.update else []
    return run_code([python, ROOT / "wheels" / "bundle.py", "wheels", *update])


def assets(arguments: argparse.Namespace) -> int:
    """Build the head and its rig from the source data."""
    python = main_environment("registration")
    out = Path(arguments.out).absolute()
    module = "emoface_core.face.build_head"
    return run_code([python, "-m", module, Path(arguments.data).absolute(), "--out", out])


def train(arguments: argparse.Namespace) -> int:
    """Train a model by a configuration file."""
    python = main_environment("torch", "captures", "corpus")
    env = {**clean_environment(), "PYTHONPATH": str(ROOT)}
    del env["HF_HUB_OFFLINE"]  # pretrained encoders may come from the hub
    # Paths are the caller's: so the command runs where the caller is.
    command = [python, "-m", "emoface_core", "train", *arguments.rest]
    return subprocess.run(command, env=env, check=False).returncode


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="build.py", description=__doc__, allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(function: object, name: str) -> argparse.ArgumentParser:
        text = re.sub(r"`", "", function.__doc__ or "")
        made = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        made.set_defaults(function=function)
        return made

    one = add(demo, "demo")
    one.add_argument("--audio", help="a sound file (default: a short recording that is included)")
    one.add_argument("--emotion", help="one of the eight, or auto: from the voice (default)")
    one.add_argument("--intensity", type=float, help="0 to 1.5 (default 1)")
    one.add_argument("--head", help="a mesh with FLAME's vertices: .npz, .ply or .obj")
    one.add_argument("--out", help="folder for what is made (default: out/demo)")
    one = add(example, "example")
    one.add_argument("--out", default=str(ROOT / "out" / "example"), help="folder (out/example)")
    one = add(test, "test")
    one.add_argument("--blender", help=f"also in these: all, or some of {','.join(BPY)}")
    one.add_argument("--real", action="store_true", help="also in the real programs (root, Debian)")
    one.add_argument("-k", help="only tests that match this, as pytest's -k; no lint, no types")
    one = add(extension, "extension")
    one.add_argument("--out", default=str(ROOT / "dist"), help="folder for the zips (default dist)")
    one = add(wheels, "wheels")
    one.add_argument("--update", action="store_true", help="rewrite wheels/lock.toml")
    one = add(assets, "assets")
    one.add_argument("--data", required=True, help="folder of the source data (see head.md)")
    head = ROOT / "emoface_core" / "assets" / "head.npz"
    one.add_argument("--out", default=str(head), help="file to write (default: the package's own)")
    one = add(train, "train")
    one.add_argument("rest", nargs=argparse.REMAINDER, help="as of `python -m emoface_core train`")
    return top


def main() -> int:
    """Run the command; a BuildError becomes one line and exit code 2."""
    arguments = parser().parse_args()
    try:
        return int(arguments.function(arguments))
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
