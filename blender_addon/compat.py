# SPDX-License-Identifier: GPL-3.0-or-later
"""Every difference between Blender's versions that matters here; nothing else knows one."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy
from bpy.types import Action, AnimData, Context, Key, Scene

LINEAR = 1  # the number of 'LINEAR' in foreach_set("interpolation"), in all versions


# Actions: slots and layers from 4.4 on, plain F-curves before.


@dataclass(frozen=True, slots=True)
class KeyAction:
    """An Action of ours for a Key datablock, with where its F-curves are."""

    action: Action
    slot: Any | None  # ActionSlot, where there are slots
    _owner: Any  # Action or ActionChannelbag

    def new_curve(self, data_path: str, group: str) -> Any:
        """A new, empty F-curve in a channel group of that name; "" is none."""
        curve = self._owner.fcurves.new(data_path)
        if not group:
            return curve
        existing = self._owner.groups.get(group)
        curve.group = existing if existing is not None else self._owner.groups.new(group)
        return curve

    def find_curve(self, data_path: str) -> Any | None:
        """The F-curve of a data path, if there is one."""
        return self._owner.fcurves.find(data_path)

    @property
    def curves(self) -> list[Any]:
        """Its F-curves, without those that its other slots may have."""
        return list(self._owner.fcurves)

    def remove(self, curves: Iterable[Any]) -> None:
        """Take F-curves away, and their channel groups where nothing else is in them."""
        curves = list(curves)
        names = {curve.group.name for curve in curves if curve.group is not None}
        for curve in curves:
            self._owner.fcurves.remove(curve)
        groups = self._owner.groups
        for name in names:
            if name in groups and not groups[name].channels:  # with slots it went by itself
                groups.remove(groups[name])

    def play(self, player: Any) -> None:
        """Let an NLA strip, or a datablock's animation data, play this Action."""
        if player.action != self.action:
            player.action = self.action
        if self.slot is not None:
            player.action_slot = self.slot

    def copy(self) -> "KeyAction":
        """The same in a datablock of its own."""
        return key_action_of(self.action.copy())

    def remove_slot(self) -> None:
        """Take its slot away, in an Action that holds others."""
        if self.slot is not None:
            self.action.slots.remove(self.slot)


def new_key_action(name: str, key: Key) -> KeyAction:
    """A new Action whose F-curves are to move `key`."""
    action = bpy.data.actions.new(name)
    if not hasattr(action, "slots"):
        action.id_root = "KEY"
        return KeyAction(action, None, action)
    slot = action.slots.new(id_type="KEY", name=key.name)
    strip = action.layers.new("EmoFace").strips.new(type="KEYFRAME")
    return KeyAction(action, slot, strip.channelbag(slot, ensure=True))


def key_action_of(action: Action) -> KeyAction:
    """An Action that `new_key_action` made."""
    if not hasattr(action, "slots"):
        return KeyAction(action, None, action)
    slot = action.slots[0]
    return KeyAction(action, slot, action.layers[0].strips[0].channelbag(slot, ensure=True))


def action_curves(action: Action) -> list[Any]:
    """All F-curves of an Action, whatever slot they are for."""
    if not hasattr(action, "layers"):
        return list(action.fcurves)
    return [
        curve
        for layer in action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        for curve in bag.fcurves
    ]


def curves_in_use(animation: AnimData) -> list[Any]:
    """The F-curves of the active Action that move this datablock."""
    action = animation.action
    if action is None:
        return []
    if not hasattr(action, "layers"):
        return list(action.fcurves)
    slot = animation.action_slot
    if slot is None:
        return []
    bags = (strip.channelbag(slot) for layer in action.layers for strip in layer.strips)
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


# The sequencer: `sequences` until 4.5, `strips` from 4.4 on; new names for times in 5.1.


def sequencer_scene(context: Context) -> Scene:
    """The scene whose strips the sequencer shows (from 5.0 on the workspace may pin one)."""
    return getattr(context, "sequencer_scene", None) or context.scene


def top_strips(owner: Any) -> list[Any]:
    """The strips of a SequenceEditor or of a meta strip, without those inside metas."""
    # `or` would go wrong here: an empty collection counts as false.
    strips = owner.strips if hasattr(owner, "strips") else owner.sequences
    return list(strips)


def new_sound_strip(scene: Scene, name: str, path: str, channel: int, frame: int) -> Any:
    """A new sound strip in a scene's sequencer."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    return strips.new_sound(name, path, channel, frame)


def active_strip(scene: Scene) -> Any | None:
    """The active strip of a scene's sequencer."""
    return scene.sequence_editor.active_strip if scene.sequence_editor else None


@dataclass(frozen=True, slots=True)
class StripTimes:
    """A strip's times. Frames of its scene, except `sound_offset` (seconds, positive: later)."""

    content_start: float  # where its content would begin if nothing were trimmed
    left: int  # first frame heard
    right: int  # first frame no longer heard
    trimmed: float  # frames of the content that are cut off before `content_start`
    sound_offset: float


def strip_times(strip: Any) -> StripTimes:
    """The times of a strip, by whichever names they have."""
    if hasattr(strip, "left_handle"):  # 5.1; reading the old names warns
        return StripTimes(
            strip.content_start,
            strip.left_handle,
            strip.right_handle,
            strip.content_trim_start,
            strip.sound_offset,
        )
    return StripTimes(
        strip.frame_start,
        strip.frame_final_start,
        strip.frame_final_end,
        strip.animation_offset_start,
        getattr(strip, "sound_offset", 0.0),  # 4.2 has none
    )


def meta_bounds(meta: Any) -> tuple[int, int]:
    """First frame and end of a meta strip, which cut what is inside."""
    if hasattr(meta, "left_handle"):
        return meta.left_handle, meta.right_handle
    return meta.frame_final_start, meta.frame_final_end


def is_retimed(strip: Any) -> bool:
    """Whether the strip's speed was changed. 4.2 and 4.3 do not tell scripts: False there."""
    return len(getattr(strip, "retiming_keys", ())) > 0


# What a geometry node group is given: custom properties of the modifier until 5.1.


def set_node_input(modifier: Any, socket: str, value: Any) -> None:
    """Give a Geometry Nodes modifier its group's input of that identifier."""
    if hasattr(modifier, "properties"):
        getattr(modifier.properties.inputs, socket).value = value
    else:
        modifier[socket] = value


@contextmanager
def quiet_deprecations() -> Iterator[None]:
    """For code that must use a name which newer versions warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
