# SPDX-License-Identifier: GPL-3.0-or-later
"""Which vertices a metric looks at: our own regions, or the published masks of whoever has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.head import Head, load_head
from emoface_core.files import load_npz

# The middle of the upper and of the lower lip in FLAME, as the MTM's code has them.
FLAME_LIP_MIDDLES = (3531, 3504)


@dataclass(frozen=True, slots=True)
class Regions:
    """Vertex sets, each sorted and without duplicates.

    `lips` for LVE, MTM, SLCC and jitter; `eyes_and_forehead` for EVE; `upper_face` for FDD.
    `source` says whose they are: a maximum over a region depends on the region.
    """

    lips: NDArray[np.int32]
    eyes_and_forehead: NDArray[np.int32]
    upper_face: NDArray[np.int32]
    source: str

    def check(self, n_vertices: int) -> None:
        """InputError if an index lies outside a mesh of `n_vertices`."""
        highest = max(self.lips[-1], self.eyes_and_forehead[-1], self.upper_face[-1])
        lowest = min(self.lips[0], self.eyes_and_forehead[0], self.upper_face[0])
        if lowest < 0 or highest >= n_vertices:
            raise InputError(
                f"The regions of {self.source} name vertex {highest if lowest >= 0 else lowest}, "
                f"but the mesh has {n_vertices}.",
                "Give --regions a file made for this mesh.",
            )


def own_regions(head: Head | None = None) -> Regions:
    """The regions of our head: derived from its rig, free to ship, and close to the published."""
    regions = (head or load_head()).regions
    upper = _union(regions, "eyes", "brows", "forehead")
    return Regions(
        lips=_union(regions, "lips"),
        eyes_and_forehead=upper,
        upper_face=upper,
        source="EmoFace's head",
    )


def read_regions(path: Path) -> Regions:
    """Published masks from an .npz of index arrays, under the names of FLAME_masks.pkl.

    Needs `lips`, `eye_region` and `forehead`; `upper_face` (such as FaceDiffuser's fdd.txt) is used
    for FDD where it is given, eye region and forehead where not. FLAME's `lips` has 254 entries but
    250 vertices (1590, 1593, 2726 and 2729 stand twice): a maximum does not care, SLCC's mean over
    the region does. Here each vertex counts once.
    """
    arrays = load_npz(path)
    missing = [name for name in ("lips", "eye_region", "forehead") if name not in arrays]
    if missing:
        raise InputError(
            f"“{path}” has no {', '.join(missing)}.",
            "It must hold index arrays named as in FLAME_masks.pkl.",
        )
    for name in ("lips", "eye_region", "forehead", "upper_face"):
        if name in arrays and (arrays[name].dtype.kind not in "iu" or not arrays[name].size):
            raise InputError(f"“{name}” of “{path}” is not a list of vertex numbers.")
    eyes = _union(arrays, "eye_region", "forehead")
    return Regions(
        lips=_union(arrays, "lips"),
        eyes_and_forehead=eyes,
        upper_face=_union(arrays, "upper_face") if "upper_face" in arrays else eyes,
        source=path.name,
    )


def _union(regions: Mapping[str, NDArray], *names: str) -> NDArray[np.int32]:
    return np.unique(np.concatenate([np.ravel(regions[name]) for name in names])).astype(np.int32)
