# SPDX-License-Identifier: GPL-3.0-or-later
"""F-curves taken from one Action to another with all that an artist can have made of them."""

from typing import Any

import numpy as np

from .. import compat

_FLOATS = {"co": 2, "handle_left": 2, "handle_right": 2, "amplitude": 1, "back": 1, "period": 1}
_NAMES = ("interpolation", "easing", "handle_left_type", "handle_right_type", "type")
_FLAGS = ("select_control_point", "select_left_handle", "select_right_handle")
_OF_CURVE = (
    "extrapolation", "auto_smoothing", "color_mode", "color", "hide", "lock", "mute", "select",
)  # fmt: skip


def copy_curve(source: Any, to: compat.KeyAction) -> Any:
    """Put a copy of a curve into an Action, in a channel group of the same name."""
    made = to.new_curve(source.data_path, source.group.name if source.group else "")
    count = len(source.keyframe_points)
    made.keyframe_points.add(count)
    for names, kind in ((_FLOATS, np.float32), (dict.fromkeys(_NAMES, 1), np.int32),
                        (dict.fromkeys(_FLAGS, 1), bool)):  # fmt: skip
        for name, width in names.items():
            values = np.empty(count * width, kind)
            source.keyframe_points.foreach_get(name, values)
            made.keyframe_points.foreach_set(name, values)
    for name in _OF_CURVE:
        setattr(made, name, getattr(source, name))
    for modifier in source.modifiers:
        _copy_modifier(modifier, made)
    made.update()
    return made


def _copy_modifier(source: Any, curve: Any) -> None:
    made = curve.modifiers.new(source.type)
    for prop in source.bl_rna.properties:
        if not prop.is_readonly and prop.identifier != "name":
            setattr(made, prop.identifier, getattr(source, prop.identifier))
    made.name = source.name
    points = getattr(source, "control_points", ())
    for point in points:
        made.control_points.add(point.frame)
    for name in ("min", "max") if points else ():
        values = np.empty(len(points), np.float32)
        points.foreach_get(name, values)
        made.control_points.foreach_set(name, values)  # set one by one, they can crash 5.2
