# SPDX-License-Identifier: GPL-3.0-or-later
"""The face that a bake moves: the Basis, with what the artist has sculpted into shape keys."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from bpy.types import Key, Object
from numpy.typing import NDArray

from .. import compat
from ..curves.naming import KEY_PREFIX, key_of_path
from . import ownership

Floats = NDArray[np.float32]


def resting_points(obj: Object) -> Floats:
    """(V, 3) of a mesh in its own space: its Basis and the keys that stand still, mixed.

    A key that is animated or driven is an expression, and ours are the bake itself; what is left,
    such as a sculpted identity, is there in every frame.
    """
    mesh, key = obj.data, obj.data.shape_keys
    if key is None:
        return points_of(mesh.vertices)
    points = points_of(key.reference_key.points)
    moving = {*_animated(key), *_ours(key)}
    for block in key.key_blocks:
        if block.value and not block.mute and block.name not in moving:
            offsets = points_of(block.points) - points_of(block.relative_key.points)
            points += block.value * _share(obj, block.vertex_group) * offsets
    return points


def _animated(key: Key) -> Iterator[str | None]:
    animation = key.animation_data
    if animation is None:
        return
    pushed = ownership.pushed_down(animation)
    curves = [curve for action in pushed for curve in compat.action_curves(action)]
    for curve in (*compat.curves_in_use(animation), *curves, *animation.drivers):
        yield key_of_path(curve.data_path)


def _ours(key: Key) -> Iterator[str]:
    record = ownership.record_in(key)
    yield from record.keys if record is not None else ()
    yield from ownership.plain_keys(key)
    yield from (block.name for block in key.key_blocks if block.name.startswith(KEY_PREFIX))


def _share(obj: Object, group: str) -> Floats:
    """(V, 1) how much a key moves each vertex: all of it, or as its vertex group weighs."""
    if group not in obj.vertex_groups:
        return np.ones((len(obj.data.vertices), 1), np.float32)
    index = obj.vertex_groups[group].index
    weights = [
        next((found.weight for found in vertex.groups if found.group == index), 0.0)
        for vertex in obj.data.vertices
    ]
    return np.array(weights, np.float32)[:, None]


def points_of(points: Any) -> Floats:
    """(V, 3) of a mesh's vertices, or of a shape key's points."""
    flat = np.empty(3 * len(points), np.float32)
    points.foreach_get("co", flat)
    return flat.reshape(-1, 3)
