# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: which engine runs where, a test of it, and its memory."""

import time

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy.types import AddonPreferences, Context, Event, Operator

from emoface_core.errors import EmoFaceError, InputError
from emoface_core.worker.client import Failed
from emoface_core.worker.protocol import Hello

from .explained import Explained
from .job import desk
from .session import Engine, session

_TEST_SECONDS = 60


class Found:
    """What the last test of the engine found. Never saved."""

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ()
        self.good = False


found = Found()


class EmoFacePreferences(AddonPreferences):
    """Which engine, and where it runs."""

    bl_idname = __package__

    engine: EnumProperty(
        name="Engine",
        description="What runs the model",
        items=(
            ("auto", "Automatic", "PyTorch if an environment with it is named below, else ONNX"),
            ("onnx", "ONNX Runtime", "The engine inside the add-on; runs on the processor"),
            ("torch", "PyTorch", "Needs an environment with PyTorch; can use a graphics card"),
        ),
    )
    python: StringProperty(
        name="Python with PyTorch",
        description=(
            "The Python program of an environment with PyTorch, such as /home/me/venv/bin/python "
            "or C:\\venv\\Scripts\\python.exe. Empty: the engine inside the add-on"
        ),
        subtype="FILE_PATH",
    )
    device: EnumProperty(
        name="Device",
        description="Where PyTorch computes",
        items=(
            ("auto", "Automatic", "A graphics card if there is one"),
            ("cpu", "Processor", "The processor"),
            ("cuda", "CUDA", "An NVIDIA or AMD graphics card"),
            ("mps", "Metal", "An Apple graphics processor"),
        ),
    )

    def draw(self, context: Context) -> None:
        """The page in Blender's preferences."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "engine")
        if self.engine != "onnx":
            layout.prop(self, "python")
            layout.prop(self, "device")
        row = layout.row(align=True)
        row.operator("emoface.test_engine", icon="CHECKMARK")
        row.operator("emoface.free_memory", icon="TRASH")
        if found.lines:
            box = layout.box().column(align=True)
            for number, line in enumerate(found.lines):
                icon = ("CHECKMARK" if found.good else "ERROR") if number == 0 else "BLANK1"
                box.label(text=line, icon=icon)


def chosen_engine() -> Engine:
    """As the preferences say; the bundled engine where the add-on has none (in a checkout)."""
    addon = bpy.context.preferences.addons.get(__package__)
    if addon is None or addon.preferences is None:
        return Engine()
    chosen = addon.preferences
    python = bpy.path.abspath(chosen.python) if chosen.engine != "onnx" else ""
    return Engine(chosen.engine, python, chosen.device)


class EMOFACE_OT_test_engine(Explained, Operator):
    """Start the engine and show what it found"""

    bl_idname = "emoface.test_engine"
    bl_label = "Test"

    @classmethod
    def require(cls, context: Context) -> None:
        """The worker must be free."""
        if desk.job is not None:
            raise InputError("A face is being animated.", "Wait until it is done, or cancel it.")

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Start it, and look from a timer."""
        if not self._start():
            return {"CANCELLED"}
        self._timer = context.window_manager.event_timer_add(0.1, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        """Until it has answered."""
        if event.type != "TIMER" or not self._look():
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        for area in context.screen.areas if context.screen else ():
            area.tag_redraw()
        return {"FINISHED"}

    def execute(self, context: Context) -> set[str]:
        """Wait for the answer: in background mode."""
        if not self._start():
            return {"CANCELLED"}
        while not self._look():
            time.sleep(0.02)
        self.report({"INFO" if found.good else "ERROR"}, " ".join(found.lines))
        return {"FINISHED"} if found.good else {"CANCELLED"}

    def _start(self) -> bool:
        self._until = time.monotonic() + _TEST_SECONDS
        session.close()  # a new worker, for a new look
        found.good, found.lines = False, ("Starting the engine…",)
        try:
            self._client = session.client(chosen_engine())
            self._client.start()
        except EmoFaceError as error:
            found.lines = (error.message, error.hint)
            self.report({"ERROR"}, str(error))
            return False
        return True

    def _look(self) -> bool:
        """Whether the test is over."""
        for event in self._client.poll():
            if isinstance(event, Hello):
                found.good, found.lines = True, describe(event)
                return True
            if isinstance(event, Failed):
                found.lines = (event.error.message, event.error.hint)
                return True
        if self._client.pid is None or time.monotonic() > self._until:
            last = self._client.log[-1] if self._client.log else ""
            found.lines = ("The engine did not start.", last or "Check the Python program above.")
            return True
        return False


def describe(hello: Hello) -> tuple[str, ...]:
    """What the engine is, in lines."""
    kind, _, version = hello.engine.partition(" ")
    name = {"onnx": "ONNX Runtime", "torch": "PyTorch"}.get(kind, kind)
    return (
        f"{name} {version} on {hello.device} is ready.",
        f"Model: {hello.model}",
        f"Python {hello.python}, EmoFace {hello.version}",
    )


class EMOFACE_OT_free_memory(Explained, Operator):
    """End the engine's process; it starts again when needed"""

    bl_idname = "emoface.free_memory"
    bl_label = "Free Memory"

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be an idle worker."""
        if desk.job is not None:
            raise InputError("A face is being animated.", "Wait until it is done, or cancel it.")
        if not session.running:
            raise InputError("The engine is not running, so it holds no memory.")

    def execute(self, context: Context) -> set[str]:
        """End it."""
        session.close()
        found.lines = ()
        return {"FINISHED"}


CLASSES = (EmoFacePreferences, EMOFACE_OT_test_engine, EMOFACE_OT_free_memory)
