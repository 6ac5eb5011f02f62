# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a file is ours, and removing it and nothing else."""

import json
from collections.abc import Collection
from typing import Any

import bpy
from bpy.types import Action, Key, Object

from .. import compat
from ..curves.naming import (
    INTENSITY,
    INTENSITY_PATH,
    KEY_PREFIX,
    MARK,
    MOTION,
    OLD_CURVES,
    PLAIN,
    RECORD,
    BakeRecord,
    key_of_path,
    property_of_path,
)


def record_of(obj: Object | None) -> BakeRecord | None:
    """What the bake on an object is, if it has one."""
    if obj is None or obj.type != "MESH" or obj.data is None or obj.data.shape_keys is None:
        return None
    text = obj.data.shape_keys.get(RECORD)
    return BakeRecord.from_json(text) if isinstance(text, str) else None


def is_our_action(action: Action | None) -> bool:
    """Whether a bake made it."""
    return action is not None and MARK in action


def is_ours(track: Any) -> bool:
    """Whether an NLA track holds nothing but strips of ours."""
    return len(track.strips) > 0 and all(is_our_action(strip.action) for strip in track.strips)


def our_actions(key: Key) -> list[Action]:
    """The Actions of ours that move a Key, through the NLA or because they were made active."""
    animation = key.animation_data
    if animation is None:
        return []
    strips = [strip.action for track in animation.nla_tracks for strip in track.strips]
    found = [action for action in [*strips, animation.action] if is_our_action(action)]
    return list(dict.fromkeys(found))


def remove_bake(obj: Object, *, keep_intensity: bool = False) -> None:
    """Take away our shape keys, curves, drivers, track, Action and properties, and nothing else.

    The Basis goes too if a bake made it and no other key has been added since. `keep_intensity`
    leaves the object's intensity, its value and its key frames, for the next bake.
    """
    record = record_of(obj)
    key = obj.data.shape_keys
    if record is None or key is None:
        return
    actions = our_actions(key)
    names = _our_keys(key, record, actions)
    remove_drivers(key, names)
    remove_tracks(key)
    for action in actions:
        if action.users == 0:
            bpy.data.actions.remove(action)
    remove_properties(key)
    _remove_keys(obj, names, record.made_basis)
    if record.made_intensity and not keep_intensity:
        remove_intensity(obj)
    obj.data.update()


def plain_keys(key: Key) -> list[str]:
    """Shape keys that were ours, and have been made the artist's, as far as they still show."""
    try:
        names = json.loads(key.get(PLAIN, "[]"))
    except (TypeError, ValueError):
        return []
    return [n for n in names if n in key.key_blocks and not key.key_blocks[n].mute]


def remove_properties(key: Key) -> None:
    """Take away the custom properties of ours on a Key."""
    for name in list(key.keys()):
        if name in {RECORD, MOTION, OLD_CURVES} or name.startswith(KEY_PREFIX):
            del key[name]


def intensity_home(obj: Object) -> Any:
    """The datablock whose custom property is a face's intensity: the object, nearly always.

    A library override forgets custom properties that its source does not have, so there it is the
    mesh, which is local if there is a bake on it.
    """
    override = obj.override_library
    if override is None or override.reference is None or INTENSITY in override.reference:
        return obj
    return obj.data


def remove_intensity(obj: Object) -> None:
    """Take away the intensity, unless the artist or another face uses it."""
    home = intensity_home(obj)
    if INTENSITY in home and not is_animated(obj) and not _drives_another(home):
        del home[INTENSITY]


def remove_keys(obj: Object, names: list[str]) -> None:
    """Take some of our shape keys away, with their drivers and the properties these read."""
    key = obj.data.shape_keys
    remove_drivers(key, names)
    for name in names:
        if name in key:
            del key[name]
    _remove_keys(obj, names, made_basis=False)


def _our_keys(key: Key, record: BakeRecord, actions: list[Action]) -> list[str]:
    """Our shape keys by their present names: Blender keeps data paths right when one is renamed."""
    moved = [
        key_of_path(curve.data_path) for action in actions for curve in compat.action_curves(action)
    ]
    drivers = key.animation_data.drivers if key.animation_data else []
    driven = [key_of_path(curve.data_path) for curve in drivers if _reads_our_curve(curve)]
    names = dict.fromkeys([*record.keys, *moved, *driven])
    return [name for name in names if name is not None and name in key.key_blocks]


def _reads_our_curve(curve: Any) -> bool:
    paths = [target.data_path for var in curve.driver.variables for target in var.targets]
    return any((property_of_path(path) or "").startswith(KEY_PREFIX) for path in paths)


def remove_drivers(key: Key, names: Collection[str]) -> None:
    """Take away the drivers of ours on shape keys of these names."""
    if key.animation_data is None:
        return
    for curve in list(key.animation_data.drivers):
        if key_of_path(curve.data_path) in names and _reads_our_curve(curve):
            key.animation_data.drivers.remove(curve)


def remove_tracks(key: Key) -> None:
    """Take away our strips, and the tracks that hold nothing else."""
    animation = key.animation_data
    if animation is None:
        return
    if is_our_action(animation.action):
        animation.action = None
    for track in list(animation.nla_tracks):
        ours = is_ours(track)
        for strip in [s for s in track.strips if is_our_action(s.action)]:
            track.strips.remove(strip)
        if ours:
            animation.nla_tracks.remove(track)


def _remove_keys(obj: Object, names: list[str], made_basis: bool) -> None:
    key = obj.data.shape_keys
    blocks = [key.key_blocks[name] for name in names]
    pinned = obj.active_shape_key
    keep = pinned.name if pinned is not None and pinned.name not in names else None
    for block in blocks:
        obj.shape_key_remove(block)
    key = obj.data.shape_keys
    if key is None:
        return
    animation = key.animation_data
    if animation is not None and not (
        animation.action or animation.nla_tracks or animation.drivers
    ):
        key.animation_data_clear()
    if made_basis and len(key.key_blocks) == 1 and key.animation_data is None:
        obj.shape_key_remove(key.key_blocks[0])
    elif keep is not None and keep in key.key_blocks:
        obj.active_shape_key_index = key.key_blocks.find(keep)


def is_animated(obj: Object) -> bool:
    """Whether somebody keyed or drove the intensity: then it is theirs."""
    animation = intensity_home(obj).animation_data
    if animation is None:
        return False
    curves = [*compat.curves_in_use(animation), *animation.drivers]
    return any(curve.data_path == INTENSITY_PATH for curve in curves)


def _drives_another(home: Any) -> bool:
    """Whether a copy of the face still takes its intensity from this datablock."""
    return any(
        target.id == home and target.data_path == INTENSITY_PATH
        for key in bpy.data.shape_keys
        if key.animation_data is not None
        for curve in key.animation_data.drivers
        for variable in curve.driver.variables
        for target in variable.targets
    )
