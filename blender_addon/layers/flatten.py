# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake to plain keys: what was ours becomes the artist's, without drivers and without us."""

import json
from typing import Any

import numpy as np
from bpy.types import Action, Key, Object, Scene
from numpy.typing import NDArray

from emoface_core.errors import InputError

from .. import compat
from ..curves.naming import (
    INTENSITY,
    MARK,
    PLAIN,
    layer_of_key,
    plain_name,
    property_of_path,
    value_path,
)
from . import ownership, writer

Floats = NDArray[np.float32]


def to_plain_keys(obj: Object, scene: Scene) -> int:
    """Flatten a face's bake: ordinary curves on the values of ordinary shape keys. How many.

    The intensity, with its key frames, goes into the curves. The Action becomes the active one if
    there is none, and stays in its NLA track otherwise. The keys get names of their own, so that
    another bake leaves them alone.
    """
    record = ownership.record_of(obj)
    if record is None:
        raise InputError(f"“{obj.name}” has no animation by EmoFace.")
    key = obj.data.shape_keys
    actions = ownership.our_actions(key)
    curves = writer.our_curves(key)
    names = [name for name in record.keys if name in key.key_blocks]
    driven = {name: curves[name] for name in names if name in curves and _is_driven(curves[name])}
    flat = {name: _flat(obj, name, curve) for name, curve in driven.items()}
    sampled = [name for name, places in flat.items() if places is None]
    flat.update(_sample(obj, scene, {name: driven[name] for name in sampled}))
    ownership.remove_drivers(key, list(driven))
    for name, places in flat.items():
        if places is not None:
            driven[name].data_path = value_path(name)
            writer.fill(driven[name], *places.T)
    ownership.remove_properties(key)
    if record.made_intensity:
        ownership.remove_intensity(obj)
    for name in names:
        key.key_blocks[name].name = plain_name(name)  # Blender renames in the curves, too
    key[PLAIN] = json.dumps([plain_name(name) for name in names])
    _make_active(key, actions)
    for action in actions:
        del action[MARK]
        action.name = f"{obj.name} Face"
    key.update_tag()
    return len(names)


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


def _sample(obj: Object, scene: Scene, curves: dict[str, Any]) -> dict[str, Floats]:
    """(F, 2) key frames of driven keys, one on each frame, read while the scene plays."""
    if not curves:
        return {}
    places = [writer.places_of(curve) for curve in curves.values()]
    first = min(float(place[0, 0]) for place in places)
    last = max(float(place[-1, 0]) for place in places)
    frames = np.arange(first, last + 1, dtype=np.float32)
    blocks = [obj.data.shape_keys.key_blocks[name] for name in curves]
    shift = writer.scene_offset(obj.data.shape_keys)
    values = np.empty((len(frames), len(blocks)), np.float32)
    now, part = scene.frame_current, scene.frame_subframe
    for row, frame in enumerate(frames + np.float32(shift)):
        whole = int(np.floor(frame))
        scene.frame_set(whole, subframe=float(frame - whole))
        values[row] = [block.value for block in blocks]
    scene.frame_set(now, subframe=part)
    columns = zip(curves, values.T, strict=True)
    return {name: np.column_stack([frames, column]) for name, column in columns}


def _make_active(key: Key, actions: list[Action]) -> None:
    """Move our strip's Action out of the NLA, if there is no active one."""
    animation = key.animation_data
    if animation.action is not None or len(actions) != 1:
        return
    strips = [
        strip
        for track in animation.nla_tracks
        for strip in track.strips
        if strip.action == actions[0]
    ]
    in_place = strips and strips[0].frame_start == strips[0].action_frame_start
    if len(strips) != 1 or not in_place or strips[0].scale != 1:
        return  # the artist has arranged it: leave it in the NLA
    slot = compat.slot_of(strips[0])
    ownership.remove_tracks(key)
    animation.action = actions[0]
    compat.use_active_slot(animation, slot)
