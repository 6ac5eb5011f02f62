# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a file is ours, and removing it and nothing else."""

from collections.abc import Collection, Iterator
from typing import Any

import bpy
from bpy.types import Action, AnimData, Key, Object

from .. import compat
from ..curves.naming import (
    GROUP,
    INTENSITY,
    INTENSITY_PATH,
    KEPT,
    KEY_PREFIX,
    LAYER,
    MARK,
    MOTION,
    MUTED,
    OLD_CURVES,
    PLAIN,
    RECORD,
    SUMS,
    BakeRecord,
    group_name,
    key_of_path,
    loaded,
    property_of_path,
)


def record_of(obj: Object | None) -> BakeRecord | None:
    """What the bake on an object is, if it has one."""
    if obj is None or obj.type != "MESH" or obj.data is None or obj.data.shape_keys is None:
        return None
    return record_in(obj.data.shape_keys)


def record_in(key: Key | None) -> BakeRecord | None:
    """What the bake on a Key is, if it has one."""
    text = key.get(RECORD) if key is not None else None
    return BakeRecord.from_json(text) if isinstance(text, str) else None


def is_our_action(action: Action | None) -> bool:
    """Whether a bake made it."""
    return action is not None and MARK in action


def is_ours(track: Any) -> bool:
    """Whether an NLA track holds nothing but strips of ours."""
    return len(track.strips) > 0 and all(is_our_action(strip.action) for strip in track.strips)


def our_strips(key: Key) -> list[tuple[Any, Any]]:
    """(track, strip) of all strips that play an Action of ours, from the lowest track up."""
    animation = key.animation_data
    tracks = animation.nla_tracks if animation is not None else []
    return [(t, strip) for t in tracks for strip in t.strips if is_our_action(strip.action)]


def made_strips(key: Key) -> list[tuple[Any, Any]]:
    """(track, strip) of those that a bake made: one for each layer.

    All others that play an Action of ours, the artist has made by duplicating them.
    """
    strips = our_strips(key)
    strips.sort(key=lambda pair: (pair[1].name != _strip_name(pair[1]), not is_ours(pair[0])))
    found: dict[str | None, tuple[Any, Any]] = {}
    for track, strip in strips:
        found.setdefault(strip.action.get(LAYER), (track, strip))
    return list(found.values())


def _strip_name(strip: Any) -> str:
    return group_name(strip.action.get(LAYER, "")).strip()


def our_actions(key: Key) -> list[Action]:
    """The Actions of ours that move a Key, through the NLA or because one is active."""
    if key.animation_data is None:
        return []
    found = [strip.action for _, strip in our_strips(key)]
    if is_our_action(key.animation_data.action):
        found.append(key.animation_data.action)
    return list(dict.fromkeys(found))


def our_curves(key: Key, action: Action) -> list[Any]:
    """What is ours in an Action of ours.

    The artist may key anything there, too: whatever moves no key of ours is the artist's.
    """
    record = record_in(key)
    names = record.keys if record is not None else ()
    return [c for c in compat.key_action_of(action).curves if _is_our_curve(c, key, names)]


def _is_our_curve(curve: Any, key: Key, names: Collection[str]) -> bool:
    carried = property_of_path(curve.data_path)
    if carried is not None:
        return carried in names or carried.startswith(KEY_PREFIX)
    name = key_of_path(curve.data_path)
    if name is None or name in names:
        return name is not None and name not in key  # a driven key's own value is not ours
    return curve.group is not None and curve.group.name.startswith(GROUP)  # it was renamed


def have_actions_alone(key: Key) -> None:
    """Give a Key copies of those Actions of ours that it shares with a copy of the face.

    Copies of them that the artist has put beside them are the artist's.
    """
    _let_duplicates_go(key)
    others = [other for other in bpy.data.shape_keys if other != key]
    shared = {action for other in others for action in our_actions(other)}
    _replace_by_copies(key, shared.intersection(our_actions(key)))


def _let_duplicates_go(key: Key) -> None:
    animation = key.animation_data
    if animation is None or animation.use_tweak_mode:
        return
    if is_our_action(animation.action):
        made = {animation.action}
    else:
        made = {strip.action for _, strip in made_strips(key)}
    for action in our_actions(key):
        if action not in made:
            unmark(action)


def take_actions(key: Key) -> None:
    """Before Actions of ours are emptied: have them alone, and leave the artist those to be kept.

    An Action that was given a fake user is a take to be kept; what goes on is a copy.
    """
    have_actions_alone(key)
    kept = [action for action in our_actions(key) if action.use_fake_user]
    _replace_by_copies(key, kept)
    for action in kept:
        unmark(action)


def _replace_by_copies(key: Key, actions: Collection[Action]) -> None:
    players = [strip for _, strip in our_strips(key)]
    if key.animation_data is not None:
        players.append(key.animation_data)
    for action in actions:
        copy = compat.key_action_of(action).copy()
        copy.action.use_fake_user = False
        for player in players:
            if player.action == action:
                copy.play(player)


def unmark(action: Action) -> None:
    """Make an Action of ours the artist's."""
    for mark in (MARK, LAYER):
        if mark in action:
            del action[mark]


def remove_bake(obj: Object) -> None:
    """Take away our shape keys, curves, drivers, tracks, Actions and properties, and nothing else.

    The Basis goes too if a bake made it and no other key has been added since. An Action of ours in
    which the artist has keyed something stays with that, and is the artist's from then on.
    """
    record = record_of(obj)
    key = obj.data.shape_keys
    if record is None or key is None:
        return
    take_actions(key)
    actions = our_actions(key)
    names = _our_keys(key, record, actions)
    for action in actions:
        compat.key_action_of(action).remove(our_curves(key, action))
        let_go(key, action)
    remove_drivers(key, names)
    remove_properties(key)
    _remove_keys(obj, names, record.made_basis)
    if record.made_intensity:
        remove_intensity(obj)
    obj.data.update()


def clear_bake(obj: Object, next_keys: Collection[str]) -> set[str]:
    """Take away what the next bake has not; Actions, their tracks and the intensity stay.

    Returns which of its shape keys are there. They stay, with their curves, to be written anew:
    whatever else the artist has set on them is not ours.
    """
    record = record_of(obj)
    if record is None:
        return set()
    key = obj.data.shape_keys
    take_actions(key)
    actions = our_actions(key)
    names = _our_keys(key, record, actions)
    staying = set(next_keys).intersection(record.keys, names)
    for action in actions:
        compat.key_action_of(action).remove(
            curve
            for curve in our_curves(key, action)
            if (key_of_path(curve.data_path) or property_of_path(curve.data_path)) not in staying
        )
    remove_drivers(key, names)
    remove_properties(key)
    _remove_keys(obj, [name for name in names if name not in staying], made_basis=False)
    return staying


def let_go(key: Key, action: Action) -> None:
    """Our curves are out of an Action: it goes, or is the artist's if something is left in it."""
    animation = key.animation_data
    made = compat.key_action_of(action)
    if not made.curves:
        if animation.action == action:
            animation.action = None
        for track, strip in our_strips(key):
            if strip.action == action:
                track.strips.remove(strip)
                if not track.strips:
                    animation.nla_tracks.remove(track)
    if action.users == 0:
        bpy.data.actions.remove(action)
        return
    unmark(action)
    if not made.curves:
        made.remove_slot()


def plain_keys(key: Key) -> list[str]:
    """Shape keys that were ours, and have been made the artist's, as far as they still show."""
    names = loaded(key.get(PLAIN), [])
    return [n for n in names if n in key.key_blocks and not key.key_blocks[n].mute]


def remove_properties(key: Key) -> None:
    """Take away the custom properties of ours on a Key."""
    for name in list(key.keys()):
        if name in {RECORD, MOTION, OLD_CURVES, SUMS, KEPT, MUTED} or name.startswith(KEY_PREFIX):
            del key[name]


def intensity_home(obj: Object) -> Any:
    """The datablock whose custom property is a face's intensity: the object, nearly always.

    Faces that share a mesh share the intensity of the one that was baked. A library override
    forgets custom properties that its source does not have, so there it is the mesh, which is local
    if there is a bake on it.
    """
    override = obj.override_library
    if override is None or override.reference is None:
        read = _read_by_first(obj.data.shape_keys) if obj.type == "MESH" else None
        shared = read is not None and read.library is None and getattr(read, "data", None)
        return read if shared == obj.data else obj
    return obj if INTENSITY in override.reference else obj.data


def has_stray_drivers(obj: Object) -> bool:
    """Whether a bake takes its intensity from elsewhere, because the face and its mesh are copies.

    Their drivers read the face that they were copied from. Linked meshes are their own file's.
    """
    key = obj.data.shape_keys
    if obj.data.library is not None or obj.data.override_library is not None:
        return False
    target = next(intensity_targets(key), None) if key is not None else None
    return target is not None and target.id != intensity_home(obj)


def intensity_targets(key: Key) -> Iterator[Any]:
    """The targets of our drivers on a Key that read an intensity."""
    drivers = key.animation_data.drivers if key.animation_data is not None else ()
    for curve in drivers:
        if _reads_our_curve(curve):
            for variable in curve.driver.variables:
                yield from (t for t in variable.targets if t.data_path == INTENSITY_PATH)


def _read_by_first(key: Key | None) -> Any | None:
    """The datablock whose intensity a bake reads."""
    target = next(intensity_targets(key), None) if key is not None else None
    return target.id if target is not None else None


def remove_intensity(obj: Object) -> None:
    """Take the intensity off all that share a face, unless the artist or another face uses it."""
    for sharing in [other for other in bpy.data.objects if other.data == obj.data]:
        home = intensity_home(sharing)
        if INTENSITY in home and not is_animated(sharing) and not _drives_another(home):
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
    moved = [key_of_path(c.data_path) for action in actions for c in our_curves(key, action)]
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
    return bool(intensity_curves(obj))


def intensity_curves(obj: Object) -> list[Any]:
    """Whatever moves a face's intensity: curves, in the NLA too, and drivers."""
    animation = intensity_home(obj).animation_data
    if animation is None:
        return []
    pushed = [c for action in pushed_down(animation) for c in compat.action_curves(action)]
    curves = [*compat.curves_in_use(animation), *pushed, *animation.drivers]
    return [curve for curve in curves if curve.data_path == INTENSITY_PATH]


def pushed_down(animation: AnimData) -> list[Action]:
    """The Actions that the NLA strips of a datablock play."""
    return [s.action for track in animation.nla_tracks for s in track.strips if s.action]


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
