# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist changed in curves of ours: noticed before they are written anew, and kept.

Beside a bake lies a checksum of every curve as we wrote it. Where a curve differs from it, its
Action is copied first: the copy is the artist's, with a fake user.
"""

import json
import zlib
from collections.abc import Collection, Mapping
from typing import Any

import bpy
import numpy as np
from bpy.types import Key
from numpy.typing import NDArray

from .. import compat
from ..curves.naming import KEPT, SUMS, loaded
from . import ownership

_HANDLES = ("handle_left", "handle_right")


def seal(key: Key, curves: Mapping[str, Any]) -> None:
    """Remember curves, by the shape keys they are for, as we have just written them."""
    key[SUMS] = json.dumps(sums(key) | {name: _sum(curve) for name, curve in curves.items()})


def forget(key: Key, names: Collection[str]) -> None:
    """Curves of these shape keys are no more."""
    key[SUMS] = json.dumps({name: found for name, found in sums(key).items() if name not in names})


def keep(key: Key, curves: Mapping[str, Any]) -> list[str]:
    """Copy the Actions in which the artist changed these curves. Names of the copies.

    Curves of a bake that left no checksums count as unchanged.
    """
    before = sums(key)
    if not before:
        return []
    changed = [curve for name, curve in curves.items() if not _is_as_written(name, curve, before)]
    made = [_copy(action) for action in dict.fromkeys(curve.id_data for curve in changed)]
    if made:
        note(key, [*noted(key), *made])
    return made


def _is_as_written(name: str, curve: Any, before: dict[str, int]) -> bool:
    found = _sum(curve)
    return found == before[name] if name in before else found in before.values()  # it was renamed


def _copy(action: Any) -> str:
    taken = compat.key_action_of(action).copy().action
    taken.name = f"{action.name} Edited"
    taken.use_fake_user = True
    ownership.unmark(taken)
    return str(taken.name)


def note(key: Key, names: list[str]) -> None:
    """Let the panel say which Actions hold the artist's changes; none: say it no longer."""
    if names:
        key[KEPT] = json.dumps(names)
    elif KEPT in key:
        del key[KEPT]


def noted(key: Key | None) -> list[str]:
    """The Actions that `note` named, as far as they are still there."""
    names = loaded(key.get(KEPT) if key is not None else None, [])
    return [name for name in names if name in bpy.data.actions]


def kept_since(key: Key, before: list[str]) -> str:
    """The sentence on what was kept since `noted` said `before`."""
    return sentence([name for name in noted(key) if name not in before])


def sentence(names: list[str]) -> str:
    """What `keep` did, for a person; "" if that was nothing."""
    if not names:
        return ""
    quoted = [f"“{name}”" for name in names]
    where = f"Action {quoted[0]}" if len(names) == 1 else f"Actions {', '.join(quoted)}"
    return f"Your changes to EmoFace's curves are kept in the {where}."


def sums(key: Key) -> dict[str, int]:
    """The checksum of each curve, by its shape key, as we wrote it last."""
    return loaded(key.get(SUMS), {})


def sum_of(places: NDArray[np.float32]) -> int:
    """The checksum of straight lines between places (2 F,): frames and values in turn."""
    return zlib.crc32(places)


def _sum(curve: Any) -> int:
    """A checksum of a curve's key frames; handles count where lines are not straight."""
    points = curve.keyframe_points
    kinds = np.empty(len(points), np.int32)
    points.foreach_get("interpolation", kinds)
    straight = bool(np.all(kinds == compat.LINEAR))
    found = 0 if straight else zlib.crc32(kinds)
    places = np.empty(2 * len(points), np.float32)
    for name in ("co", *(() if straight else _HANDLES)):
        points.foreach_get(name, places)
        found = zlib.crc32(places, found)
    return found
