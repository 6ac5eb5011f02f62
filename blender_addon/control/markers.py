# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotion cues as markers on the timeline. Markers of the artist's are left alone."""

from collections.abc import Iterable, Iterator
from typing import Any

import bpy
from bpy.types import Object, Scene, TimelineMarker

_LONGEST = 40  # bytes of a face's name in a marker's


def show(obj: Object, cues: Iterable[Any] | None = None) -> None:
    """Make the markers of a face's cues, or of some of them, agree with them."""
    for item in list(obj.emoface.cues if cues is None else cues):
        forget(obj, item)
        if obj.emoface.show_markers:
            item.marker = label(item, obj.name)
            for scene in _scenes(obj):
                scene.timeline_markers.new(item.marker, frame=item.frame)


def show_new(obj: Object) -> None:
    """Give markers to cues that have none; those that the artist has moved stay where they are."""
    if obj.emoface.show_markers:
        show(obj, [cue for cue in obj.emoface.cues if not cue.marker])


def forget(obj: Object, cue: Any) -> None:
    """Take a cue's marker away."""
    same = [c for c in obj.emoface.cues if c.marker == cue.marker]
    same.sort(key=lambda c: c.frame)
    for scene in [] if _is_another_face(obj, cue.marker) else _scenes(obj):
        found = list(_found(scene, [c.marker for c in same]))
        for other, marker in zip(same, found, strict=True):
            if other == cue and marker is not None:
                scene.timeline_markers.remove(marker)
    cue.marker = ""


def _is_another_face(obj: Object, name: str) -> bool:
    """Whether a marker is that of the face which this one was duplicated from."""
    return not name.endswith(_of(obj.name)) and any(
        cue.marker == name
        for other in bpy.data.objects
        if other != obj
        for cue in other.emoface.cues
    )


def _scenes(obj: Object) -> list[Scene]:
    return [scene for scene in bpy.data.scenes if obj.name in scene.objects]


def moved(obj: Object, scene: Scene) -> list[tuple[Any, int]]:
    """The cues whose markers the artist has moved, and where to."""
    cues = sorted(obj.emoface.cues, key=lambda cue: cue.frame)
    found = zip(cues, _found(scene, [cue.marker for cue in cues]), strict=True)
    return [
        (cue, marker.frame)
        for cue, marker in found
        if marker is not None and marker.frame != cue.frame
    ]


def label(cue: Any, face: str) -> str:
    """What a cue's marker is called."""
    name = "Voice" if cue.emotion == "auto" else cue.emotion.capitalize()
    return f"{name} {cue.intensity:.0%}{_of(face)}"


def _of(face: str) -> str:
    """How a marker's name ends: Blender cuts it at 63 bytes, and so would find it no more.

    A long name is shortened in its middle: faces that were duplicated differ at its end.
    """
    text = face.encode()
    if len(text) > _LONGEST:
        ends = text[: _LONGEST // 2].decode(errors="ignore"), text[-_LONGEST // 2 :]
        face = f"{ends[0]}…{ends[1].decode(errors='ignore')}"
    return f" · {face}"


def _found(scene: Scene, names: list[str]) -> Iterator[TimelineMarker | None]:
    """The marker of each name; of several with one name, in the order of their frames."""
    markers = sorted(scene.timeline_markers, key=lambda marker: marker.frame)
    for name in names:
        match = next((m for m in markers if m.name == name), None) if name else None
        if match is not None:
            markers.remove(match)
        yield match
