# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of one job in the file that is open: who speaks what, and the bakes."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
from bpy.types import Object

from emoface_core.emotions import AUTO, EMOTIONS
from emoface_core.errors import InputError
from emoface_core.files import text_or_file

from ..control import live, presets, properties, speaking
from ..curves.naming import INTENSITY, BakeRecord
from ..layers import hosts, ownership
from ..scene import casting, strips, target
from ..work.job import Job, Wish, wish_of
from ..work.session import Engine, session
from . import stage
from .jobs import BakeJob


@dataclass(frozen=True, slots=True)
class Take:
    """A face and what it is to speak."""

    face: Object
    wish: Wish


@contextmanager
def choices_known() -> Iterator[None]:
    """A face's choices, where the add-on is not turned on: bake.py of a checkout."""
    if hasattr(Object, "emoface"):
        yield
        return
    properties.register()
    try:
        yield
    finally:
        properties.unregister()


def bake(job: BakeJob, engine: Engine, tag: str = "") -> BakeRecord:
    """Open, bake one face, save. EmoFaceError if it cannot be done; the file is then as it was."""
    if job.open:
        stage.open_file(job.open)
    with choices_known():
        records, _ = bake_all(job, engine, tag)
    if job.save:
        stage.save_file(job.save)
    return records[0][1]


def bake_all(
    job: BakeJob, engine: Engine, tag: str
) -> tuple[list[tuple[str, BakeRecord]], list[str]]:
    """The bakes of a job in the open file by the faces' names, and the strips that are left out."""
    takes, left_out = takes_of(job)
    for line in left_out:
        say(f"{tag}note: {line}")
    made = []
    for take in takes:
        began = time.monotonic()
        for warning in target.warnings(take.face, stage.scene_of(take.face)):
            say(f"{tag}note: {warning}")
        name = take.face.name
        record = Job(session.client(engine), take.face, take.wish).run(_Progress(f"{tag}{name}"))
        if job.intensity is not None:
            ownership.intensity_home(take.face)[INTENSITY] = job.intensity
        _remember(take, job)
        made.append((name, record))
        kept = f"to be saved as {job.save}" if job.save else "not saved (give --save FILE.blend)"
        say(
            f"{tag}{name} speaks {record.sound} in frames {record.span}: "
            f"{len(record.keys)} shape keys, {time.monotonic() - began:.1f} s; {kept}"
        )
    return made, left_out


def takes_of(job: BakeJob) -> tuple[list[Take], list[str]]:
    """Who speaks what, in the open file; and the strips that nobody speaks, with the reason."""
    preset = presets.read(Path(job.preset)) if job.preset else None
    if not job.all:
        face = stage.usable(stage.find_face(job.object), job)
        scene = stage.scene_of(face)
        if job.fps is not None:
            stage.set_rate(scene, job.fps)
        sounds = stage.heard(job, scene)
        return [Take(face, _wish(job, preset, face, sounds))], []
    scene = stage.scene_of(stage.find_face(job.object)) if job.object else bpy.context.scene
    if job.fps is not None:
        stage.set_rate(scene, job.fps)
    roles = casting.cast_scene(scene, scene)
    left_out = [f"“{r.strip}” is left out. {r.reason}" for r in roles if not r.face]
    names = dict.fromkeys(r.face for r in roles if r.face and job.object in {"", r.face})
    if not names:
        raise InputError(
            "No face's name stands in the name of a sound strip or its channel.",
            "Name them so, or give --strip and --object.",
        )
    takes = []
    for name in names:
        face = stage.usable(scene.objects[name], job)
        wanted = [role.strip for role in roles if role.face == name]
        sounds = [
            strips.heard_of_strip(strips.choose(scene, strip), scene, scene) for strip in wanted
        ]
        takes.append(Take(face, _wish(job, preset, face, sounds)))
    casting.check_meshes([take.face for take in takes])
    return takes, left_out


def _wish(
    job: BakeJob, preset: presets.Preset | None, face: Object, sounds: Sequence[strips.Heard]
) -> Wish:
    """What the options say; where they say nothing, the preset; else the face's own choices."""
    if preset is not None:
        presets.apply(preset, face)
    if job.text:
        sounds = [replace(sounds[0], text=text_or_file(job.text))]
    wish = wish_of(face, *sounds)
    emotion = wish.emotion if job.emotion is None else job.emotion
    preference = wish.preference if job.preference is None else job.preference
    return replace(
        wish,
        emotion=emotion,
        preference=None if emotion == AUTO else preference,
        intensity=wish.intensity if job.intensity is None else job.intensity,
        into={None: None, "nla": hosts.NLA, "action": hosts.ACTION}[job.into],
        eyes=None if job.preset and not job.eyes else job.eyes,
        before=wish.before if job.feel_before is None else job.feel_before,
        after=wish.after if job.feel_after is None else job.feel_after,
    )


def _remember(take: Take, job: BakeJob) -> None:
    """Let the panel show what was made, so that Animate Again makes the same.

    A mixture of emotions, which no menu could show, is remembered by the bake itself.
    """
    choices, wish = take.face.emoface, take.wish
    with live.held():  # it is on the face already
        if wish.emotion in (AUTO, *EMOTIONS):
            choices.emotion = wish.emotion
        if wish.emotion != AUTO:
            choices.preference = 1.0 if wish.preference is None else wish.preference
        choices.intensity = wish.intensity
        if wish.into is not None:
            choices.into = wish.into
        choices.feel_before, choices.feel_after = wish.before, wish.after
        if job.text:
            choices.text_block, choices.text = None, " ".join(wish.heard.text.split())
        if wish.strips:
            speaking.keep(take.face, wish.strips)
        else:
            choices.source, choices.file = "FILE", str(Path(job.audio).absolute())
            choices.first_frame = wish.heard.clip.first_frame


class _Progress:
    """A line on stderr whenever a stage begins or a tenth is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last: tuple[str, int] = ("", -1)

    def __call__(self, text: str, fraction: float) -> None:
        now = (text, int(fraction * 10))
        if now != self.last:
            self.last = now
            say(f"{self.name}: {text} {fraction:.0%}")


def say(line: str) -> None:
    """A line on stderr."""
    print(line, file=sys.stderr, flush=True)
