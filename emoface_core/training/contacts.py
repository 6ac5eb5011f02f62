# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rig's shapes do to the contacts that speech cannot do without.

The rig is linear, so the gap between the lips, and the one between lower lip and upper teeth, is a
dot product with the shape weights. A closure is then one linear equation, which both teachers
solve instead of guessing, and a sum of layers that each keep a contact keeps it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.head import Head, load_head
from emoface_core.face.measures import lip_gap, lip_teeth_gap


@dataclass(frozen=True, slots=True)
class Contacts:
    """Rows of metres per unit of each of the K shapes.

    `lips` is what opens the lips' middle, `teeth` what parts lower lip and upper teeth;
    `teeth_at_rest` (metres) is how far those are apart on the neutral face. `pairs` (P, K) is
    the opening of each pair of inner-lip vertices, for whoever must close the lips all along.
    """

    index: Mapping[str, int]
    lips: NDArray[np.float64]
    teeth: NDArray[np.float64]
    teeth_at_rest: float
    pairs: NDArray[np.float64]

    def columns(self, name: str) -> list[int]:
        """Index of a shape, or of its left and right halves if it has those."""
        names = [name] if name in self.index else [f"{name}_L", f"{name}_R"]
        return [self.index[n] for n in names]


def contacts_of(head: Head) -> Contacts:
    """Measure a head's rig, shape by shape."""
    rest = head.vertices[None]
    moved = head.vertices + head.shapes
    upper, lower = head.inner_lip_pairs.T
    pairs = (head.shapes[:, upper, 1] - head.shapes[:, lower, 1]).T
    teeth_at_rest = float(lip_teeth_gap(rest, head)[0])
    return Contacts(
        index={name: i for i, name in enumerate(head.shape_names)},
        lips=np.asarray(lip_gap(moved, head) - lip_gap(rest, head), np.float64),
        teeth=np.asarray(lip_teeth_gap(moved, head) - teeth_at_rest, np.float64),
        teeth_at_rest=teeth_at_rest,
        pairs=np.asarray(pairs, np.float64),
    )


@lru_cache(maxsize=1)
def rig_contacts() -> Contacts:
    """The contacts of the bundled head."""
    return contacts_of(load_head())
