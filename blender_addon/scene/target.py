# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh to be animated: whether it can be, what would hide the result, and its neutral shape."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from bpy.types import Key, Object, Scene
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.face.likeness import lay_over

from .. import compat
from ..curves.naming import KEY_PREFIX, key_of_path, property_of_path
from ..layers import ownership
from ..layers.resting import resting_points

VERTICES = 5023  # of FLAME's topology
TRIANGLES = 9976


@dataclass(frozen=True, slots=True)
class Neutral:
    """The face at rest, in the mesh's own space."""

    vertices: NDArray[np.float32]  # (5023, 3)
    faces: NDArray[np.int32] | None  # (9976, 3); None if the mesh is not in triangles


def check(obj: Object | None) -> Object:
    """The object, if it can be animated; InputError says why not. Reads no vertex: for `poll`."""
    face = _mesh_of_this_file(obj)
    count = len(face.data.vertices)
    if count != VERTICES:
        raise InputError(
            f"“{face.name}” has {count} vertices; a face of FLAME's topology has {VERTICES}.",
            "Choose such a mesh without added or deleted vertices, or press Add EmoFace Head.",
        )
    _check_state(face)
    return face


def check_baked(obj: Object | None) -> Object:
    """The object, if the bake on it can be changed, whatever has become of its vertices.

    InputError says why not, or that there is none.
    """
    face = _mesh_of_this_file(obj)
    if ownership.record_of(face) is None:
        raise InputError(
            f"“{face.name}” has no animation by EmoFace.", "Press Animate from Audio first."
        )
    _check_state(face)
    return face


def _mesh_of_this_file(obj: Object | None) -> Object:
    if obj is None:
        raise InputError("No face is chosen.", "Choose a mesh, or press Add EmoFace Head.")
    if obj.type != "MESH":
        raise InputError(f"“{obj.name}” is not a mesh.", "Choose the head's mesh.")
    _check_editable(obj)
    return obj


def _check_state(obj: Object) -> None:
    if obj.mode in {"EDIT", "SCULPT"}:
        raise InputError(
            f"“{obj.name}” is in {obj.mode.title()} Mode.", "Go back to Object Mode first."
        )
    key = obj.data.shape_keys
    if key is not None:
        _check_keys(obj, key)


def _check_editable(obj: Object) -> None:
    if obj.data.library is not None:
        raise InputError(
            f"The mesh of “{obj.name}” is linked from another file, so it cannot get shape keys.",
            "Press Make Mesh Local (--make-local), or bake in the file it comes from."
            if obj.library is None
            else "Make a library override of it, or bake in the file it comes from.",
        )
    if obj.data.override_library is not None:
        raise InputError(
            f"The mesh of “{obj.name}” is a library override, which cannot get shape keys.",
            "Press Make Mesh Local (--make-local), or bake in the file it comes from.",
        )
    if obj.library is not None:
        raise InputError(
            f"“{obj.name}” is linked from another file.", "Make a library override of it first."
        )


def _check_keys(obj: Object, key: Key) -> None:
    if not key.use_relative:
        raise InputError(
            f"The shape keys of “{obj.name}” are absolute; ours are relative.",
            "Turn on Relative in Object Data > Shape Keys, or use another head.",
        )
    if key.animation_data is not None and key.animation_data.use_tweak_mode:
        raise InputError(
            f"An NLA strip of “{obj.name}” is being tweaked.",
            "Leave tweak mode in the Nonlinear Animation editor (Tab).",
        )


def warnings(obj: Object, scene: Scene) -> list[str]:
    """What would hide or disturb the result, and what else will move: a sentence each."""
    found = list(_hidden_by_display(obj))
    key = obj.data.shape_keys
    if key is not None and key.animation_data is not None:
        found += _hidden_by_animation(key)
    if key is not None and ownership.plain_keys(key):
        found.append(
            "Keys of an earlier bake, made plain, move this face too: delete or mute them before "
            "you animate again."
        )
    sharing = [o.name for o in scene.objects if o.data is obj.data and o is not obj]
    if sharing:
        found.append(f"“{sharing[0]}” shares this mesh and will move too.")
    return found


def _hidden_by_display(obj: Object) -> Iterator[str]:
    if obj.show_only_shape_key:
        yield "A pinned shape key hides the animation: unpin it in Object Data > Shape Keys."
    for modifier in obj.modifiers:
        if modifier.type in {"MESH_CACHE", "MESH_SEQUENCE_CACHE"} and modifier.show_viewport:
            yield f"The modifier “{modifier.name}” overwrites the animation: turn it off."


def _hidden_by_animation(key: Key) -> Iterator[str]:
    animation = key.animation_data
    if ownership.is_our_action(animation.action):
        moved = set()
    else:
        moved = {_ours_in(curve.data_path) for curve in compat.curves_in_use(animation)} - {None}
    if not animation.use_nla and not ownership.is_our_action(animation.action):
        yield "Its NLA tracks are turned off: turn them on in the Nonlinear Animation editor."
    for track in animation.nla_tracks:
        if track.is_solo and not ownership.is_ours(track):
            yield f"The solo NLA track “{track.name}” hides the animation: end its solo."
    if moved:
        yield (
            f"The active Action “{animation.action.name}” moves {len(moved)} of EmoFace's keys "
            "and wins over the new animation there."
        )


def _ours_in(path: str) -> str | None:
    name = key_of_path(path) or property_of_path(path)
    return name if name is not None and name.startswith(KEY_PREFIX) else None


def read_neutral(obj: Object) -> Neutral:
    """The face at rest, with the shape that the artist gave it in shape keys.

    InputError if it does not lie as a face does: the engine, too, would see it, but not say whose.
    """
    mesh, vertices = obj.data, resting_points(obj)
    if not np.isfinite(vertices).all():
        raise InputError(f"“{obj.name}” has vertices that are not numbers.", "Repair the mesh.")
    lay_over(vertices, load_head(), obj.name)
    faces = None
    if len(mesh.polygons) == TRIANGLES and len(mesh.loops) == 3 * TRIANGLES:
        corners = np.empty(3 * TRIANGLES, np.int32)
        mesh.loops.foreach_get("vertex_index", corners)
        faces = corners.reshape(-1, 3)
    return Neutral(vertices, faces)
