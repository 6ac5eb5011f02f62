# SPDX-License-Identifier: GPL-3.0-or-later
"""The eyes' layer on a baked face: written, changed and taken away at once, without the engine.

Its curves lie where the bake's lie, in a track of their own or in its one Action, and what removes
the bake removes them.
"""

from dataclasses import replace

import numpy as np
from bpy.types import Key, Object
from numpy.typing import NDArray

from emoface_core.face.eyes import EyeSettings
from emoface_core.layers import BakeLayers

from .. import compat
from ..curves.cues import weights_over_time
from ..curves.gaze import BLINK, LAYER, SOUND, HeardSound, eye_keys, eye_values, is_driven, lids
from ..curves.naming import (
    RECORD,
    BakeRecord,
    curve_path,
    group_name,
    key_name,
    layer_of_key,
    value_path,
)
from ..curves.plan import KeyPlan
from ..curves.styling import Style
from . import edits, hosts, ownership, writer
from .resting import points_of, resting_points

Floats = NDArray[np.float32]


def keep_sound(obj: Object, layers: BakeLayers) -> None:
    """Leave on a baked face what the layer needs of the sound."""
    obj.data.shape_keys[SOUND] = HeardSound.of(layers).to_json()


def sound_of(obj: Object) -> HeardSound | None:
    """What `keep_sound` left, if it is there."""
    text = obj.data.shape_keys.get(SOUND) if ownership.record_of(obj) is not None else None
    try:
        return HeardSound.from_json(text) if isinstance(text, str) else None
    except ValueError:  # of another version, or damaged: a new bake is the remedy
        return None


def show(obj: Object, settings: EyeSettings, style: Style, strength: float = 1.0) -> bool:
    """Give a baked face the layer, or change the one it has; False if the bake left no sound.

    `style` says what is felt when, `strength` how much of the layer shows, 0 to 1. Keys that the
    artist deleted stay deleted.
    """
    record, sound, motion = ownership.record_of(obj), sound_of(obj), writer.motion_of(obj)
    into = hosts.plays_in(obj.data.shape_keys) if record is not None else None
    if record is None or sound is None or motion is None or into is None:
        return False
    key = obj.data.shape_keys
    ownership.have_actions_alone(key)
    count, before = len(motion.speech), (len(motion.speech) - record.frames) // 2
    frames = np.arange(count, dtype=np.float32) + np.float32(record.first_frame - before)
    there = frames + np.float32(hosts.offset(key, LAYER))
    weights = weights_over_time(style.feeling.mixture(), style.cues, there, motion.voice)
    felt = weights[before : before + record.frames]
    made = hosts.host(obj, LAYER, into)
    new = not _names(record)
    if new:
        _add(obj, record, eye_keys(sound, settings, felt, count, motion.fps), made)
        drive(obj)
    values = eye_values(sound, settings, felt, count, motion.fps)
    found = {name: made.find_curve(_path(name)) for name in values}
    curves = {key_name(LAYER, name): curve for name, curve in found.items() if curve is not None}
    if not new:
        edits.keep(key, curves)
    for name, value in values.items():
        if found[name] is not None:
            writer.fill(found[name], frames, value * np.float32(strength))
    edits.seal(key, curves)
    if new:
        hosts.fit_layer(key, LAYER)
    made.action.update_tag()
    key.update_tag()
    return True


def hide(obj: Object) -> None:
    """Take the layer off a baked face."""
    record = ownership.record_of(obj)
    if record is None or not _names(record):
        return
    key = obj.data.shape_keys
    ownership.have_actions_alone(key)
    names = _names(record)
    curves = writer.our_curves(key)
    edits.keep(key, {name: curves[name] for name in names if name in curves})
    hosts.remove_layer(key, LAYER)
    edits.forget(key, names)
    ownership.remove_keys(obj, [name for name in names if name in key.key_blocks])
    kept = tuple(name for name in record.keys if name not in names)
    key[RECORD] = replace(record, keys=kept).to_json()
    key.update_tag()


def drive(obj: Object) -> None:
    """Let blinks heed the keys that show, after some were added or muted."""
    record, sound = ownership.record_of(obj), sound_of(obj)
    if record is None or sound is None or not _names(record):
        return
    key = obj.data.shape_keys
    blocks = key.key_blocks
    mine = {name for name in _names(record) if name in blocks}
    rest = points_of(key.reference_key.points)
    driven = {key_name(LAYER, name) for name in ("eyeBlink_L", "eyeBlink_R")}
    driven |= {key_name(LAYER, name) for name in ("eyeWide_L", "eyeWide_R")}
    others = {
        name: points_of(blocks[name].points) - rest
        for name in record.keys
        if name in blocks and name not in driven and not blocks[name].mute
    }
    for shape, lid in lids(resting_points(obj), others, sound).items():
        name = key_name(LAYER, shape)
        if name in mine:
            sources = {variable: value_path(source) for variable, source in lid.reads.items()}
            _drive(key, name, lid.expression, {BLINK: curve_path(name), **sources})
    key.update_tag()


def _drive(key: Key, name: str, expression: str, sources: dict[str, str]) -> None:
    ownership.remove_drivers(key, [name])
    if key.animation_data.drivers.find(value_path(name)) is not None:
        return  # the artist has given it another
    driver = key.key_blocks[name].driver_add("value").driver
    driver.type = "SCRIPTED"
    for variable, path in sources.items():
        made = driver.variables.new()
        made.name = variable
        made.targets[0].id_type = "KEY"
        made.targets[0].id = key
        made.targets[0].data_path = path
    driver.expression = expression


def _names(record: BakeRecord) -> list[str]:
    return [name for name in record.keys if layer_of_key(name) == LAYER]


def _path(shape: str) -> str:
    name = key_name(LAYER, shape)
    return curve_path(name) if is_driven(shape) else value_path(name)


def _add(
    obj: Object, record: BakeRecord, plans: tuple[KeyPlan, ...], made: compat.KeyAction
) -> None:
    key = obj.data.shape_keys
    names = writer.add_keys(obj, plans)
    for plan, name in zip(plans, names, strict=True):
        shape = plan.name.removeprefix(key_name(LAYER, ""))
        if is_driven(shape):
            key[name] = 0.0
        made.new_curve(_path(shape), group_name(LAYER))
    key[RECORD] = replace(record, keys=(*record.keys, *names)).to_json()
