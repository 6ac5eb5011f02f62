# SPDX-License-Identifier: GPL-3.0-or-later
"""The button that starts the engine, animates a short clip, and tells what it found."""

import time
from pathlib import Path
from typing import Literal

from bpy.types import Context, Event, Operator

import emoface_core
from emoface_core.errors import EmoFaceError
from emoface_core.worker.client import Done, Failed, WorkerClient
from emoface_core.worker.protocol import Hello

from ..work.session import chosen_engine, session
from .explained import Explained
from .following import Following, check_free, redraw

_TEST_CLIP = Path(emoface_core.__file__).parent / "assets" / "demo.flac"
_TEST_FPS = 25.0
_INTERVAL = 0.1  # seconds between looks at the worker


class Found:
    """What the last test of the engine found. Never saved."""

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ()
        self.state: Literal["busy", "good", "bad"] = "busy"

    def say(self, state: Literal["busy", "good", "bad"], *lines: str) -> None:
        """Show these."""
        self.state, self.lines = state, tuple(line for line in lines if line)

    def forget(self) -> None:
        """Show nothing, but what is being found."""
        if self.state != "busy":
            self.lines = ()


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
        """No face must wait for the worker. A test under way begins again."""
        check_free()

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Start it, and look from a timer."""
        if not self._start():
            return {"CANCELLED"}
        return self.follow(context, _INTERVAL)

    def modal(self, context: Context, event: Event) -> set[str]:
        """Until it has answered."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if session.tested is self._client and not self._look():
            return {"PASS_THROUGH"}
        self.cancel(context)
        return {"FINISHED"}

    def cancel(self, context: Context) -> None:
        """The test is over, or somebody ended its engine, or Blender its window."""
        mine = session.tested is self._client
        if found.state == "busy" and (mine or session.tested is None):
            found.say("bad", "The test was broken off.")
            if mine:
                session.close()
        if mine:
            session.end_test()
        self.let_go(context)
        redraw("PREFERENCES")
        redraw()

    def execute(self, context: Context) -> set[str]:
        """Wait for the answer: in background mode."""
        over = not self._start()
        while not over:
            over = self._look()
            time.sleep(0.02)
        session.end_test()
        self.report({"INFO" if found.state == "good" else "ERROR"}, " ".join(found.lines))
        return {"FINISHED"} if found.state == "good" else {"CANCELLED"}

    def _start(self) -> bool:
        self._began, self._sent, self._about = time.monotonic(), 0.0, ()
        found.say("busy", "Starting the engine…")
        try:
            self._client = session.begin_test(chosen_engine())
            self._client.submit(audio=_TEST_CLIP, fps=_TEST_FPS)  # which starts it
        except EmoFaceError as error:
            session.end_test()
            found.say("bad", error.message, error.hint)
            return False
        return True

    def _look(self) -> bool:
        """Whether the test is over."""
        for event in self._client.poll():
            if isinstance(event, Hello):
                self._about = describe(event, time.monotonic() - self._began)
                found.say("busy", *self._about, "Animating a short clip…")
                self._sent = time.monotonic()
                redraw("PREFERENCES")
            elif isinstance(event, Failed):
                found.say("bad", event.error.message, event.error.hint)
                return True
            elif isinstance(event, Done):
                took = time.monotonic() - self._sent
                speed = f"{event.seconds:.1f} s of speech took {took:.1f} s the first time"
                try:
                    self._client.take(event)
                    found.say("good", *self._about, speed)
                except EmoFaceError as error:
                    found.say("bad", error.message, error.hint)
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


CLASSES = (EMOFACE_OT_test_engine,)
