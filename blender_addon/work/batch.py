# SPDX-License-Identifier: GPL-3.0-or-later
"""Many faces, one after the other: a queue that never blocks, survives its failures, and repeats.

One entry is one face with all that it speaks. Only one is worked on at a time, because there is
one engine; it is the same job that the panel's button starts, so all that holds for that one holds
here. Nothing of it is saved in a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import bpy
from bpy.types import Object, Scene

from emoface_core.errors import EmoFaceError, InputError

from ..control import speaking
from ..scene import casting, strips, target
from .job import Face, Job, desk, wish_of
from .session import chosen_engine, session

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(slots=True)
class Entry:
    """A face, its strips, and how far it is."""

    face: Face
    scene: str  # whose sequencer holds the strips
    strips: tuple[str, ...]
    state: State = "waiting"
    text: str = ""  # the stage, or what went wrong and what to do
    fraction: float = 0.0


class Queue:
    """Entries to be worked off by calling `step` until it is no longer `busy`."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._job: Job | None = None
        self._running: Entry | None = None

    @property
    def busy(self) -> bool:
        """Whether there is anything left to do."""
        return self._running is not None or any(e.state == "waiting" for e in self.entries)

    @property
    def fraction(self) -> float:
        """How much of everything is over, 0 to 1."""
        over = sum(
            e.fraction if e.state == "running" else e.state != "waiting" for e in self.entries
        )
        return over / len(self.entries) if self.entries else 0.0

    def count(self, *states: State) -> int:
        """How many entries are in one of these states."""
        return sum(entry.state in states for entry in self.entries)

    def entry_of(self, scene: str, strip: str) -> Entry | None:
        """The entry that speaks a strip."""
        for entry in self.entries:
            if entry.scene == scene and strip in entry.strips:
                return entry
        return None

    def fill(self, faces: Sequence[tuple[Object, Sequence[str]]], home: Scene) -> None:
        """New entries in the place of the old ones: faces, and the strips of `home` they speak.

        InputError if the queue is busy or there is nothing to do.
        """
        if self.busy:
            raise InputError("A queue is under way.", "Wait until it is done, or cancel it.")
        if not faces:
            raise InputError(
                "No strip has a face.", "Choose a face in the list, or name the strips after faces."
            )
        casting.check_meshes([obj for obj, _ in faces])
        self.entries = [Entry(Face.of(obj), home.name, tuple(names)) for obj, names in faces]

    def cancel(self, entry: Entry) -> None:
        """End one entry; the others go on."""
        if entry.state == "waiting":
            entry.state, entry.text = "cancelled", "Cancelled"
        elif entry is self._running and self._job is not None:
            self._job.cancel()

    def cancel_all(self) -> None:
        """End all that is not over."""
        for entry in self.entries:
            self.cancel(entry)

    def retry(self) -> int:
        """Let what failed or was cancelled wait again; how many those are."""
        again = [entry for entry in self.entries if entry.state in {"failed", "cancelled"}]
        for entry in again:
            entry.state, entry.text, entry.fraction = "waiting", "", 0.0
        return len(again)

    def abandon(self) -> None:
        """Forget everything, because the file or the add-on goes."""
        if self._job is not None:
            self._job.cancel()
        self.entries, self._job, self._running = [], None, None

    def step(self) -> bool:
        """Begin the next entry or follow the present one; True if something is new."""
        if self._running is None:
            return desk.job is None and self._begin()
        entry, job = self._running, self._job
        if job is None or desk.job is not job:  # something else took the engine away
            self._finish(entry, "cancelled", "Cancelled")
            return True
        new = job.step()
        entry.text, entry.fraction = job.text, job.fraction
        if job.state == "running":
            return new
        if job.state == "done":
            speaking.keep(entry.face.find(), entry.strips)
        desk.end()
        desk.failure = None  # it is told in the list
        self._finish(entry, job.state, " ".join(job.notes) if job.error is None else str(job.error))
        return True

    def _begin(self) -> bool:
        entry = next((entry for entry in self.entries if entry.state == "waiting"), None)
        if entry is None:
            return False
        entry.state, entry.text, entry.fraction = "running", "Starting the engine", 0.0
        try:
            face = target.check(entry.face.find())
            home = bpy.data.scenes.get(entry.scene)
            if home is None:
                raise InputError(f"The scene “{entry.scene}” is gone.", "Make the list again.")
            scene = scene_of(face, home)
            sounds = [
                strips.heard_of_strip(strips.choose(home, name), home, scene)
                for name in entry.strips
            ]
            job = Job(session.client(chosen_engine()), face, wish_of(face, *sounds))
        except EmoFaceError as error:
            self._finish(entry, "failed", str(error))
            return True
        desk.begin(job)
        self._running, self._job = entry, job
        return True

    def _finish(self, entry: Entry, state: State, text: str) -> None:
        entry.state, entry.text = state, text
        entry.fraction = 1.0 if state == "done" else 0.0
        self._running = self._job = None


def scene_of(face: Object, home: Scene) -> Scene:
    """The scene whose frame rate counts: that of the strips if the face is in it, else its own."""
    scenes = [home, bpy.context.scene, *bpy.data.scenes]
    return next((scene for scene in scenes if scene in face.users_scene), home)


queue = Queue()
