# SPDX-License-Identifier: GPL-3.0-or-later
"""The one worker of this Blender: started when needed, warm between jobs, ended with Blender."""

import importlib.util
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import bpy

import emoface_core
from emoface_core.errors import InputError
from emoface_core.worker.client import WorkerClient
from emoface_core.worker.process import Launch

from .. import folders, installed


@dataclass(frozen=True, slots=True)
class Engine:
    """Which engine the user wants, as the preferences or the command line say."""

    engine: str = "auto"  # auto | onnx | torch
    python: str = ""  # of an environment with PyTorch; "" is Blender's own Python
    device: str = "auto"

    def launch(self) -> Launch:
        """How to start the worker. InputError if this Blender does not say where its Python is."""
        if self.python:
            # Another Python has packages of its own: ours, which lie beside `emoface_core`, are of
            # the wrong kind. The worker finds `emoface_core` itself, by where its own file is.
            return Launch(self.python, (), self.engine, self.device)
        if sys.executable in {"", bpy.app.binary_path}:  # it would start another Blender
            raise InputError(
                "This Blender does not say where its Python is.",
                "Name a Python that has onnxruntime and soundfile in the add-on's preferences.",
            )
        homes = dict.fromkeys(_homes("emoface_core", "numpy", "onnxruntime", "soundfile", "cffi"))
        return Launch(sys.executable, tuple(homes), self.engine, self.device)


def chosen_engine() -> Engine:
    """As the preferences say; the bundled engine where there are none (in a checkout)."""
    chosen = installed.preferences()
    return chosen.chosen() if chosen is not None else Engine()


def _homes(*packages: str) -> list[str]:
    """The folders that this Python imports packages from: the worker's runs isolated (-I)."""
    found = (importlib.util.find_spec(name) for name in packages)
    return [str(Path(spec.origin).parent.parent) for spec in found if spec and spec.origin]


class Session:
    """Keeps the worker's client, and replaces it when the preferences change."""

    def __init__(self) -> None:
        self._client: WorkerClient | None = None
        self._tested: WorkerClient | None = None  # the one that the test listens to

    @property
    def tested(self) -> WorkerClient | None:
        """The client while it is being tested: what it says then is said to the test."""
        return self._tested if self._tested is self._client else None

    def begin_test(self, engine: Engine) -> WorkerClient:
        """A new client for a test, until `end_test`, or until it is closed."""
        self.close()
        self._tested = self.client(engine)
        return self._tested

    def end_test(self) -> None:
        """The client is there for others again."""
        self._tested = None

    @property
    def running(self) -> bool:
        """Whether a worker process is there."""
        return self._client is not None and self._client.pid is not None

    @property
    def current(self) -> WorkerClient | None:
        """The client there is, whatever its engine."""
        return self._client

    def client(self, engine: Engine) -> WorkerClient:
        """The client for this choice of engine; a worker of another choice is ended."""
        launch = engine.launch()
        if self._client is not None and self._client.launch != launch:
            self.close()
        if self._client is None:
            self._client = WorkerClient(launch, folders.working_folder(), note=_log(engine))
        return self._client

    @property
    def log(self) -> tuple[str, ...]:
        """The worker's last lines."""
        return self._client.log if self._client is not None else ()

    def close(self) -> None:
        """End the worker and free its memory."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _log(engine: Engine) -> folders.WorkerLog | None:
    """A new log file for a new worker; None where none can be written."""
    heading = (
        f"EmoFace {emoface_core.__version__}, Blender {bpy.app.version_string}, "
        f"{platform.system()} {platform.release()} {platform.machine()}; "
        f"engine {engine.engine} on {engine.device}, {engine.launch().python}"
    )
    try:
        return folders.WorkerLog(folders.home("logs"), heading)
    except OSError:  # a home that is read only keeps nobody from animating
        return None


session = Session()
