# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions that overlap smoothly: how far each vertex belongs to the mouth, and to the rest."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.topology import edges

if TYPE_CHECKING:
    from emoface_core.face.head import Head

REGIONS = ("face", "mouth")  # the mouth with lips and jaw, and all that is not the mouth
_MOUTH = ("lips", "mouth_inside", "jaw", "neck")
_SPREAD = 16  # times a vertex takes half of its neighbours' mean: about 15 mm from 1 to 0


def smooth_regions(head: "Head") -> NDArray[np.float32]:
    """(2, V) weights of `REGIONS` at each vertex, 0..1; they sum to 1 everywhere."""
    pairs = np.asarray(edges(head.faces))
    ends, others = np.concatenate([pairs, pairs[:, ::-1]]).T
    count = len(head.vertices)
    degree = np.maximum(np.bincount(ends, minlength=count), 1)
    mouth = np.zeros(count)
    for name in _MOUTH:
        mouth[head.regions[name]] = 1.0
    for _ in range(_SPREAD):
        around = np.bincount(ends, mouth[others], count) / degree
        mouth = 0.5 * (mouth + around)
    return np.stack([1.0 - mouth, mouth]).astype(np.float32)
