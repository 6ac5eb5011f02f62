# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a bake plan into Blender: shape keys, their curves in Actions of ours, drivers.

Speech keys have their curve on the value. An emotion key's value is driven by `curve * intensity`:
the curve moves a custom property of the Key, the intensity is a custom property of the object.
Blender evaluates that simple expression without Python, so the file plays without the add-on.
Custom properties and drivers that read them evaluate in NLA tracks as in an active Action (measured
in 4.2, 4.5, 5.0 and 5.2), so either may play them; `hosts` knows which does.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bpy.types import Key, Object
from numpy.typing import NDArray

from emoface_core.emotions import AUTO, MAX_INTENSITY
from emoface_core.errors import InputError

from .. import compat
from ..curves import thinning
from ..curves.motion import Motion, motion_from_bytes
from ..curves.naming import (
    INTENSITY,
    INTENSITY_PATH,
    LAYER,
    MOTION,
    MUTED,
    RECORD,
    BakeRecord,
    curve_path,
    group_name,
    key_of_path,
    layer_of_key,
    loaded,
    property_of_path,
    value_path,
)
from ..curves.plan import BakePlan, KeyPlan
from ..curves.styling import Style, styled
from ..curves.timing import Cut
from . import edits, hosts, ownership
from .resting import points_of

SLIDER = 2.0  # of a key at the least; Blender cuts off values beyond a slider's ends
_WIDEST_SLIDER = 10.0  # that Blender allows
DRIVEN = "emotion"  # the layer whose keys are scaled by the object's intensity


@dataclass(frozen=True, slots=True)
class Source:
    """What a bake was made from, to be remembered beside it."""

    sound: str
    emotion: str
    preference: float | None
    intensity: float  # of a first bake; a later one keeps what the object has
    home: str = ""  # the scene whose sequencer holds the strips
    strips: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()  # of each


def write_bake(
    obj: Object, plan: BakePlan, source: Source, into: hosts.Into | None = None
) -> BakeRecord:
    """Put a bake on an object, in the place of an earlier one of ours. Returns its record.

    `into`: NLA tracks or one Action; None: where the earlier one plays. The object must have passed
    `target.check`. InputError if it cannot be there: nothing has been changed then.
    """
    before = ownership.record_of(obj)
    into = into or hosts.plays_in(obj.data.shape_keys) or hosts.NLA
    if said := hosts.problem(obj.data.shape_keys, into):
        raise InputError(said)
    home = ownership.intensity_home(obj)
    kept: list[str] = []
    staying: set[str] = set()
    if before is not None:
        ownership.have_actions_alone(obj.data.shape_keys)
        edits.keep(obj.data.shape_keys, our_curves(obj.data.shape_keys))
        kept = edits.noted(obj.data.shape_keys)
        for layer in ("speech", "emotion"):
            mute(obj, layer, muted=False)
        hosts.move(obj, into)
        staying = ownership.clear_bake(obj, [key.name for key in plan.keys])
    made_intensity = _ensure_intensity(home, source.intensity)
    made_basis = _ensure_basis(obj)
    key = obj.data.shape_keys
    names = add_keys(obj, plan.keys, staying)
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
        scale=plan.scale,
        home=source.home,
        strips=source.strips,
        cuts=source.cuts,
        before=plan.before,
        after=plan.after,
    )
    key[RECORD] = record.to_json()
    _add_curves(obj, plan, names, into)
    _add_drivers(home, key, plan, names)
    key[MOTION] = plan.motion.to_bytes()
    key[MUTED] = "[]"
    edits.note(key, kept)
    edits.seal(key, our_curves(key))
    key.update_tag()
    obj.update_tag()
    return record


def _ensure_intensity(home: Any, value: float) -> bool:
    """Whether the property had to be made."""
    if INTENSITY in home:
        return False
    home[INTENSITY] = float(value)
    home.id_properties_ui(INTENSITY).update(
        min=0.0,
        max=MAX_INTENSITY,
        soft_min=0.0,
        soft_max=MAX_INTENSITY,
        default=1.0,
        step=0.05,
        precision=2,
        description="Strength of the emotion: 0 is speech alone, above 1 exaggerates. Can be keyed",
    )
    home.property_overridable_library_set(INTENSITY_PATH, True)
    return True


def _ensure_basis(obj: Object) -> bool:
    if obj.data.shape_keys is not None:
        return False
    obj.shape_key_add(name="Basis", from_mix=False)
    return True


def add_keys(obj: Object, plans: Sequence[KeyPlan], staying: Collection[str] = ()) -> list[str]:
    """Add the shape keys after the artist's, whose active one stays active. Their names.

    Those that are `staying` from an earlier bake get the new shape alone.
    """
    active = obj.active_shape_key_index
    basis = obj.data.shape_keys.reference_key
    rest = points_of(basis.points)
    names = []
    for key_plan in plans:
        block = obj.data.shape_keys.key_blocks.get(key_plan.name)
        if block is None or block.name not in staying:
            block = obj.shape_key_add(name=key_plan.name, from_mix=False)
        _widen(block, key_plan.values, driven=key_plan.layer == DRIVEN)
        block.value = 0.0  # new keys are at 1 from Blender 5.0 on
        block.points.foreach_set("co", (rest + key_plan.offsets).ravel())
        names.append(block.name)
    obj.active_shape_key_index = active
    return names


def _add_curves(obj: Object, plan: BakePlan, names: list[str], into: hosts.Into) -> None:
    key = obj.data.shape_keys
    if into == hosts.NLA and not _has_actions(key):
        hosts.host(obj, hosts.REST)
    for name, key_plan in zip(names, plan.keys, strict=True):
        path = value_path(name)
        if key_plan.layer == DRIVEN:
            key[name] = 0.0
            path = curve_path(name)
        made = hosts.host(obj, key_plan.layer, into)
        curve = made.find_curve(path) or made.new_curve(path, group_name(key_plan.layer))
        fill(curve, plan.frames, key_plan.values)
    hosts.fit(key)


def _has_actions(key: Key) -> bool:
    return key.animation_data is not None and bool(ownership.our_actions(key))


def fill(curve: Any, frames: NDArray[np.float32], values: NDArray[np.float32]) -> None:
    """Put key frames into a curve, in the place of those it has."""
    _put(curve, _places(frames, values))


def _put(curve: Any, places: NDArray[np.float32]) -> None:
    points, count = curve.keyframe_points, len(places) // 2
    if len(points) != count:
        points.clear()
        points.add(count)
        points.foreach_set("interpolation", np.full(count, compat.LINEAR, np.int32))
    points.foreach_set("co", places)
    curve.update()


def _places(frames: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2 F,) frames and values in turn, as a curve has them."""
    return np.stack([frames, values], axis=1, dtype=np.float32).ravel()


def _widen(block: Any, values: NDArray[np.float32], *, driven: bool) -> None:
    """Let a key's slider reach all that its curve asks for."""
    peak = float(np.abs(values).max(initial=0.0)) * (MAX_INTENSITY if driven else 1.0)
    reach = min(max(SLIDER, peak), _WIDEST_SLIDER)
    if block.slider_max < reach or block.slider_min > -reach:
        block.slider_min, block.slider_max = -reach, reach


def _add_drivers(home: Any, key: Key, plan: BakePlan, names: list[str]) -> None:
    for name, key_plan in zip(names, plan.keys, strict=True):
        if key_plan.layer == DRIVEN:
            _drive(home, key, name)


def _drive(home: Any, key: Key, name: str) -> None:
    if key.animation_data.drivers.find(value_path(name)) is not None:
        return  # the artist has given it another
    driver = key.key_blocks[name].driver_add("value").driver
    driver.type = "SCRIPTED"
    for variable, id_type, owner, path in (
        ("curve", "KEY", key, curve_path(name)),
        ("intensity", home.id_type, home, INTENSITY_PATH),
    ):
        made = driver.variables.new()
        made.name = variable
        made.targets[0].id_type = id_type
        made.targets[0].id = owner
        made.targets[0].data_path = path
    driver.expression = "curve * intensity"


def own_intensity(obj: Object) -> None:
    """Let a face that was copied with its mesh take its intensity from itself."""
    if not ownership.has_stray_drivers(obj):
        return
    key, home = obj.data.shape_keys, ownership.intensity_home(obj)
    for target in ownership.intensity_targets(key):
        _ensure_intensity(home, 1.0 if target.id is None else target.id.get(INTENSITY, 1.0))
        target.id_type = home.id_type
        target.id = home
    key.update_tag()


def motion_of(obj: Object) -> Motion | None:
    """The motion that a bake left on a face, before any styling; None if there is none."""
    if ownership.record_of(obj) is None:
        return None
    data = obj.data.shape_keys.get(MOTION)
    try:
        return motion_from_bytes(data) if isinstance(data, bytes) else None
    except ValueError:  # of another version, or damaged: a new bake is the remedy
        return None


def restyle(obj: Object, style: Style) -> bool:
    """Rewrite a baked face's curves in another style; False if it holds no motion of ours.

    Keys that the artist deleted stay deleted; a curve that was thinned is whole again.
    """
    motion, record = motion_of(obj), ownership.record_of(obj)
    if motion is None or record is None:
        return False
    key = obj.data.shape_keys
    ownership.have_actions_alone(key)
    first = record.first_frame - (len(motion.speech) - record.frames) // 2
    moved = [hosts.offset(key, layer) for layer in ("speech", "emotion")]
    speech, emotion = styled(motion, style, first + moved[0])
    if moved[0] != moved[1]:
        _, emotion = styled(motion, style, first + moved[1])
    count = len(motion.speech_keys)
    names = record.keys[: count + len(motion.emotion_keys)]
    frames = np.arange(len(speech), dtype=np.float32) + np.float32(first)
    there = our_curves(key)
    curves = {name: there[name] for name in names if name in there}
    as_they_are = {} if edits.keep(key, curves) else edits.sums(key)
    written = {}
    for name, values in zip(names, [*speech.T, *emotion.T], strict=True):
        places = _places(frames, values)
        if name in curves and as_they_are.get(name) != edits.sum_of(places):
            _put(curves[name], places)
            written[name] = curves[name]
            if name in key.key_blocks:
                driven = property_of_path(curves[name].data_path) is not None
                _widen(key.key_blocks[name], values, driven=driven)
    edits.seal(key, written)
    feeling = style.feeling
    key[RECORD] = replace(
        record,
        emotion=feeling.emotion,
        preference=None if feeling.emotion == AUTO else feeling.preference,
        frame_keys=len(frames) * len(record.keys),
    ).to_json()
    _tag(key)
    return True


def our_curves(key: Key) -> dict[str, Any]:
    """The curves of our Action by the shape key, or its custom property, that they move."""
    return {
        key_of_path(curve.data_path) or property_of_path(curve.data_path) or "": curve
        for action in ownership.our_actions(key)
        if action.get(LAYER) != hosts.REST
        for curve in ownership.our_curves(key, action)
    }


def _tag(key: Key) -> None:
    for action in ownership.our_actions(key):
        action.update_tag()
    key.update_tag()


def thin(obj: Object, tolerance: float) -> tuple[int, int, float]:
    """Leave only the key frames that the motion of a baked face needs.

    `tolerance`: millimetres that any vertex may err, at intensity 1. Returns how many key frames
    there were and are now, and the error that they leave in millimetres. Whole curves only: one
    that already has fewer key frames than there are frames stays.
    """
    record = ownership.record_of(obj)
    key = obj.data.shape_keys
    if record is None:
        return 0, 0, 0.0
    ownership.have_actions_alone(key)
    whole = {
        name: places
        for name, curve in our_curves(key).items()
        if name in key.key_blocks
        and len(places := places_of(curve)) > 2
        and np.all(np.diff(places[:, 0]) == 1)
    }
    longest = max((len(places) for places in whole.values()), default=0)
    whole = {name: places for name, places in whole.items() if len(places) == longest}
    if not whole:
        return 0, 0, 0.0
    rest = points_of(key.reference_key.points)
    shapes = np.stack([points_of(key.key_blocks[name].points) - rest for name in whole])
    columns = np.stack([places[:, 1] for places in whole.values()], axis=1)
    unit = 1000 / record.scale
    kept, error = thinning.thin(columns, shapes * np.float32(unit), tolerance)
    curves = our_curves(key)
    for (name, places), rows in zip(whole.items(), kept, strict=True):
        fill(curves[name], places[rows, 0], places[rows, 1])
    edits.seal(key, {name: curves[name] for name in whole})
    after = sum(map(len, kept))
    key[RECORD] = replace(record, frame_keys=after).to_json()
    _tag(key)
    return columns.size, after, error


def places_of(curve: Any) -> NDArray[np.float32]:
    """(F, 2) frames and values of a curve's key frames."""
    places = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("co", places)
    return places.reshape(-1, 2)


def mute(obj: Object, layer: str, muted: bool) -> None:
    """Silence a layer of a baked face, or let it show again; what the artist muted stays so."""
    record = ownership.record_of(obj)
    if record is None:
        return
    key = obj.data.shape_keys
    blocks = key.key_blocks
    names = [name for name in record.keys if layer_of_key(name) == layer and name in blocks]
    ours = _muted(key, names)
    mine = ours.intersection(names)
    if muted == bool(mine):
        return
    changed = {name for name in names if not blocks[name].mute} if muted else mine
    for name in changed:
        blocks[name].mute = muted
    key[MUTED] = json.dumps(sorted(ours ^ changed))


def _muted(key: Key, names: list[str]) -> set[str]:
    """The keys that are mute because their layer is. An earlier EmoFace did not note them."""
    if MUTED not in key and all(key.key_blocks[name].mute for name in names):
        return set(names)
    return set(loaded(key.get(MUTED), []))
