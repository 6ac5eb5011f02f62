# SPDX-License-Identifier: GPL-3.0-or-later
"""The face that is moved: the head itself, or another person's neutral in any units and place."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.head import Head
from emoface_core.face.likeness import lay_over
from emoface_core.face.meshes import read_mesh
from emoface_core.face.topology import check_topology


@dataclass(frozen=True, slots=True)
class Neutral:
    """A neutral in FLAME's frame, and the way back to the mesh it came from."""

    template: NDArray[np.float32]  # (V, 3) metres
    to_mesh: NDArray[np.float64]  # (4, 4) FLAME's frame -> the mesh's own


def own_neutral(head: Head) -> Neutral:
    """The head's own."""
    return Neutral(np.asarray(head.vertices, np.float32), np.eye(4))


def read_neutral(path: Path, head: Head) -> Neutral:
    """A mesh file with FLAME's topology. InputError for another, or one that is no face."""
    vertices, faces = read_mesh(path)
    check_topology(len(vertices), faces if len(faces) else head.faces)
    found = lay_over(vertices, head, str(path))
    template = found.apply_points(vertices)
    inverse = found.inverse()
    to_mesh = np.eye(4)
    to_mesh[:3, :3] = inverse.scale * inverse.rotation
    to_mesh[:3, 3] = inverse.translation
    return Neutral(template.astype(np.float32), to_mesh)
