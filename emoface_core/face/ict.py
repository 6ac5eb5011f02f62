# SPDX-License-Identifier: GPL-3.0-or-later
"""The ICT face model as the head is made from it: its parts, its loops around mouth and eyes.

ICT Face Model Light (USC Institute for Creative Technologies, MIT). Its face is made of quads
whose edges run in closed loops around the lips and the lids; a loop is followed from one vertex.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.files import load_npz

SKIN = range(14062)  # face, head, neck, inside of the mouth, eye sockets
GUMS_AND_TONGUE = range(14062, 17039)
TEETH = range(17039, 21451)
UPPER_INCISORS = range(17991, 18295)
LEFT_EYEBALL, RIGHT_EYEBALL = range(21451, 22221), range(23021, 23791)

UPPER_LIP, LOWER_LIP, UPPER_LID, LOWER_LID = 1, 2, 3, 4  # zones


@dataclass(frozen=True, slots=True)
class IctFace:
    """The model in its own centimetres."""

    vertices: NDArray[np.float64]  # (26719, 3)
    quads: NDArray[np.int64]  # (26384, 4), -1 where a face is a triangle
    triangles: NDArray[np.int64]  # (F, 3)
    names: tuple[str, ...]
    deltas: NDArray[np.float64]  # (57, 26719, 3)
    landmarks: NDArray[np.int64]  # (51,) vertices

    def part(self, vertices: range) -> NDArray[np.int64]:
        """The triangles of a range of vertices."""
        inside = (self.triangles >= vertices.start) & (self.triangles < vertices.stop)
        return self.triangles[inside.all(axis=1)]


def read_ict(folder: Path) -> IctFace:
    """Read `ict_facekit.npz` and `ict_vertex_indices.json`; InputError if they are not there."""
    model = load_npz(folder / "ict_facekit.npz")
    indices = folder / "ict_vertex_indices.json"
    if not indices.is_file():
        raise InputError(f"There is no file “{indices}”.", "Check the folder of the data.")
    landmarks = json.loads(indices.read_text())["idx_to_landmark_verts"]
    quads = model["faces"].astype(np.int64)
    whole = quads[quads[:, 3] >= 0]
    return IctFace(
        vertices=model["neutral"].astype(np.float64),
        quads=quads,
        triangles=np.concatenate([quads[:, :3], whole[:, [0, 2, 3]]]),
        names=tuple(model["expression_names"].tolist()),
        deltas=model["expression_deltas"].astype(np.float64),
        landmarks=np.array(landmarks[17:]),
    )


class Loops:
    """Edge loops of a mesh of quads."""

    def __init__(self, quads: NDArray) -> None:
        self._faces: dict[int, set[int]] = defaultdict(set)
        self._near: dict[int, set[int]] = defaultdict(set)
        for index, corners in enumerate(quads.tolist()):
            ring = [v for v in corners if v >= 0]
            for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
                self._near[a].add(b)
                self._near[b].add(a)
                self._faces[a].add(index)

    def _onward(self, last: int, here: int) -> int | None:
        """Straight across a vertex of four quads; None elsewhere."""
        if len(self._near[here]) != 4:
            return None
        beside = self._faces[here] & self._faces[last]
        ahead = [v for v in self._near[here] if v != last and not self._faces[v] & beside]
        return ahead[0] if len(ahead) == 1 else None

    def path(self, first: int, second: int, length: int) -> list[int]:
        """Up to `length` vertices straight on from an edge; it stops where it comes round."""
        run = [first, second]
        while len(run) < length:
            following = self._onward(run[-2], run[-1])
            if following is None or following == first:
                break
            run.append(following)
        return run

    def closed(self, first: int, second: int) -> list[int]:
        """The closed loop that an edge belongs to; InputError if it does not close."""
        run = self.path(first, second, 400)
        if self._onward(run[-2], run[-1]) != first:
            raise InputError(f"No closed loop of edges runs through vertex {first}.")
        return run

    def neighbours(self, vertex: int) -> set[int]:
        """Vertices joined to one by an edge."""
        return self._near[vertex]
