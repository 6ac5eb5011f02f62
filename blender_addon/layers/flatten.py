# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake to plain keys: what was ours becomes the artist's, without drivers and without us."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np
from bpy.types import Key, Object, Scene
from numpy.typing import NDArray

from emoface_core.errors import InputError

from ..curves.naming import (
    INTENSITY,
    PLAIN,
    curve_path,
    group_name,
    layer_of_key,
    plain_name,
    property_of_path,
    value_path,
)
from . import driven, hosts, ownership, writer

Floats = NDArray[np.float32]


def to_plain_keys(obj: Object, scene: Scene) -> int:
    """Flatten a face's bake: ordinary curves on the values of ordinary shape keys. How many.

    The intensity, with its key frames, goes into the curves; so does what the artist has made of
    our NLA strips. The Action becomes the active one if there is none, else it plays in the NLA.
    The keys get names of their own, so that another bake leaves them alone.
    """
    record = ownership.record_of(obj)
    if record is None:
        raise InputError(f"“{obj.name}” has no animation by EmoFace.")
    key = obj.data.shape_keys
    names = [name for name in record.keys if name in key.key_blocks]
    curves = {name: curve for name, curve in writer.our_curves(key).items() if name in names}
    arranged = hosts.is_arranged(key)
    changed = {name: c for name, c in curves.items() if arranged or _is_driven(c)}
    flat = {name: None if arranged else _flat(obj, name, c) for name, c in changed.items()}
    played = [name for name, places in flat.items() if places is None]
    frames = _frames(key, changed)
    told = None if arranged else driven.values(obj, played, frames)
    found = _sample(obj, scene, played, frames) if told is None else told
    flat |= {name: np.column_stack([frames, column]) for name, column in found.items()}
    track = _new_track(key)
    made = hosts.leave(obj) if arranged else hosts.join(obj)
    ownership.remove_drivers(key, names)
    there = {c.data_path: c for c in made.curves}
    for name, places in flat.items():
        curve = there.get(curve_path(name)) or made.new_curve(
            value_path(name), group_name(layer_of_key(name))
        )
        curve.data_path = value_path(name)
        if name in found:  # what its modifiers did is in the values
            for modifier in list(curve.modifiers):
                curve.modifiers.remove(modifier)
        writer.fill(curve, *places.T)
    ownership.unmark(made.action)
    made.action.name = f"{obj.name} Face"
    if track is None:
        made.play(key.animation_data)
    else:
        strip = track.strips.new(made.action.name, 1, made.action)
        made.play(strip)
        hosts.retime(strip)
    ownership.remove_properties(key)
    if record.made_intensity:
        ownership.remove_intensity(obj)
    for name in names:
        key.key_blocks[name].name = plain_name(name)  # Blender renames in the curves, too
    key[PLAIN] = json.dumps([plain_name(name) for name in names])
    key.update_tag()
    return len(names)


def _new_track(key: Key) -> Any | None:
    """A track where ours are, if the artist's own Action is active; None if it is not."""
    animation = key.animation_data
    if animation.action is None or ownership.is_our_action(animation.action):
        return None
    ours = [track for track, _ in ownership.our_strips(key)]
    track = animation.nla_tracks.new(prev=ours[-1]) if ours else animation.nla_tracks.new()
    track.name = "EmoFace"
    return track


def _is_driven(curve: Any) -> bool:
    """Whether it moves a custom property that a driver reads."""
    return property_of_path(curve.data_path) is not None


def _flat(obj: Object, name: str, curve: Any) -> Floats | None:
    """(F, 2) key frames of a driven key; None if only playing the scene can tell."""
    if layer_of_key(name) != writer.DRIVEN or ownership.is_animated(obj):
        return None
    return writer.places_of(curve) * np.float32(
        [1, ownership.intensity_home(obj).get(INTENSITY, 1.0)]
    )


def _frames(key: Key, curves: dict[str, Any]) -> Floats:
    """The whole frames of the scene in which curves of ours play."""
    strips = [(strip.frame_start, strip.frame_end) for _, strip in ownership.our_strips(key)]
    spans = strips or [c.range() for c in curves.values() if len(c.keyframe_points)]
    if not spans:
        return np.zeros(0, np.float32)
    first, last = min(s[0] for s in spans), max(s[1] for s in spans)
    return np.arange(np.floor(first), np.ceil(last) + 1, dtype=np.float32)


def _sample(
    obj: Object, scene: Scene, names: list[str], frames: Floats
) -> Mapping[str, NDArray[Any]]:
    """(F,) values of keys, read while the scene plays. Blender's cursor shows how far it is."""
    if not names:
        return {}
    blocks = [obj.data.shape_keys.key_blocks[name] for name in names]
    values = np.empty((len(frames), len(blocks)), np.float32)
    now, part = scene.frame_current, scene.frame_subframe
    cursor = bpy.context.window_manager
    cursor.progress_begin(0, len(frames))
    try:
        with _unseen(obj):
            for row, frame in enumerate(frames):
                cursor.progress_update(row)
                scene.frame_set(int(frame))
                values[row] = [block.value for block in blocks]
    finally:
        cursor.progress_end()
        scene.frame_set(now, subframe=part)
    return dict(zip(names, values.T, strict=True))


@contextmanager
def _unseen(obj: Object) -> Iterator[None]:
    """Keep Blender from working out the mesh, which takes far longer than its keys' values."""
    blocks = obj.data.shape_keys.key_blocks
    muted = [block.mute for block in blocks]
    blocks.foreach_set("mute", [True] * len(blocks))
    try:
        yield
    finally:
        blocks.foreach_set("mute", muted)
