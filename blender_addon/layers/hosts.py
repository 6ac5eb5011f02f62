# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a bake's curves live, the animator's choice: an NLA track for each layer, or one Action.

In the NLA every layer has an Action in a track of its own, so that it can be muted, weakened and
moved there by Blender's own means. Below them lies a track at rest: measured in 4.2 to 5.2, what a
muted track moved else stays as it stands, and an influence below 1 blends with the property's
default, which for a shape key is 1 from 5.0 on.

As one Action it is the shape keys' active one, open in the Dope Sheet and the Graph Editor. An
artist's Action is never replaced by it: that is for the artist to push down.
"""

from collections.abc import Iterator
from typing import Any, Literal

from bpy.types import Action, Key, Object

from emoface_core.errors import InputError

from .. import compat
from ..curves.naming import (
    GROUP,
    LAYER,
    MARK,
    VERSION,
    group_name,
    key_of_path,
    layer_of_key,
    property_of_path,
)
from . import ownership
from .copied import copy_curve

Into = Literal["NLA", "ACTION"]

NLA: Into = "NLA"
ACTION: Into = "ACTION"
REST = "rest"
ORDER = (REST, "speech", "emotion", "eyes")  # of the tracks, from below


def plays_in(key: Key | None) -> Into | None:
    """Where the bake on a Key plays; None if none does."""
    if key is None or key.animation_data is None or not ownership.our_actions(key):
        return None
    return ACTION if _active(key) is not None else NLA


def _active(key: Key) -> Action | None:
    """Our active Action; one that is merely tweaked in the NLA is not."""
    animation = key.animation_data
    if animation is None or animation.use_tweak_mode:
        return None
    return animation.action if ownership.is_our_action(animation.action) else None


def action_of(key: Key, layer: str) -> Action | None:
    """The Action of ours that holds a layer's curves."""
    found = {action.get(LAYER): action for action in ownership.our_actions(key)}
    return found.get(layer) or found.get(None)


def offset(key: Key, layer: str = "speech") -> float:
    """Frames by which the artist has moved a layer's strip on the timeline since the bake."""
    action = action_of(key, layer)
    for _, strip in ownership.made_strips(key):
        if strip.action == action:
            return float(strip.frame_start - strip.action_frame_start)
    return 0.0


def host(obj: Object, layer: str, into: Into = NLA) -> compat.KeyAction:
    """The Action for a layer's curves; with its track, if there was none."""
    found = action_of(obj.data.shape_keys, layer)
    return compat.key_action_of(found) if found is not None else _make(obj, layer, into)


def _make(obj: Object, layer: str, into: Into) -> compat.KeyAction:
    key = obj.data.shape_keys
    animation = key.animation_data or key.animation_data_create()
    if into == ACTION:
        made = compat.new_key_action(f"EmoFace {obj.name}", key)
        made.play(animation)
    else:
        made = compat.new_key_action(f"EmoFace {obj.name} {layer.capitalize()}", key)
        made.action[LAYER] = layer
        _add_strip(key, made, layer)
    made.action[MARK] = VERSION
    return made


def _add_strip(key: Key, made: compat.KeyAction, layer: str) -> None:
    """A track of a layer's own: above those of the layers below it, else on top of all."""
    tracks = key.animation_data.nla_tracks
    active = tracks.active
    lower = [
        track
        for track, strip in ownership.our_strips(key)
        if strip.action.get(LAYER, REST) in (REST, *ORDER[: ORDER.index(layer)])
    ]
    track = tracks.new(prev=lower[-1]) if lower else tracks.new()
    track.name = group_name(layer)
    strip = track.strips.new(group_name(layer), 1, made.action)
    made.play(strip)
    strip.extrapolation = "HOLD"  # at rest, before and after
    if layer == REST:
        track.lock = True
    else:
        strip.use_animated_influence = True  # else Blender greys the influence out
        strip.fcurves[0].keyframe_points.insert(1, 1.0)
        strip.influence = 1.0
    if active is not None:
        tracks.active = active


def fit(key: Key) -> None:
    """After all curves were written: a key at rest for each, and strips as long as they are.

    Where a strip lies and how fast it plays is the sound's to say, all else about it the artist's.
    What the artist has duplicated of it stays where it is, and plays the whole if it did before.
    """
    lay_to_rest(key)
    made = {strip.action: strip for _, strip in ownership.made_strips(key)}
    for _, strip in ownership.our_strips(key):
        whole = made[strip.action]
        if strip != whole and _played(strip) == _played(whole):
            _play_whole(strip)
    for strip in made.values():
        retime(strip)


def _played(strip: Any) -> tuple[float, float]:
    return strip.action_frame_start, strip.action_frame_end


def _play_whole(strip: Any) -> None:
    """Let a strip play all of its Action from where it begins, as fast and as often as before."""
    begin, scale, repeat = strip.frame_start, strip.scale, strip.repeat
    backwards = strip.use_reverse
    retime(strip)
    length = (strip.action_frame_end - strip.action_frame_start) * scale * repeat
    strip.scale, strip.repeat, strip.use_reverse = scale, repeat, backwards
    strip.frame_start_raw, strip.frame_end_raw = begin, begin + length


def fit_layer(key: Key, layer: str) -> None:
    """The same for a layer that has come to a bake, which is moved as the speech is."""
    lay_to_rest(key)
    action = action_of(key, layer)
    for _, strip in ownership.our_strips(key):
        if strip.action == action and action.get(LAYER) == layer:
            shift = offset(key)
            retime(strip)
            strip.frame_start_raw += shift
            strip.frame_end_raw += shift


def remove_layer(key: Key, layer: str) -> None:
    """Take a layer's curves away, and its Action and track if nothing else is in them."""
    action = action_of(key, layer)
    if action is None:
        return
    made = compat.key_action_of(action)
    made.remove(c for c in ownership.our_curves(key, action) if _layer_of(c) == layer)
    if not made.curves:
        ownership.let_go(key, action)
    lay_to_rest(key)


def retime(strip: Any) -> None:
    """Let a strip play its Action where the Action's key frames are."""
    first, last = strip.action.curve_frame_range
    last = max(last, first + 1)
    strip.repeat, strip.scale, strip.use_reverse = 1.0, 1.0, False
    strip.action_frame_end = max(last, strip.action_frame_end)  # Blender keeps it after the start
    strip.action_frame_start, strip.action_frame_end = first, last
    strip.frame_start_raw, strip.frame_end_raw = first, last


def lay_to_rest(key: Key) -> None:
    """Keep a key at rest, in the lowest track, for every curve of ours."""
    action = action_of(key, REST)
    if action is None or action.get(LAYER) != REST:
        return
    rest = compat.key_action_of(action)
    moved = {
        curve.data_path: first
        for action in ownership.our_actions(key)
        if action != rest.action
        for first in [action.curve_frame_range[0]]
        for curve in ownership.our_curves(key, action)
    }
    there = {curve.data_path: curve for curve in ownership.our_curves(key, rest.action)}
    rest.remove(curve for path, curve in there.items() if path not in moved)
    for path, first in moved.items():
        if path not in there:
            curve = rest.new_curve(path, group_name(REST))
            curve.keyframe_points.insert(first, 0.0)


# From one to the other.


def problem(key: Key | None, into: Into) -> str:
    """Why a bake on a Key cannot be, or be moved, into that; "" if it can. One sentence."""
    animation = key.animation_data if key is not None else None
    if animation is None or into == NLA:
        return ""
    if animation.action is not None and not ownership.is_our_action(animation.action):
        return (
            f"Your Action “{animation.action.name}” is active on these shape keys: push it down in "
            "the NLA editor, or choose NLA Tracks under Layers."
        )
    if name := next(_arranged(key), ""):
        return (
            f"You have arranged “{name}” in the NLA editor, which one Action cannot hold: set it "
            "back there, or choose NLA Tracks under Layers."
        )
    return ""


def is_arranged(key: Key) -> bool:
    """Whether the artist has arranged our strips so that their Actions alone are not what shows."""
    return any(_arranged(key))


def _arranged(key: Key) -> Iterator[str]:
    """Names of our strips that are more than their Actions, played as they are."""
    seen: set[Action] = set()
    paths: set[str] = set()
    for track, strip in ownership.our_strips(key):
        if strip.action.get(LAYER) == REST:
            continue
        mine = {curve.data_path for curve in compat.key_action_of(strip.action).curves}
        if not _is_plain(track, strip) or strip.action in seen or mine & paths:
            yield strip.name
        seen.add(strip.action)
        paths |= mine


def _is_plain(track: Any, strip: Any) -> bool:
    """Whether what shows is the strip's Action, neither more nor less."""
    return (
        strip.frame_start == strip.action_frame_start
        and strip.scale == strip.repeat == 1
        and not (track.mute or strip.mute or strip.use_reverse or strip.use_animated_time)
        and not strip.modifiers
        and (strip.blend_type, strip.extrapolation) == ("REPLACE", "HOLD")
        and strip.blend_in == strip.blend_out == 0
        and _has_full_influence(strip)
    )


def _has_full_influence(strip: Any) -> bool:
    if not strip.use_animated_influence:
        return True
    points = strip.fcurves[0].keyframe_points
    return len(points) > 0 and all(point.co[1] == 1 for point in points)


def move(obj: Object, into: Into) -> None:
    """Take the bake on a face to tracks or to one Action, with all that was made of its curves.

    InputError if that cannot be without changing or losing something of the artist's.
    """
    key = obj.data.shape_keys
    if said := problem(key, into):
        raise InputError(said)
    whole = next((a for a in ownership.our_actions(key) if LAYER not in a), None)
    if into == ACTION and plays_in(key) == NLA:
        join(obj).play(key.animation_data)
    elif into == NLA and whole is not None:
        ownership.take_actions(key)
        _spread(obj, next(a for a in ownership.our_actions(key) if LAYER not in a))
    key.update_tag()


def join(obj: Object) -> compat.KeyAction:
    """All Actions of ours in one, which plays nowhere yet if they were in the NLA."""
    key = obj.data.shape_keys
    ownership.take_actions(key)
    if active := _active(key):
        return compat.key_action_of(active)
    made = compat.new_key_action(f"EmoFace {obj.name}", key)
    for action in ownership.our_actions(key):
        source = compat.key_action_of(action)
        if action.get(LAYER) == REST:
            source.remove(ownership.our_curves(key, action))
        else:
            for curve in source.curves:
                copy_curve(curve, made)
            source.remove(source.curves)
        ownership.let_go(key, action)
    made.action[MARK] = VERSION
    return made


def leave(obj: Object) -> compat.KeyAction:
    """Take our curves out of all Actions of ours; returns a new one that plays nowhere yet."""
    key = obj.data.shape_keys
    ownership.take_actions(key)
    made = compat.new_key_action(f"EmoFace {obj.name}", key)
    for action in ownership.our_actions(key):
        compat.key_action_of(action).remove(ownership.our_curves(key, action))
        ownership.let_go(key, action)
    return made


def _spread(obj: Object, whole: Action) -> None:
    """The one Action becomes one for each layer; what the artist keyed in it stays in it."""
    key = obj.data.shape_keys
    source = compat.key_action_of(whole)
    curves: dict[str, list[Any]] = {}
    for curve in ownership.our_curves(key, whole):
        curves.setdefault(_layer_of(curve), []).append(curve)
    if curves:
        _make(obj, REST, NLA)
    for layer in ORDER:
        if layer in curves:
            made = _make(obj, layer, NLA)
            for curve in curves[layer]:
                copy_curve(curve, made)
    source.remove(curve for found in curves.values() for curve in found)
    ownership.let_go(key, whole)
    fit(key)


def _layer_of(curve: Any) -> str:
    """The layer of a curve of ours: its group says it, else the key's name."""
    group = curve.group.name.removeprefix(GROUP).lower() if curve.group is not None else ""
    name = key_of_path(curve.data_path) or property_of_path(curve.data_path) or ""
    return group if group in ORDER else layer_of_key(name)
