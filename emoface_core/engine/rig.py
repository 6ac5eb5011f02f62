# SPDX-License-Identifier: GPL-3.0-or-later
"""From the model's curves to offsets of vertices, and to the shapes a bake makes keys of."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.contacts import MouthRig, mouth_rig_of
from emoface_core.face.head import Head, load_head
from emoface_core.face.smooth_regions import REGIONS, smooth_regions
from emoface_core.model.info import ModelInfo

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rig:
    """The face that a model moves: K shapes, R regions, V vertices.

    With the model's content (K), its emotion (K) and the attention (R) of each region,
        speech  = content @ shapes
        emotion = (attention @ regions) * (emotion @ shapes)
    so each shape, and each part of a shape in a region, has a curve of its own.
    """

    head: Head
    regions: Floats  # (R, V) weights, which sum to 1 at every vertex

    @cached_property
    def shapes(self) -> Floats:
        """(K, V * 3) metres."""
        return np.ascontiguousarray(self.head.shapes.reshape(len(self.head.shapes), -1))

    @cached_property
    def parts(self) -> Floats:
        """(K, R, V, 3) metres: each shape within each region."""
        return self.head.shapes[:, None] * self.regions[None, :, :, None]

    @property
    def part_names(self) -> tuple[str, ...]:
        """Of the parts, K * R: a shape's name in the face, with the region after it elsewhere."""
        return tuple(
            name if region == REGIONS[0] else f"{name}.{region}"
            for name in self.head.shape_names
            for region in REGIONS
        )

    def speech(self, content: Floats) -> Floats:
        """(n, K) -> offsets (n, V, 3)."""
        return (content @ self.shapes).reshape(len(content), -1, 3)

    def emotion(self, layer: Floats, attention: Floats) -> Floats:
        """(n, K), (n, R) -> offsets (n, V, 3)."""
        offsets = self.speech(layer)
        offsets *= (attention @ self.regions)[..., None]
        return offsets

    @cached_property
    def mouth(self) -> MouthRig:
        """The same rig at the mouth alone, with its contacts."""
        return mouth_rig_of(self.head)

    def lip_gap(self, content: Floats) -> Floats:
        """(n,) metres by which speech opens the middle of the lips; 0 = as at rest, shut."""
        return self.mouth.lip_gap(content).astype(np.float32)


def rig_for(model: ModelInfo) -> Rig:
    """The installed head as a model's rig; InputError if the model belongs to another head."""
    rig = own_rig()
    if model.head_digest != rig.head.digest:
        raise InputError(
            "The model was trained on another head than the one installed.",
            "Use the head and the model of the same release.",
        )
    return rig


@cache
def own_rig() -> Rig:
    """The installed head's; it does not change while we run."""
    head = load_head()
    return Rig(head, smooth_regions(head))
