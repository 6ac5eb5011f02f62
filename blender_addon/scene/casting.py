# SPDX-License-Identifier: GPL-3.0-or-later
"""Who speaks which strip: by the face's own choice, or by the names of strips and channels.

A strip goes to the face whose name stands in the strip's name as whole words, whatever the case:
“Anna_010”, “sh040 anna take2” and “ANNA” go to “Anna”. If none does, the channel's name decides,
and if the scene has just one face, that one speaks. Where “Anna Maria” is named, “Anna” is not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bpy.types import Object, Scene

from emoface_core.errors import InputError

from . import strips, target
from .strips import SoundStrip

# Letters and digits are words of their own: Anna010 holds the word Anna.
_WORD = re.compile(r"[^\W\d_]+|\d+")
_COPY = re.compile(r"\.\d{3,}$")  # what Blender adds to the name of a copy


@dataclass(frozen=True, slots=True)
class Role:
    """A strip and the name of the face that speaks it; "" with the reason if none does."""

    strip: str
    face: str
    reason: str = ""


def possible_faces(objects: Sequence[Object]) -> list[Object]:
    """The meshes that have the vertices of a face."""
    return [
        obj
        for obj in objects
        if obj.type == "MESH" and obj.data is not None and len(obj.data.vertices) == target.VERTICES
    ]


def cast_scene(scene: Scene, home: Scene, *, selected: bool = False) -> list[Role]:
    """The roles of the sound strips of `home` that are heard, for the faces of `scene`.

    `selected`: only strips that are selected, muted or not: who selects one means it.
    """
    faces = possible_faces(scene.objects)
    chosen = {face.emoface.strip: face.name for face in faces if _chose_strip(face)}
    names = [face.name for face in faces]
    return [
        cast(sound.name, sound.channel, names, chosen)
        for sound in strips.sound_strips(home)
        if _is_meant(sound, selected)
    ]


def _chose_strip(face: Object) -> bool:
    return face.emoface.source == "STRIP" and bool(face.emoface.strip)


def _is_meant(sound: SoundStrip, selected: bool) -> bool:
    return bool(sound.strip.select) if selected else not sound.muted_by


def cast(strip: str, channel: str, faces: Sequence[str], chosen: dict[str, str]) -> Role:
    """Who of `faces` speaks a strip. `chosen`: the strips that faces have chosen themselves."""
    if strip in chosen:
        return Role(strip, chosen[strip])
    if not faces:
        return Role(strip, "", "The scene has no face.")
    for text in (strip, channel):
        found = _named_in(text, faces)
        if len(found) == 1:
            return Role(strip, found[0])
        if found:
            listed = " and ".join(f"“{name}”" for name in found[:3])
            return Role(strip, "", f"It may be {listed}.")
    if len(faces) == 1:
        return Role(strip, faces[0])
    return Role(strip, "", "Its name and its channel's name no face.")


def _named_in(text: str, faces: Sequence[str]) -> list[str]:
    """The faces whose name stands in a text: the one that is meant, or those that may be."""
    same = [name for name in faces if name.casefold() == text.casefold()]
    if same:
        return same
    words = _words(text)
    named = {name: _words(_COPY.sub("", name)) for name in faces}
    named = {name: parts for name, parts in named.items() if _holds(words, parts)}
    return [
        name
        for name, parts in named.items()
        if not any(len(other) > len(parts) and _holds(other, parts) for other in named.values())
    ]


def _holds(text: list[str], name: list[str]) -> bool:
    """Whether the words of a name stand one after the other in a text."""
    starts = range(len(text) - len(name) + 1)
    return bool(name) and any(text[start : start + len(name)] == name for start in starts)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def check_meshes(faces: Sequence[Object]) -> None:
    """InputError if two faces that are to speak share a mesh: only one bake fits on it."""
    seen: dict[int, str] = {}
    for face in faces:
        other = seen.setdefault(face.data.session_uid, face.name)
        if other != face.name:
            raise InputError(
                f"“{other}” and “{face.name}” share one mesh, so they can only move alike.",
                "Object > Relations > Make Single User > Object & Data, or leave one of them out.",
            )
