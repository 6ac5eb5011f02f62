# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a bake plan into Blender: shape keys, an Action in an NLA track of our own, drivers.

Speech keys have their curve on the value. An emotion key's value is driven by `curve * intensity`:
the curve moves a custom property of the Key, the intensity is a custom property of the object.
Blender evaluates that simple expression without Python, so the file plays without the add-on.
The Action plays in the NLA (measured in 4.2, 4.5, 5.0 and 5.2: custom properties and drivers that
read them evaluate there as in an active Action), so the artist's active Action is never touched.
"""

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bpy.types import Key, Object
from numpy.typing import NDArray

from emoface_core.emotions import AUTO, MAX_INTENSITY, emotion_index

from . import compat, ownership
from .naming import (
    CURVES,
    EMOTION_PREFIX,
    INTENSITY,
    INTENSITY_PATH,
    MARK,
    RECORD,
    TRACK,
    VERSION,
    BakeRecord,
    curve_path,
    property_of_path,
    value_path,
)
from .plan import SLIDER, BakePlan, mix_palette


@dataclass(frozen=True, slots=True)
class Source:
    """What a bake was made from, to be remembered beside it."""

    sound: str
    emotion: str
    preference: float | None
    intensity: float  # of a first bake; a later one keeps what the object has


def write_bake(obj: Object, plan: BakePlan, source: Source) -> BakeRecord:
    """Put a bake on an object, in the place of an earlier one of ours. Returns its record.

    The object must have passed `target.check`.
    """
    before = ownership.record_of(obj)
    ownership.remove_bake(obj, keep_intensity=True)
    made_intensity = _ensure_intensity(obj, source.intensity)
    made_basis = _ensure_basis(obj)
    key = obj.data.shape_keys
    names = _add_keys(obj, plan)
    record = BakeRecord(
        keys=tuple(names),
        made_basis=made_basis or (before is not None and before.made_basis),
        made_intensity=made_intensity or (before is not None and before.made_intensity),
        sound=source.sound,
        emotion=source.emotion,
        preference=source.preference,
        first_frame=plan.first_frame,
        frames=plan.sound_frames,
        fps=plan.fps,
        frame_keys=len(plan.frames) * len(plan.keys),
        worst_error=plan.worst_error,
    )
    key[RECORD] = record.to_json()
    _add_curves(obj, key, plan, names)
    _add_drivers(obj, key, plan, names)
    key[CURVES] = pack_palette(plan.palette)
    key.update_tag()
    obj.update_tag()
    return record


def _ensure_intensity(obj: Object, value: float) -> bool:
    """Whether the property had to be made."""
    if INTENSITY in obj:
        return False
    obj[INTENSITY] = float(value)
    obj.id_properties_ui(INTENSITY).update(
        min=0.0,
        max=MAX_INTENSITY,
        soft_min=0.0,
        soft_max=MAX_INTENSITY,
        default=1.0,
        step=0.05,
        precision=2,
        description="Strength of the emotion: 0 is speech alone, above 1 exaggerates. Can be keyed",
    )
    obj.property_overridable_library_set(INTENSITY_PATH, True)
    return True


def _ensure_basis(obj: Object) -> bool:
    if obj.data.shape_keys is not None:
        return False
    obj.shape_key_add(name="Basis", from_mix=False)
    return True


def _add_keys(obj: Object, plan: BakePlan) -> list[str]:
    """Add the shape keys after the artist's, whose active one stays active. Their names."""
    active = obj.active_shape_key_index
    basis = obj.data.shape_keys.reference_key
    rest = np.empty(len(basis.points) * 3, np.float32)
    basis.points.foreach_get("co", rest)
    names = []
    for key_plan in plan.keys:
        block = obj.shape_key_add(name=key_plan.name, from_mix=False)
        block.slider_min, block.slider_max = -SLIDER, SLIDER
        block.value = 0.0  # new keys are at 1 from Blender 5.0 on
        block.points.foreach_set("co", rest + key_plan.offsets.ravel())
        names.append(block.name)
    obj.active_shape_key_index = active
    return names


def _add_curves(obj: Object, key: Key, plan: BakePlan, names: list[str]) -> None:
    made = compat.new_key_action(f"EmoFace {obj.name}", key)
    made.action[MARK] = VERSION
    for name, key_plan in zip(names, plan.keys, strict=True):
        if key_plan.layer == "speech":
            curve = made.new_curve(value_path(name), "EmoFace Speech")
        else:
            key[name] = 0.0
            curve = made.new_curve(curve_path(name), "EmoFace Emotion")
        _fill(curve, plan.frames, key_plan.values)
    animation = key.animation_data or key.animation_data_create()
    active = animation.nla_tracks.active
    track = animation.nla_tracks.new()
    track.name = TRACK
    strip = track.strips.new(TRACK, int(plan.frames[0]), made.action)
    compat.use_slot(strip, made)
    strip.extrapolation = "HOLD"  # at rest, before and after
    if active is not None:
        animation.nla_tracks.active = active


def _fill(curve: Any, frames: NDArray[np.float32], values: NDArray[np.float32]) -> None:
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.column_stack([frames, values]).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.full(len(frames), compat.LINEAR, np.int32))
    curve.update()


def _add_drivers(obj: Object, key: Key, plan: BakePlan, names: list[str]) -> None:
    for name, key_plan in zip(names, plan.keys, strict=True):
        if key_plan.layer == "emotion":
            _drive(obj, key, name)


def _drive(obj: Object, key: Key, name: str) -> None:
    driver = key.key_blocks[name].driver_add("value").driver
    driver.type = "SCRIPTED"
    for variable, id_type, owner, path in (
        ("curve", "KEY", key, curve_path(name)),
        ("intensity", "OBJECT", obj, INTENSITY_PATH),
    ):
        made = driver.variables.new()
        made.name = variable
        made.targets[0].id_type = id_type
        made.targets[0].id = owner
        made.targets[0].data_path = path
    driver.expression = "curve * intensity"


def remix(obj: Object, emotion: str, preference: float | None) -> bool:
    """Give a baked face another emotion at once, from what the bake left; False if it cannot.

    The emotion keys' curves are rewritten, where they are now on the timeline; speech and
    intensity stay.
    """
    record = ownership.record_of(obj)
    key = obj.data.shape_keys if record is not None else None
    if record is None or key is None or CURVES not in key:
        return False
    chosen = None if emotion == AUTO else emotion_index(emotion)
    values = mix_palette(unpack_palette(key[CURVES]), chosen, preference)
    names = [name for name in record.keys if name.startswith(EMOTION_PREFIX)]
    actions = ownership.our_actions(key)
    found = {
        property_of_path(curve.data_path): curve
        for action in actions
        for curve in compat.action_curves(action)
    }
    if len(names) != values.shape[1] or not all(name in found for name in names):
        return False
    if any(len(found[name].keyframe_points) != len(values) for name in names):
        return False  # thinned by hand: a new bake is the honest way
    for name, column in zip(names, values.T, strict=True):
        points = found[name].keyframe_points
        places = np.empty(2 * len(points), np.float32)
        points.foreach_get("co", places)
        places[1::2] = column
        points.foreach_set("co", places)
        found[name].update()
    for action in actions:
        action.update_tag()
    key[RECORD] = replace(record, emotion=emotion, preference=preference).to_json()
    key.update_tag()
    return True


def pack_palette(palette: NDArray[np.float32]) -> bytes:
    """Small enough to live in the file: about 10 kB a second.

    Values are within ±1, so half precision errs by less than 0.05 % of a key's full shape.
    """
    header = np.asarray(palette.shape, "<u4").tobytes()
    return header + zlib.compress(palette.astype("<f2").tobytes(), 3)


def unpack_palette(data: bytes) -> NDArray[np.float32]:
    """(F, 8, R + 1) from `pack_palette`. ValueError if it is not that."""
    shape = np.frombuffer(data[:12], "<u4")
    try:
        flat = np.frombuffer(zlib.decompress(data[12:]), "<f2")
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return flat.reshape(shape).astype(np.float32)
