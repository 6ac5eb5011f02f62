# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the preferences: test the engine, make its environment, free memory and files."""

import sys
import time
from pathlib import Path
from typing import Any, ClassVar, Literal

import bpy
from bpy.types import Context, Event, Operator

import emoface_core
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.worker.client import Done, Failed, WorkerClient
from emoface_core.worker.protocol import Hello

from .. import folders
from ..installed import preferences
from ..work import environment
from ..work.environment import Making
from ..work.job import desk
from ..work.session import chosen_engine, session
from .explained import Explained
from .following import Following, check_free, redraw

_TEST_SECONDS = 150
_TEST_CLIP = Path(emoface_core.__file__).parent / "assets" / "demo.flac"
_TEST_FPS = 25.0
_TICK = 0.2


def blenders_python() -> str:
    """The Python that Blender runs its scripts with."""
    return sys.executable


# ------------------------------------------------------------------------------ the test


class Found:
    """What the last test of the engine found. Never saved."""

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ()
        self.state: Literal["busy", "good", "bad"] = "busy"

    def say(self, state: Literal["busy", "good", "bad"], *lines: str) -> None:
        """Show these."""
        self.state, self.lines = state, tuple(line for line in lines if line)


found = Found()


class EMOFACE_OT_test_engine(Explained, Following, Operator):
    """Start the engine, animate a short clip, and show what was found"""

    bl_idname = "emoface.test_engine"
    bl_label = "Test"

    _client: WorkerClient
    _about: tuple[str, ...] = ()
    _began = 0.0
    _sent = 0.0

    @classmethod
    def require(cls, context: Context) -> None:
        """The worker must be free."""
        check_free()

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Start it, and look from a timer."""
        if not self._start():
            return {"CANCELLED"}
        return self.follow(context, 0.1)

    def modal(self, context: Context, event: Event) -> set[str]:
        """Until it has answered."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if session.current is not self._client:  # somebody else ended it
            found.say("bad", "The test was broken off.")
        elif not self._look():
            return {"PASS_THROUGH"}
        self.cancel(context)
        redraw("PREFERENCES")
        return {"FINISHED"}

    def cancel(self, context: Context) -> None:
        """Blender ends the operator, or the test is over."""
        self.let_go(context)

    def execute(self, context: Context) -> set[str]:
        """Wait for the answer: in background mode."""
        if not self._start():
            return {"CANCELLED"}
        while not self._look():
            time.sleep(0.02)
        self.report({"INFO" if found.state == "good" else "ERROR"}, " ".join(found.lines))
        return {"FINISHED"} if found.state == "good" else {"CANCELLED"}

    def _start(self) -> bool:
        self._began, self._sent, self._about = time.monotonic(), 0.0, ()
        session.close()  # a new worker, for a new look
        found.say("busy", "Starting the engine…")
        try:
            self._client = session.client(chosen_engine())
            self._client.start()
        except EmoFaceError as error:
            found.say("bad", error.message, error.hint)
            self.report({"ERROR"}, str(error))
            return False
        return True

    def _look(self) -> bool:
        """Whether the test is over."""
        for event in self._client.poll():
            if isinstance(event, Hello):
                self._about = describe(event, time.monotonic() - self._began)
                found.say("busy", *self._about, "Animating a short clip…")
                self._sent = time.monotonic()
                self._client.submit(audio=_TEST_CLIP, fps=_TEST_FPS)
                redraw("PREFERENCES")
            elif isinstance(event, Failed):
                found.say("bad", event.error.message, event.error.hint)
                return True
            elif isinstance(event, Done):
                took = time.monotonic() - self._sent
                self._client.take(event)
                speed = f"{event.seconds:.1f} s of speech took {took:.1f} s the first time"
                found.say("good", *self._about, speed)
                return True
        if self._client.pid is None or time.monotonic() - self._began > _TEST_SECONDS:
            last = self._client.log[-1] if self._client.log else ""
            hint = last or "Check the Python and the engine that are set here."
            found.say("bad", "The engine did not start.", hint)
            return True
        return False


def describe(hello: Hello, seconds: float) -> tuple[str, ...]:
    """What the engine is, in lines."""
    kind, _, version = hello.engine.partition(" ")
    name = {"onnx": "ONNX Runtime", "torch": "PyTorch"}.get(kind, kind)
    return (
        f"{name} {version} on {hello.device} is ready, after {seconds:.1f} s",
        f"{len(hello.emotions)} emotions, {hello.vertices} vertices",
        f"Python {hello.python}, EmoFace {hello.version}",
    )


# ------------------------------------------------------------------------------ the environment


class Workshop:
    """The making of the environment, while Blender runs. Never saved."""

    def __init__(self) -> None:
        self.making: Making | None = None

    @property
    def busy(self) -> bool:
        """Whether one is being made."""
        return self.making is not None and self.making.state == "running"

    def begin(self, making: Making) -> None:
        """Follow it from a timer of Blender's, which outlives the window of the preferences."""
        self.making = making
        if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=_TICK, persistent=True)

    def close(self) -> None:
        """The add-on is turned off, or Blender ends: what is done so far is kept."""
        if self.making is not None:
            self.making.cancel()
        self.making = None
        if bpy.app.timers.is_registered(_tick):
            bpy.app.timers.unregister(_tick)


workshop = Workshop()


def _tick() -> float | None:
    making = workshop.making
    if making is None:
        return None
    if making.poll():
        redraw("PREFERENCES")
    if making.state == "running":
        return _TICK
    _made(making)
    return None


def _made(making: Making) -> None:
    """Write the log, and let the next job start a worker in the new environment."""
    log = folders.WorkerLog(folders.home("logs"), f"PyTorch environment: {making.state}")
    for line in making.log:
        log(line)
    if making.state == "done" and desk.job is None:
        session.close()
    redraw("PREFERENCES")


class EMOFACE_OT_make_environment(Explained, Operator):
    """Make a Python environment with PyTorch; says how large and where before it starts"""

    bl_idname = "emoface.make_environment"
    bl_label = "Make a PyTorch Environment"

    @classmethod
    def require(cls, context: Context) -> None:
        """Online or with wheels, a free folder, enough room."""
        if workshop.busy:
            raise InputError("The environment is being made.")
        chosen = preferences()
        if chosen is None:
            raise InputError("The add-on is not turned on.")
        environment.check(chosen.recipe(), online=bpy.app.online_access)

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Ask first."""
        asked: Any = context.window_manager.invoke_props_dialog(self, width=440)
        return set(asked)

    def draw(self, context: Context) -> None:
        """What will be done."""
        recipe = preferences().recipe()
        column = self.layout.column(align=True)
        source = f"From the folder “{recipe.wheels}”" if recipe.wheels else _SOURCE
        for text in (
            f"PyTorch and what it needs: {environment.size_of(recipe.kind)}.",
            source,
            f"Into “{recipe.folder}”.",
            "Blender stays usable meanwhile. It can be cancelled, and goes on later.",
        ):
            column.label(text=text)

    def execute(self, context: Context) -> set[str]:
        """Begin; in background mode, wait for the end."""
        making = Making(preferences().recipe())
        try:
            making.start(online=bpy.app.online_access)
        except EmoFaceError as error:
            return self.refuse(error)
        workshop.begin(making)
        if not bpy.app.background:
            return {"FINISHED"}
        while making.state == "running":
            making.poll()
            time.sleep(0.02)
        _made(making)
        if making.error is not None:
            self.report({"ERROR"}, str(making.error))
            return {"CANCELLED"}
        return {"FINISHED"}


_SOURCE = "From pypi.org and download.pytorch.org, over the internet."


class EMOFACE_OT_cancel_environment(Explained, Operator):
    """Stop; what is done so far is kept"""

    bl_idname = "emoface.cancel_environment"
    bl_label = "Cancel"

    @classmethod
    def require(cls, context: Context) -> None:
        """One must be under way."""
        if not workshop.busy:
            raise InputError("Nothing is under way.")

    def execute(self, context: Context) -> set[str]:
        """End the process."""
        if workshop.making is not None:
            workshop.making.cancel()
        redraw("PREFERENCES")
        return {"FINISHED"}


class EMOFACE_OT_remove_environment(Explained, Operator):
    """Delete the environment with PyTorch"""

    bl_idname = "emoface.remove_environment"
    bl_label = "Remove Environment"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be one of ours, and nobody in it."""
        check_free()
        if workshop.busy:
            raise InputError("The environment is being made.", "Cancel that first.")
        chosen = preferences()
        if chosen is None or environment.read_marker(chosen.environment_folder()) is None:
            raise InputError("There is no environment that was made here.")

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Ask first."""
        asked: Any = context.window_manager.invoke_confirm(self, event)
        return set(asked)

    def execute(self, context: Context) -> set[str]:
        """End the worker that may run in it, then delete."""
        session.close()
        workshop.making = None
        try:
            environment.remove(preferences().environment_folder())
        except EmoFaceError as error:
            return self.refuse(error)
        redraw("PREFERENCES")
        return {"FINISHED"}


# ------------------------------------------------------------------------------ memory and files


class EMOFACE_OT_free_memory(Explained, Operator):
    """End the engine's process; it starts again when needed"""

    bl_idname = "emoface.free_memory"
    bl_label = "Free Memory"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be an idle worker."""
        check_free()
        if not session.running:
            raise InputError("The engine is not running, so it holds no memory.")

    def execute(self, context: Context) -> set[str]:
        """End it."""
        session.close()
        found.lines = ()
        redraw("PREFERENCES")
        return {"FINISHED"}


class EMOFACE_OT_clear_files(Explained, Operator):
    """Delete what engines left in the working folder; what another Blender uses stays"""

    bl_idname = "emoface.clear_files"
    bl_label = "Clear"

    @classmethod
    def require(cls, context: Context) -> None:
        """Not in the middle of a job."""
        check_free()

    def execute(self, context: Context) -> set[str]:
        """End the worker, whose files go with it, then delete what is old."""
        session.close()
        folder = folders.working_folder()
        left = folders.clear_work(folder) if folder is not None else 0
        text = f"{left} in use by another Blender, perhaps" if left else "Nothing is left"
        self.report({"INFO"}, f"Working files deleted. {text}.")
        _sizes.clear()
        redraw("PREFERENCES")
        return {"FINISHED"}


class EMOFACE_OT_open_logs(Explained, Operator):
    """Show the folder with the engine's logs"""

    bl_idname = "emoface.open_logs"
    bl_label = "Open Folder"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a log."""
        if not folders.log_files(folders.home("logs")):
            raise InputError("There is no log yet: the engine has not run.")

    def execute(self, context: Context) -> set[str]:
        """In the system's own file browser."""
        bpy.ops.wm.path_open(filepath=str(folders.home("logs")))
        return {"FINISHED"}


class _Sizes:
    """Sizes of folders, looked up again every few seconds and not at every redraw."""

    _seconds: ClassVar = 5.0

    def __init__(self) -> None:
        self._known: dict[Any, tuple[float, str]] = {}

    def text(self, paths: tuple[Path, ...]) -> str:
        """How much they take together."""
        now = time.monotonic()
        if paths not in self._known or now - self._known[paths][0] > self._seconds:
            size = sum(environment.bytes_in(path) for path in paths)
            self._known = {**self._known, paths: (now, _in_words(size))}
        return self._known[paths][1]

    def clear(self) -> None:
        """Look again."""
        self._known = {}


_sizes = _Sizes()


def _in_words(size: int) -> str:
    if size >= 10_000_000:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"


def work_size() -> str:
    """What workers keep."""
    folder = folders.working_folder()
    return _sizes.text(tuple(folders.work_files(folder))) if folder is not None else "none"


def logs_size() -> str:
    """What logs take."""
    return _sizes.text(tuple(folders.log_files(folders.home("logs"))))


CLASSES = (
    EMOFACE_OT_test_engine,
    EMOFACE_OT_make_environment,
    EMOFACE_OT_cancel_environment,
    EMOFACE_OT_remove_environment,
    EMOFACE_OT_free_memory,
    EMOFACE_OT_clear_files,
    EMOFACE_OT_open_logs,
)
