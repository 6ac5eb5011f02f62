# SPDX-License-Identifier: GPL-3.0-or-later
"""What our drivers give in every frame, worked out from the curves: the scene need not play."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bpy.types import Key, Object
from numpy.typing import NDArray

from .. import compat
from ..curves.expression import UnknownError, evaluate
from ..curves.naming import INTENSITY, INTENSITY_PATH, key_of_path, property_of_path, value_path
from . import ownership, writer

Floats = NDArray[np.float64]

_TRIED = (-1.7, 0.3, 0.6, 2.4)  # a driver's own curve, as Blender makes it, leaves these alone
_STRAIGHT = 1e-5


def values(
    obj: Object, names: list[str], frames: NDArray[np.float32]
) -> Mapping[str, NDArray[Any]] | None:
    """(F,) values of shape keys of ours, in as many frames; None if only playing can tell.

    That is where something of the artist's moves or drives them too. Our NLA strips count as played
    as they are: see `hosts.is_arranged`.
    """
    look = _Look(obj, frames)
    try:
        return {name: look.key(name) for name in names}
    except UnknownError:
        return None


class _Look:
    """One look at a face's curves. All methods raise UnknownError where they cannot tell."""

    def __init__(self, obj: Object, frames: NDArray[np.float32]) -> None:
        self._obj = obj
        self._key: Key = obj.data.shape_keys
        self._frames = frames.tolist()
        self._home = ownership.intensity_home(obj)
        self._curves = {c.data_path: c for c in writer.our_curves(self._key).values()}
        self._artists = _paths_of_others(self._key)
        self._found: dict[str, Floats | None] = {}

    def key(self, name: str) -> Floats:
        """A shape key's value."""
        if name not in self._found:
            self._found[name] = None  # to be seen if a driver reads what reads it
            block = self._key.key_blocks[name]
            found = self._free(name, block)
            self._found[name] = np.clip(found, block.slider_min, block.slider_max)
        if (found := self._found[name]) is None:
            raise UnknownError(name)
        return found

    def _free(self, name: str, block: Any) -> Floats:
        """The same, without the slider's ends."""
        path = value_path(name)
        driver = self._key.animation_data.drivers.find(path)
        if driver is None:
            return self._moved(path, block.value)
        bent = any(abs(driver.evaluate(x) - x) > _STRAIGHT for x in _TRIED)
        if bent or driver.mute or driver.driver.type != "SCRIPTED":
            raise UnknownError(path)
        variables = {
            variable.name: self._variable(variable) for variable in driver.driver.variables
        }
        found = evaluate(driver.driver.expression, variables)
        return np.broadcast_to(found, len(self._frames))

    def _variable(self, variable: Any) -> Floats:
        target = variable.targets[0]
        path = target.data_path
        if variable.type != "SINGLE_PROP":
            raise UnknownError(path)
        if target.id == self._home and path == INTENSITY_PATH:
            return self._intensity()
        name, carried = key_of_path(path) or "", property_of_path(path) or ""
        if target.id == self._key and name in self._key.key_blocks:
            return self.key(name)
        if target.id == self._key and carried in self._key:
            return self._moved(path, self._key[carried])
        raise UnknownError(path)

    def _moved(self, path: str, still: float) -> Floats:
        """What our curve of that path gives; without one it stands still."""
        curve = self._curves.get(path)
        if path in self._artists or (curve is not None and curve.mute):
            raise UnknownError(path)
        return self._played(curve) if curve is not None else np.full(len(self._frames), still)

    def _intensity(self) -> Floats:
        if INTENSITY not in self._home:
            raise UnknownError(INTENSITY)
        moving = ownership.intensity_curves(self._obj)
        if not moving:
            return np.full(len(self._frames), float(self._home[INTENSITY]))
        curve, *more = moving
        if more or curve.mute or curve not in compat.curves_in_use(self._home.animation_data):
            raise UnknownError(INTENSITY)
        ends = self._home.id_properties_ui(INTENSITY).as_dict()
        return np.clip(self._played(curve), ends["min"], ends["max"])

    def _played(self, curve: Any) -> Floats:
        return np.fromiter(map(curve.evaluate, self._frames), np.float64, len(self._frames))


def _paths_of_others(key: Key) -> set[str]:
    """What Actions that are not ours move on a Key."""
    actions = [key.animation_data.action, *ownership.pushed_down(key.animation_data)]
    others = [action for action in actions if action and not ownership.is_our_action(action)]
    return {curve.data_path for action in others for curve in compat.action_curves(action)}
