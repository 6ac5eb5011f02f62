# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME's own model, where the user has it: its parameters to vertices.

FLAME (Li et al. 2017, "Learning a model of facial shape and expression from 4D scans"): a template
moved by shape and expression, corrected by pose, and turned about four joints below the root (neck,
jaw, left and right eye) by linear blend skinning. The model file is not ours to give away; it comes
from its makers as a pickle, which is read without being run, once, into an .npz.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.topology import FLAME_VERTICES, check_topology
from emoface_core.files import atomic_path, load_npz
from emoface_core.inert_pickle import read_pickle

Floats = NDArray[np.float32]
SHAPES, EXPRESSIONS = 300, 100  # in FLAME's `shapedirs`, in this order
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)
_BLOCK = 64  # frames at a time


@dataclass(frozen=True, slots=True)
class Flame:
    """The model; V vertices, S shapes, E expressions, metres, y up, face to +z."""

    template: Floats  # (V, 3)
    shapes: Floats  # (S, V, 3)
    expressions: Floats  # (E, V, 3)
    pose_correctives: Floats  # (36, V, 3): per entry of the joints' rotations less the identity
    joint_regressor: Floats  # (5, V)
    weights: Floats  # (V, 5)
    faces: NDArray[np.int32]  # (F, 3)

    def neutral(self, shape: NDArray | None = None) -> Floats:
        """(V, 3) a person's face at rest; `shape` (≤ S,)."""
        return self._shaped(np.zeros(0) if shape is None else shape)

    def vertices(
        self,
        expression: NDArray,
        *,
        shape: NDArray | None = None,
        jaw: NDArray | None = None,
        neck: NDArray | None = None,
        eyes: NDArray | None = None,
    ) -> Floats:
        """(T, V, 3) of parameters over time, T frames.

        expression (T, ≤ E); shape (≤ S,), one person's; jaw and neck (T, 3), eyes (T, 6) left then
        right: rotations as axis times angle, radians. The head as a whole stays as it is.
        InputError if the sizes do not fit.
        """
        expression = _table(expression, "expression", len(self.expressions))
        frames = len(expression)
        turns = np.zeros((frames, len(JOINTS), 3))
        given = (("neck", neck, 1, 3), ("jaw", jaw, 2, 3), ("eyes", eyes, 3, 6))
        for name, values, first, width in given:
            if values is not None:
                table = _table(values, name, width)
                if table.shape != (frames, width):
                    raise InputError(
                        f"FLAME's {name} has the form {table.shape}, not {(frames, width)}.",
                        "Give one row a frame, and three numbers a joint.",
                    )
                turns[:, first : first + width // 3] = table.reshape(frames, -1, 3)
        person = self._shaped(np.zeros(0) if shape is None else shape)
        made = np.empty((frames, *self.template.shape), np.float32)
        for start in range(0, frames, _BLOCK):
            block = slice(start, start + _BLOCK)
            made[block] = self._posed(person, expression[block], turns[block])
        return made

    def _shaped(self, shape: NDArray) -> Floats:
        values = np.asarray(shape, np.float32).reshape(-1)
        if len(values) > len(self.shapes):
            raise InputError(
                f"FLAME's shape has {len(values)} numbers, the model {len(self.shapes)} shapes.",
                "Convert the model that the parameters belong to.",
            )
        return self.template + np.tensordot(values, self.shapes[: len(values)], 1)

    def _posed(self, person: Floats, expression: NDArray, turns: NDArray) -> Floats:
        moved = person + np.tensordot(expression, self.expressions[: expression.shape[1]], 1)
        joints = np.einsum("jv,tvc->tjc", self.joint_regressor, moved)
        matrices = rotations(turns)  # (T, 5, 3, 3)
        bent = (matrices[:, 1:] - np.eye(3)).reshape(len(turns), -1)
        moved = moved + np.tensordot(bent, self.pose_correctives, 1)
        # Each joint turns what hangs on it about its place at rest, and is carried by its parent.
        turned = np.empty_like(matrices)
        shifted = np.empty((*matrices.shape[:2], 3))
        for joint, parent in enumerate(PARENTS):
            own = joints[:, joint] - np.einsum("tij,tj->ti", matrices[:, joint], joints[:, joint])
            if parent < 0:
                turned[:, joint], shifted[:, joint] = matrices[:, joint], own
            else:
                turned[:, joint] = turned[:, parent] @ matrices[:, joint]
                carried = np.einsum("tij,tj->ti", turned[:, parent], own)
                shifted[:, joint] = carried + shifted[:, parent]
        blend = np.einsum("vj,tjab->tvab", self.weights, turned)
        return np.einsum("tvab,tvb->tva", blend, moved) + np.einsum(
            "vj,tja->tva", self.weights, shifted
        )


def rotations(turns: NDArray) -> NDArray[np.float64]:
    """(…, 3) axis times angle in radians -> (…, 3, 3), by Rodrigues' formula."""
    turns = np.asarray(turns, np.float64)
    angle = np.linalg.norm(turns, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(turns, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*turns.shape, 3)
    # sin(a)/a and (1 - cos(a))/a², which are 1 and 1/2 at rest; np.sinc(x) = sin(pi x) / (pi x).
    first, second = np.sinc(angle / np.pi), 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + first * cross + second * (cross @ cross)


def convert_flame(source: Path, target: Path) -> Flame:
    """Write FLAME's model file (.pkl as published, or .npz of the same arrays) as our .npz.

    InputError if it is something else, or its topology is not FLAME's.
    """
    source = Path(source)
    if source.suffix.lower() == ".npz":
        found: object = load_npz(source)
    else:
        found = read_pickle(source)
    if not isinstance(found, Mapping):
        raise InputError(f"“{source}” holds no model.", "Give FLAME's generic_model.pkl.")
    flame = _from_published(found, source)
    arrays = {item.name: getattr(flame, item.name) for item in fields(Flame)}
    with atomic_path(Path(target)) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return flame


def read_flame(path: Path) -> Flame:
    """The model that `convert_flame` wrote; InputError if it is another file."""
    arrays = load_npz(path)
    names = [item.name for item in fields(Flame)]
    if missing := [name for name in names if name not in arrays]:
        raise InputError(
            f"“{path}” is no converted FLAME model: it lacks “{missing[0]}”.",
            "Convert FLAME's model file first, with “datasets flame MODEL.pkl -o FLAME.npz”.",
        )
    return Flame(**{name: arrays[name] for name in names})


def _from_published(found: Mapping, source: Path) -> Flame:
    count = FLAME_VERTICES
    sizes: dict[str, tuple[int | None, ...]] = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, None),
        "posedirs": (count, 3, 9 * (len(JOINTS) - 1)),
        "J_regressor": (len(JOINTS), count),
        "weights": (count, len(JOINTS)),
        "kintree_table": (2, len(JOINTS)),
        "f": (None, 3),
    }
    arrays: dict[str, NDArray] = {}
    for name, size in sizes.items():
        if name not in found:
            raise InputError(
                f"“{source}” is not FLAME's model: it lacks “{name}”.",
                "Give generic_model.pkl of FLAME 2020, or flame2023.pkl.",
            )
        array = arrays[name] = np.asarray(found[name])
        fits = array.ndim == len(size) and all(
            want in (None, have) for want, have in zip(size, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise InputError(
                f"“{name}” in “{source}” has the form {array.shape}, which is not FLAME's.",
                "Give the whole model, not one of its parts.",
            )
    parents = arrays["kintree_table"][0].astype(np.int64)[1:]
    if tuple(parents) != PARENTS[1:]:
        raise InputError(
            f"The joints of “{source}” hang together differently from FLAME's.",
            "Give generic_model.pkl of FLAME 2020, or flame2023.pkl.",
        )
    check_topology(count, arrays["f"].astype(np.int64))
    directions = arrays["shapedirs"]
    if directions.shape[2] < SHAPES + 1:
        raise InputError(
            f"“{source}” has {directions.shape[2]} shapes; FLAME has {SHAPES} and {EXPRESSIONS}"
            " expressions.",
            "Give the model with all of them.",
        )

    def first(array: NDArray) -> Floats:  # the published arrays have their components last
        return np.ascontiguousarray(np.moveaxis(array, -1, 0), np.float32)

    return Flame(
        template=arrays["v_template"].astype(np.float32),
        shapes=first(directions[..., :SHAPES]),
        expressions=first(directions[..., SHAPES : SHAPES + EXPRESSIONS]),
        pose_correctives=first(arrays["posedirs"]),
        joint_regressor=arrays["J_regressor"].astype(np.float32),
        weights=arrays["weights"].astype(np.float32),
        faces=arrays["f"].astype(np.int32),
    )


def _table(values: NDArray, name: str, most: int) -> NDArray[np.float64]:
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or table.shape[1] > most or not np.isfinite(table).all():
        raise InputError(
            f"FLAME's {name} must be numbers of the form (frames, {most} or fewer), not"
            f" {table.shape}.",
            "Check which parameters the file holds.",
        )
    return table
