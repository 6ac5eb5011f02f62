# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of ARKit's 52 shapes, as Live Link Face writes them, on the head's rig."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError

RATES = (24.0, 25.0, 30.0, 48.0, 50.0, 60.0)
# Shapes that ARKit has once for both sides, and our rig twice.
_BOTH_SIDES = ("browInnerUp", "cheekPuff")
_NOT_SHAPES = ("timecode", "blendshapecount")


@dataclass(frozen=True, slots=True)
class Curves:
    """Weights over time of shapes by name."""

    names: tuple[str, ...]
    values: NDArray[np.float32]  # (T, S)
    fps: float


def on_the_rig(curves: Curves, shape_names: Sequence[str]) -> NDArray[np.float32]:
    """(T, K) weights of our rig.

    Names are ARKit's (`mouthSmileLeft`) or ours (`mouthSmile_L`), in any case. Shapes we have none
    for (tongueOut, the head's turn) are left out. InputError if nothing of a face is among them.
    """
    ours = {name.lower(): k for k, name in enumerate(shape_names)}
    for name in shape_names:
        if name.endswith(("_L", "_R")):
            side = {"L": "left", "R": "right"}[name[-1]]
            ours[name[:-2].lower() + side] = ours[name.lower()]
    weights = np.zeros((len(curves.values), len(shape_names)), np.float32)
    both = {name.lower(): name for name in _BOTH_SIDES}
    found = 0
    for column, name in enumerate(curves.names):
        key = name.strip().lower()
        if key in both:
            at = [ours[f"{key}_l"], ours[f"{key}_r"]]
        elif key in ours:
            at = [ours[key]]
        else:
            continue
        found += 1
        weights[:, at] = curves.values[:, column, None]
    if not found or "jawopen" not in {name.strip().lower() for name in curves.names}:
        raise InputError(
            "The curves name none of a face's shapes, or lack “jawOpen”.",
            "Use ARKit's names (jawOpen, mouthSmileLeft, …).",
        )
    if not np.isfinite(weights).all() or np.abs(weights).max() > 3:
        raise InputError(
            "The curves hold values that are no weights of shapes.",
            "Weights lie between 0 and 1; divide percentages by 100.",
        )
    return weights


def read_arkit_csv(path: Path) -> Curves:
    """A Live Link Face recording: a header of names, then a row a frame with its timecode.

    Frames that the phone dropped are filled in by interpolation, at the timecode's own rate.
    InputError if the file is missing, or not of this form.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        raise InputError(f"There is no file “{path}”.", "Check the path.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"“{path}” cannot be read ({error}).", "Export it again.") from None
    if len(rows) < 3 or rows[0][0].strip().lower() != "timecode":
        raise InputError(
            f"“{path}” is no Live Link Face recording: its first column must be “Timecode”, with a"
            " row a frame below.",
            "Export it from the app as CSV.",
        )
    header, body = rows[0], rows[1:]
    for number, row in enumerate(body, 2):
        if len(row) != len(header):
            raise InputError(
                f"Row {number} of “{path}” has {len(row)} columns, not {len(header)}.",
                "Export it again.",
            )
    columns = [i for i, name in enumerate(header) if name.strip().lower() not in _NOT_SHAPES]
    try:
        values = np.array([[float(row[i]) for i in columns] for row in body])
        stamps = np.array([_parts(row[0]) for row in body])
    except ValueError as error:
        raise InputError(
            f"“{path}” holds what is no number ({error}).", "Export it again."
        ) from None
    fps = _rate(stamps)
    times = stamps[:, 0] + stamps[:, 1] / fps
    times = times + 86400 * np.cumsum(np.diff(times, prepend=times[0]) < -43200)  # past midnight
    new = np.diff(times, prepend=-np.inf) > 1e-6
    times, values = times[new] - times[0], values[new]
    if len(times) < 2:
        raise InputError(f"The timecode in “{path}” stands still.", "Export it again.")
    grid = np.arange(round(times[-1] * fps) + 1) / fps
    even = np.stack([np.interp(grid, times, column) for column in values.T], 1)
    return Curves(tuple(header[i].strip() for i in columns), even.astype(np.float32), fps)


def _parts(stamp: str) -> tuple[float, float]:
    """“15:26:48:23.339” -> whole seconds, and frames (with parts of one) within the second."""
    hours, minutes, seconds, frame = stamp.strip().split(":")
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds), float(frame)


def _rate(stamps: NDArray) -> float:
    """Frames a second of the timecode: its highest frame number in a second tells."""
    if len(np.unique(stamps[:, 0])) < 3:  # no second is whole
        return 60.0 if stamps[:, 1].max() >= 30 else 30.0
    return next((rate for rate in RATES if stamps[:, 1].max() < rate), RATES[-1])
