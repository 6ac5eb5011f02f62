# SPDX-License-Identifier: GPL-3.0-or-later
"""One animation on its way: asked of the worker, followed, written onto the face when it is there.

A job keeps no reference to Blender's data between steps: undo, a rename or a deletion may have
replaced it, so the face is looked up again when it is time to write.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import bpy
from bpy.types import Object

from emoface_core.emotions import AUTO
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.worker.client import Done, Failed, WorkerClient, WorkerError
from emoface_core.worker.protocol import Hello, Progress

from ..control import live, words
from ..curves.cues import Feeling
from ..curves.join import Part, check_apart, felt_around, join
from ..curves.naming import BakeRecord
from ..curves.plan import plan_bake
from ..layers import edits, gaze_layer, hosts, ownership
from ..layers.writer import Source, write_bake
from ..scene import target
from ..scene.spoken import with_texts
from ..scene.strips import Heard

State = Literal["running", "done", "failed", "cancelled"]

# The part of the whole that each stage of the worker ends at, and what it is called.
_STAGES = {
    "listen": (0.0, 0.25, "Listening"),
    "speak": (0.25, 0.7, "Animating"),
    "fit": (0.7, 0.95, "Fitting shape keys"),
    "write": (0.95, 1.0, "Fitting shape keys"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made."""

    heard: Heard
    emotion: str
    preference: float | None
    intensity: float  # of a first bake
    more: tuple[Heard, ...] = ()  # what else the face speaks, at other places of the timeline
    eyes: bool | None = None  # whether it shall blink and look about; None: as chosen for it
    into: hosts.Into | None = None  # where it shall play; None: as chosen for it
    before: int = 0  # frames before all sounds in which the face feels, and
    after: int = 0  # after them

    @property
    def sounds(self) -> tuple[Heard, ...]:
        """All that the face speaks, in the order of the timeline."""
        return tuple(sorted((self.heard, *self.more), key=lambda heard: heard.clip.first_frame))

    @property
    def strips(self) -> tuple[str, ...]:
        """The strips' names, if strips are all that is spoken."""
        return tuple(heard.label for heard in self.sounds) if self.home else ()

    @property
    def home(self) -> str:
        """The scene of the strips; "" if a file is spoken."""
        homes = {heard.home for heard in self.sounds}
        return homes.pop() if len(homes) == 1 else ""

    @property
    def label(self) -> str:
        """What is spoken, for a person."""
        first, *others = self.sounds
        return f"{first.label} and {len(others)} more" if others else first.label


def wish_of(face: Object, heard: Heard, *more: Heard) -> Wish:
    """What the face's choices in the panel ask for."""
    heard, *others = with_texts(face, (heard, *more))
    feeling = live.wanted_feeling(face)
    preference = None if feeling.emotion == AUTO else feeling.preference
    return Wish(
        heard=heard,
        emotion=feeling.emotion,
        preference=preference,
        intensity=face.emoface.intensity,
        more=tuple(others),
        before=face.emoface.feel_before,
        after=face.emoface.feel_after,
    )


@dataclass(frozen=True, slots=True)
class Face:
    """A face that survives undo and renaming: by Blender's session id, then by name."""

    name: str
    uid: int

    @staticmethod
    def of(obj: Object) -> "Face":
        """Remember an object."""
        return Face(obj.name, obj.session_uid)

    def find(self) -> Object:
        """The object as it is now; InputError if it is gone."""
        for obj in bpy.data.objects:
            if obj.session_uid == self.uid:
                return obj
        raise InputError(f"The face “{self.name}” is gone.", "Choose another face.")


class Job:
    """Follow one animation. Call `step` until `state` is no longer "running"."""

    def __init__(self, client: WorkerClient, obj: Object, wish: Wish) -> None:
        """Hand the work to the worker. InputError or WorkerError if that cannot be."""
        self.face = Face.of(target.check(obj))
        self.wish = wish
        self.state: State = "running"
        self.text = "Starting the engine"
        self.fraction = 0.0
        self.record: BakeRecord | None = None
        self.error: EmoFaceError | None = None
        self.notes: tuple[str, ...] = ()
        self.kept = ""  # a sentence on what the artist had changed by hand
        self._client = client
        self._neutral = target.read_neutral(obj)
        self._sounds = wish.sounds
        self._chosen = _chosen(obj)  # what is chosen on the way holds, too
        if said := hosts.problem(obj.data.shape_keys, self._into(obj)):
            raise InputError(said)
        check_apart([(heard.label, heard.clip) for heard in self._sounds])
        clips = felt_around([heard.clip for heard in self._sounds], wish.before, wish.after)
        self._sounds = tuple(
            replace(heard, clip=clip) for heard, clip in zip(self._sounds, clips, strict=True)
        )
        self._parts: list[Part] = []
        _let_go(client)
        self._submit()

    def _into(self, obj: Object) -> hosts.Into:
        if self.wish.into is None and hasattr(obj, "emoface"):
            return obj.emoface.into
        return self.wish.into or hosts.NLA

    def _submit(self) -> None:
        """Hand the next sound to the worker."""
        heard = self._sounds[len(self._parts)]
        self._client.submit(
            audio=heard.path,
            fps=heard.clip.fps,
            emotion=self.wish.emotion,
            preference=self.wish.preference,
            start=heard.clip.start,
            duration=heard.clip.seconds,
            before=heard.clip.before / heard.clip.fps,
            after=heard.clip.after / heard.clip.fps,
            volume=heard.volume,
            text=heard.text,
            neutral=self._neutral.vertices,
            faces=self._neutral.faces,
        )

    def cancel(self) -> None:
        """Ask for its end; it ends in a later step."""
        if self.state == "running":
            self.text = "Cancelling"
            self._client.cancel()

    def step(self) -> bool:
        """Take in what the worker says and write the result; True if there was something new."""
        if self.state != "running":
            return False
        events = self._client.poll()
        for event in events:
            if isinstance(event, Hello):
                self.text = "Listening"
            elif isinstance(event, Progress):
                start, end, self.text = _STAGES.get(event.stage, (0.0, 1.0, event.stage))
                part = start + (end - start) * event.done / max(1, event.total)
                self.fraction = (len(self._parts) + part) / len(self._sounds)
            elif isinstance(event, Failed):
                self._end(event.error)
            elif isinstance(event, Done):
                self._take(event)
        return bool(events)

    def _take(self, done: Done) -> None:
        """One sound is ready: go on to the next, or write them all."""
        try:
            heard = self._sounds[len(self._parts)]
            self._parts.append(Part(heard.label, heard.clip, self._client.take(done)))
            if len(self._parts) < len(self._sounds):
                self._submit()
            else:
                self._write()
        except EmoFaceError as error:
            self._end(error)

    def _write(self) -> None:
        obj = target.check(self.face.find())
        clip, layers = join(self._parts)
        self.notes = tuple(target.warnings(obj, bpy.context.scene))
        both = zip(_chosen(obj), self._chosen, strict=True)
        feeling, intensity = (now if now != then else None for now, then in both)
        source = Source(
            sound=self.wish.label,
            emotion=self.wish.emotion,
            preference=self.wish.preference,
            intensity=self.wish.intensity if intensity is None else intensity,
            home=self.wish.home,
            strips=self.wish.strips,
            cuts=tuple(heard.cut for heard in self.wish.sounds if heard.cut is not None),
        )
        noted = edits.noted(obj.data.shape_keys)
        write_bake(obj, plan_bake(layers, clip), source, self._into(obj))
        self.kept = edits.kept_since(obj.data.shape_keys, noted)
        gaze_layer.keep_sound(obj, layers)
        if hasattr(obj, "emoface"):
            with live.held():  # `after_bake` takes all that was chosen to the face, once
                words.keep(obj, layers, clip)
        live.after_bake(obj, feeling=feeling, eyes=self.wish.eyes)
        self.record = ownership.record_of(obj)
        self.fraction, self.state = 1.0, "done"

    def _end(self, error: EmoFaceError) -> None:
        self.error = error
        self.state = "cancelled" if error.code == "cancelled" else "failed"

    def run(self, progress: Callable[[str, float], None] | None = None) -> BakeRecord:
        """Wait for the end; raises what it failed with. For background mode and scripts."""
        while self.state == "running":
            if self.step() and progress is not None:
                progress(self.text, self.fraction)
            elif self.state == "running":
                time.sleep(0.005)
        if self.record is None:
            raise self.error or WorkerError("failed", "The animation ended without a result.")
        return self.record


def _chosen(obj: Object) -> tuple[Feeling | None, float | None]:
    """The panel's emotion and intensity, where there is a panel."""
    if not hasattr(obj, "emoface"):
        return None, None
    return live.chosen_feeling(obj), obj.emoface.intensity


def _let_go(client: WorkerClient) -> None:
    """See an abandoned job off; the client's deadlines bound how long that takes."""
    if client.busy:
        client.cancel()
    while client.busy:
        client.poll()
        time.sleep(0.005)


class Desk:
    """The job under way in the window, and how the last one ended. Never saved in a file."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.failure: Failure | None = None

    def begin(self, job: Job) -> None:
        """Follow a job."""
        self.job, self.failure = job, None

    def fail(self, face: str, error: EmoFaceError, log: tuple[str, ...] = ()) -> None:
        """Remember what went wrong, for the panel."""
        self.failure = Failure(face, error.message, error.hint, error.code, log)

    def end(self) -> None:
        """The job is over: keep its failure."""
        job, self.job = self.job, None
        if job is not None and job.state == "failed" and job.error is not None:
            self.fail(job.face.name, job.error, getattr(job.error, "log", ()))

    def abandon(self) -> None:
        """Let go of the job, because the file or the add-on goes."""
        job, self.job = self.job, None
        self.failure = None
        if job is not None:
            job.cancel()


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, for the panel and the report."""

    face: str
    message: str
    hint: str
    code: str
    log: tuple[str, ...]


desk = Desk()
