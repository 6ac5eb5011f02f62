# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured motion from its files: vertices, offsets, FLAME parameters or curves of a rig."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.flame import EXPRESSIONS, SHAPES, Flame
from emoface_core.face.head import load_head
from emoface_core.face.topology import FLAME_VERTICES
from emoface_core.files import load_npz
from emoface_core.training.datasets.arkit import Curves, on_the_rig, read_arkit_csv

Floats = NDArray[np.float32]
FARTHEST = 0.2  # metres: no point of a face moves further from its rest
MEAD_WIDTH = SHAPES + EXPRESSIONS + 3

# What files call FLAME's parameters.
_ALIASES = {
    "expression": ("expression", "exp", "expcode"),
    "shape": ("shape", "shapecode", "betas"),
    "jaw": ("jaw", "jaw_pose"),
    "pose": ("pose", "posecode"),  # of EMOCA: the head's turn, then the jaw's
    "neck": ("neck", "neck_pose"),
    "eyes": ("eyes", "eye_pose"),
}


@dataclass(frozen=True, slots=True)
class Motion:
    """Offsets from the speaker's neutral, metres, (T, V, 3), at `fps`; frame t is at t / fps."""

    offsets: Floats
    fps: float

    @property
    def seconds(self) -> float:
        return len(self.offsets) / self.fps

    def at_rate(
        self, fps: float, *, start: float = 0.0, frames: int | None = None, filtered: bool = False
    ) -> Floats:
        """(frames, V, 3) at times start + i / fps, held at both ends.

        Where the times meet frames those are taken, so 60 to 30 fps takes every other one, as the
        papers do. `filtered` instead takes out what the lower rate cannot hold, so that fast
        closures don't flicker. Other rates are interpolated linearly.
        """
        if frames is None:
            frames = max(1, round((self.seconds - start) * fps))
        at = np.clip((start + np.arange(frames) / fps) * self.fps, 0, len(self.offsets) - 1)
        if filtered and fps < self.fps:
            return self._smoothed(at, self.fps / fps)
        before = np.floor(at + 1e-6).astype(np.int64)
        share = (at - before).astype(np.float32)[:, None, None]
        if np.abs(share).max() < 1e-4:
            return np.asarray(self.offsets[before], np.float32)
        after = np.minimum(before + 1, len(self.offsets) - 1)
        return (1 - share) * self.offsets[before] + share * self.offsets[after]

    def _smoothed(self, at: NDArray, period: float) -> Floats:
        """A Hann-windowed sinc, three of the new frames to either side."""
        last = len(self.offsets) - 1
        reach = int(np.ceil(3 * period))
        near = np.round(at).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
        apart = (near - at[:, None]) / period
        weight = np.sinc(apart) * np.cos(np.pi * np.clip(apart / 3, -1, 1) / 2) ** 2
        weight /= weight.sum(1, keepdims=True)
        table = np.zeros((len(at), last + 1))
        np.add.at(table, (np.arange(len(at))[:, None], np.clip(near, 0, last)), weight)
        return np.tensordot(table.astype(np.float32), self.offsets, 1)


def read_motion(
    path: Path, fps: float, *, template: NDArray | None = None, flame: Flame | None = None
) -> Motion:
    """The motion in a file.

    - `.npy`: vertices (T, 5023, 3) or (T, 15069); or FLAME's 300 shape, 100 expression and 3 jaw
      numbers (T, 403), as 3DMEAD has them. A leading axis of one is dropped.
    - `.npz`: `offsets`, or `vertices` with `template`, of the same forms; or FLAME's `expression`
      with `shape`, `jaw` or EMOCA's `pose` (whose first three numbers, the head's turn, are left
      out), `neck`, `eyes`; or `curves` (T, S) with `names`. Its `fps` goes before the given one.
    - `.hdf5`: FLAME's `shape`, `exp` and `jaw`, as EMOTE's reconstructions of MEAD have them.
    - `.csv`: curves of ARKit's shapes, as Live Link Face writes them.

    `template` (V, 3) is the speaker's neutral, if the file has none of its own.
    InputError if the file is missing, damaged, of another form or size, or not in metres.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        return _from_curves(read_arkit_csv(path))
    if ending == ".npz":
        return _from_arrays(path, load_npz(path), fps, template, flame)
    if ending == ".hdf5":
        return _from_arrays(path, _load_hdf5(path), fps, template, flame)
    array = _load_npy(path)
    if array.ndim == 2 and array.shape[1] == MEAD_WIDTH:
        ends = (SHAPES, SHAPES + EXPRESSIONS)
        shape, expression, jaw = np.split(array, ends, axis=1)
        return _posed(path, _needed(flame, path), fps, expression, shape=shape, jaw=jaw)
    return _from_vertices(path, array, fps, template)


def is_curves(path: Path) -> bool:
    """Whether a motion file holds curves of a rig rather than points."""
    if path.suffix.lower() != ".npz":
        return path.suffix.lower() == ".csv"
    try:
        with zipfile.ZipFile(path) as archive:  # a look at the names: motion is big
            return "curves.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False  # the reader will say what is wrong


def read_curves(path: Path, fps: float = 0.0) -> Curves:
    """Curves of the rig in a `.csv` of ARKit's shapes or an `.npz` of `curves` and `names`."""
    if path.suffix.lower() == ".csv":
        return read_arkit_csv(path)
    arrays = load_npz(path)
    if "curves" not in arrays or "names" not in arrays:
        raise InputError(
            f"“{path}” holds no curves of a rig.",
            "It needs “curves” (frames, shapes), “names” and “fps”.",
        )
    names = tuple(str(name) for name in np.atleast_1d(arrays["names"]))
    values = np.asarray(arrays["curves"], np.float32)
    if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
        raise InputError(
            f"The curves in “{path}” have the form {values.shape}, with {len(names)} names.",
            "Give one row a frame and one column a name.",
        )
    return Curves(names, values, _rate(arrays, fps, path))


def _load_npy(path: Path) -> NDArray:
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except FileNotFoundError:
        raise InputError(f"There is no file “{path}”.", "Check the path.") from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(
            f"“{path}” is not a readable .npy file ({error}).", "Copy or make it again."
        ) from None
    return _without_batch(array)


def _load_hdf5(path: Path) -> dict[str, NDArray]:
    try:
        import h5py  # only this form needs it
    except ImportError:
        raise InputError(
            f"“{path}” is HDF5, which needs the package h5py.", "Install it: pip install h5py."
        ) from None
    try:
        with h5py.File(path, "r") as file:
            return {name: np.asarray(file[name]) for name in ("shape", "exp", "jaw")}
    except (OSError, KeyError) as error:
        raise InputError(
            f"“{path}” holds no shape, exp and jaw of FLAME ({error}).", "Copy it again."
        ) from None


def _without_batch(array: NDArray) -> NDArray:
    """A leading axis of one taken off, where it isn't a single frame's."""
    batched = array.ndim == 4 or (array.ndim == 3 and array.shape[1:] != (FLAME_VERTICES, 3))
    return array[0] if batched and array.shape[0] == 1 else array


def _from_arrays(
    path: Path,
    arrays: Mapping[str, NDArray],
    fps: float,
    template: NDArray | None,
    flame: Flame | None,
) -> Motion:
    fps = _rate(arrays, fps, path)
    if "offsets" in arrays:
        return _checked(path, _points(path, _without_batch(arrays["offsets"])), fps)
    if "vertices" in arrays:
        points = _without_batch(arrays["vertices"])
        return _from_vertices(path, points, fps, arrays.get("template", template))
    if "curves" in arrays:
        return _from_curves(read_curves(path, fps))
    found = {
        name: _without_batch(np.asarray(arrays[alias]))
        for name, aliases in _ALIASES.items()
        for alias in aliases
        if alias in arrays
    }
    if "expression" not in found:
        raise InputError(
            f"“{path}” holds no motion: neither offsets, vertices, expression nor curves.",
            f"It holds: {', '.join(sorted(arrays)) or 'nothing'}.",
        )
    pose = found.pop("pose", None)
    if pose is not None:
        if pose.ndim != 2 or pose.shape[1] != 6:
            raise InputError(
                f"The pose in “{path}” has the form {pose.shape}, not (frames, 6).",
                "Give the head's turn and the jaw's, or name the jaw's alone “jaw”.",
            )
        # The paper says that the last three are fixed; in EMOCA's files those are the jaw's, so
        # that is taken to be an error of its text.
        found.setdefault("jaw", pose[:, 3:])
    expression = found.pop("expression")
    return _posed(path, _needed(flame, path), fps, expression, **found)


def _posed(path: Path, flame: Flame, fps: float, expression: NDArray, **given: NDArray) -> Motion:
    shape = given.pop("shape", None)
    if shape is not None and shape.ndim > 1:
        shape = shape.mean(0)  # a person keeps his skull while he speaks; its jitter is noise
    posed = flame.vertices(expression, shape=shape, **given)
    return _checked(path, posed - flame.neutral(shape), fps)


def _from_curves(curves: Curves) -> Motion:
    head = load_head()
    weights = on_the_rig(curves, head.shape_names)
    return Motion(np.tensordot(weights, head.shapes, 1), curves.fps)


def _from_vertices(path: Path, array: NDArray, fps: float, template: NDArray | None) -> Motion:
    if template is None:
        raise InputError(
            f"“{path}” holds vertices, and there is no neutral face to take them from.",
            "Add the speaker's template (templates.pkl or templates.npz).",
        )
    if template.shape != (FLAME_VERTICES, 3):
        raise InputError(
            f"The neutral for “{path}” has the form {template.shape}, not ({FLAME_VERTICES}, 3)."
        )
    return _checked(path, _points(path, array) - template.astype(np.float32), fps)


def _points(path: Path, array: NDArray) -> Floats:
    width = 3 * FLAME_VERTICES
    flat = array.ndim == 2 and array.shape[1] == width
    if not flat and (array.ndim != 3 or array.shape[1:] != (FLAME_VERTICES, 3)):
        raise InputError(
            f"“{path}” has the form {array.shape}, not (frames, {width}) or (frames,"
            f" {FLAME_VERTICES}, 3).",
            "Only FLAME's 5023 vertices can be learnt from.",
        )
    if not len(array):
        raise InputError(f"“{path}” has no frames.", "Leave it out.")
    return np.asarray(array, np.float32).reshape(-1, FLAME_VERTICES, 3)


def _checked(path: Path, offsets: Floats, fps: float) -> Motion:
    most = float(np.abs(offsets).max(initial=0.0))
    if not np.isfinite(most):
        raise InputError(
            f"“{path}” holds values that are not numbers.", "Repair it or leave it out."
        )
    if most > FARTHEST:
        raise InputError(
            f"“{path}” moves points by {most:.3g} m, which no face does.",
            "Its unit must be metres, its neutral the speaker's own, and its head kept still.",
        )
    return Motion(offsets.astype(np.float32), fps)


def _needed(flame: Flame | None, path: Path) -> Flame:
    if flame is None:
        raise InputError(
            f"“{path}” holds FLAME's parameters, and there is no FLAME model to move.",
            "Convert FLAME's model file and name the result as data.flame.",
        )
    return flame


def _rate(arrays: Mapping[str, NDArray], fps: float, path: Path) -> float:
    found = float(np.asarray(arrays.get("fps", fps)).reshape(-1)[0])
    if not 1 <= found <= 1000:
        raise InputError(f"“{path}” does not say its frames a second.", "Add “fps” to it.")
    return found
