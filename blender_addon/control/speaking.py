# SPDX-License-Identifier: GPL-3.0-or-later
"""The strips that a face shall speak: the one that was chosen, else those it speaks already."""

from collections.abc import Sequence

import bpy
from bpy.types import Object, Scene

from emoface_core.errors import InputError

from ..curves.naming import BakeRecord
from ..layers import ownership
from ..scene import strips
from ..scene.strips import SoundStrip


def repeated(face: Object) -> tuple[str, ...]:
    """The names of the strips that the face speaks and would speak again; () if it would not.

    Another sound, chosen in the panel, takes their place.
    """
    record, choices = ownership.record_of(face), face.emoface
    if record is None or choices.source == "FILE":
        return ()
    several = len(record.strips) > 1 and choices.strip in record.strips
    return record.strips if not choices.strip or several else ()


def keep(face: Object, names: Sequence[str]) -> None:
    """Choose, for the next bake, the strips that another part than the panel had the face speak."""
    choices = face.emoface
    choices.source = "STRIP"
    if choices.strip not in names:
        choices.property_unset("strip")  # then it is what the face speaks already


def strips_of(face: Object, here: Scene) -> tuple[Scene, list[SoundStrip]]:
    """The strips that the face shall speak, and the scene whose sequencer holds them.

    `here`: the scene that the sequencer shows. Where two characters talk, its active strip is as
    often the other's, so what a face speaks already goes before it. InputError if a strip is not
    there.
    """
    record = ownership.record_of(face)
    if record is None or not repeated(face):
        return here, [strips.choose(here, face.emoface.strip)]
    found = _find(face, record, here)
    if found is not None:
        return found
    there = strips.named(bpy.data.scenes.get(record.home, here), record.strips)
    gone = next(name for name in record.strips if name not in there)
    raise InputError(
        f"“{face.name}” speaks “{gone}”, which is not in the sequencer any more.",
        "Choose a strip under Sound."
        if len(record.strips) == 1
        else "Choose a strip under Sound, or list all of its strips under Several Faces.",
    )


def _find(face: Object, record: BakeRecord, here: Scene) -> tuple[Scene, list[SoundStrip]] | None:
    """A bake's strips, in a scene that has all of them.

    That is the one they were in; if it has another name now, or if the face was copied out of it
    together with them, another one.
    """
    scenes = dict.fromkeys([bpy.data.scenes.get(record.home), here, *bpy.data.scenes])
    elsewhere = None
    for scene in scenes:
        there = {} if scene is None else strips.named(scene, record.strips)
        if len(there) == len(record.strips):
            found = scene, [there[name] for name in record.strips]
            if face.name in scene.objects:
                return found
            elsewhere = elsewhere or found
    return elsewhere
