# SPDX-License-Identifier: GPL-3.0-or-later
"""What was changed around a bake since it was made, so that it does not fit or play any more.

All of it is asked at every redraw of the panel: no file is touched, and no curve is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bpy.types import Key, Object, Scene

from emoface_core.errors import InputError

from .. import compat
from ..curves.naming import (
    INTENSITY,
    INTENSITY_PATH,
    BakeRecord,
    curve_path,
    layer_of_key,
    value_path,
)
from ..curves.timing import Clip, Cut
from ..layers import hosts, ownership
from ..scene import strips
from . import speaking

_FRAME = 0.5  # less is rounding
_RATE = 1e-4  # frames a second; the same
_CALLED = {"speech": "speech", "emotion": "emotion", "eyes": "blinks and gaze"}


def warnings(obj: Object, scene: Scene, here: Scene) -> Iterator[str]:
    """Where a bake does not fit its scene any more, and what to do: a sentence each.

    `here`: the scene that the sequencer shows. That a sound is gone is for the button to say.
    """
    record = ownership.record_of(obj)
    players = _players(obj.data.shape_keys) if record is not None else []
    if record is None or not players:
        return
    rate = strips.scene_rate(scene)
    players = [player for player in players if abs(player.speed * record.fps - rate) < _RATE]
    if players:
        yield from _of_strips(obj, record, players, scene, here)
    else:
        yield (
            f"The scene runs at {rate:.5g} fps, this was made at {record.fps:.5g}: press Animate "
            "Again."
        )


@dataclass(frozen=True, slots=True)
class _Player:
    """Where on the timeline the frames of the bake's Action are played."""

    first: float  # of the timeline
    of_action: float  # the Action's frame there
    speed: float  # frames of the timeline for each of the Action

    def at(self, frame: float) -> float:
        return self.first + (frame - self.of_action) * self.speed


_IN_ACTION = _Player(0.0, 0.0, 1.0)  # of the active Action, where it cannot be moved as a whole


def _players(key: Key) -> list[_Player]:
    """What plays the speech."""
    action = hosts.action_of(key, "speech")
    if action is None:
        return []
    found = [s for _, s in ownership.our_strips(key) if s.action == action]
    if key.animation_data.action == action and not key.animation_data.use_tweak_mode:
        return [_IN_ACTION]
    return [_Player(s.frame_start, s.action_frame_start, s.scale) for s in found]


def _of_strips(
    obj: Object, record: BakeRecord, players: list[_Player], scene: Scene, here: Scene
) -> Iterator[str]:
    """The first strip that is not where it was, or not cut as it was."""
    if not record.cuts or obj.emoface.source == "FILE":
        return
    try:
        home, sounds = speaking.strips_of(obj, here)
        if tuple(sound.name for sound in sounds) != record.strips:
            return  # something else was chosen
        clips = [strips.check(sound, home, scene) for sound in sounds]
    except InputError:  # the button says it
        return
    for name, cut, clip in zip(record.strips, record.cuts, clips, strict=False):
        if said := _changed(name, cut, clip, record, players):
            yield said
            return


def _changed(name: str, cut: Cut, now: Clip, record: BakeRecord, players: list[_Player]) -> str:
    first, start, frames = cut
    begins = now.first_frame - now.start * now.fps  # if nothing of it were cut
    moved = begins - (first - start * record.fps)
    away = min((begins - (p.at(first) - start * now.fps) for p in players), key=abs)
    before, heard = frames * now.fps / record.fps, now.frames or 0
    if heard < before - _FRAME:
        return (
            f"“{name}” was {before:.0f} frames long when this was made and is {heard} now: press "
            "Animate Again to speak only these, or list all its pieces under Several Faces."
        )
    if abs(moved) > _FRAME and abs(away) > _FRAME:
        count = f"{abs(away):.0f} frame{'s' if abs(away) > 1.5 else ''}"
        along = (
            "" if players == [_IN_ACTION] else ", or move the EmoFace tracks in the NLA by as much"
        )
        return (
            f"“{name}” is heard {count} {'later' if away > 0 else 'earlier'} than the face speaks "
            f"it: press Animate Again{along}."
        )
    if heard > before + _FRAME or abs(now.start - start) * now.fps > _FRAME:
        return f"“{name}” is trimmed otherwise than when this was made: press Animate Again."
    return ""


def standing(obj: Object) -> str:
    """What of a bake does not play any more, and what to do; "" if all of it does."""
    record = ownership.record_of(obj)
    if record is None:
        return ""
    key = obj.data.shape_keys
    layers: dict[str, list[str]] = {}
    there = set(key.key_blocks.keys())  # to ask for each of them takes longer
    for name in record.keys:
        if name in there and (layer := layer_of_key(name)) in _CALLED:
            layers.setdefault(layer, []).append(name)
    lost = [layer for layer, names in layers.items() if not _plays(key, layer, names)]
    if lost:
        called = (", " if "eyes" in lost else " and ").join(_CALLED[layer] for layer in lost)
        return (
            f"The curves of its {called} play nowhere any more: press Animate Again to bring them "
            "back."
        )
    if any(_lacks_intensity(key, name) for name in layers.get("emotion", [])[:1]):
        return (
            f"The property “{INTENSITY}”, which scales the emotion, was deleted: press Animate "
            "Again to bring it back."
        )
    return ""


def _plays(key: Key, layer: str, names: list[str]) -> bool:
    """Whether an Action that plays has a curve of the layer."""
    action = hosts.action_of(key, layer)
    if action is None:
        return False
    made = compat.key_action_of(action)
    return any(
        made.find_curve(path(name)) is not None
        for name in names
        for path in (value_path, curve_path)
    )


def _lacks_intensity(key: Key, name: str) -> bool:
    """Whether the driver of an emotion key reads an intensity that is not there."""
    curve = key.animation_data.drivers.find(value_path(name))
    return curve is not None and any(
        target.data_path == INTENSITY_PATH and (target.id is None or INTENSITY not in target.id)
        for variable in curve.driver.variables
        for target in variable.targets
    )
