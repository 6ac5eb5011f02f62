# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model knows of the face: rig, attention's mesh and regions, spirals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.smooth_regions import smooth_regions
from emoface_core.face.spirals import spirals
from emoface_core.model.config import MeshAttentionConfig

if TYPE_CHECKING:
    from emoface_core.face.head import Head

LIP_COLUMNS = np.arange(5, 12)  # of the head's mouth grid, as in `face.measures`


@dataclass(frozen=True, slots=True)
class FaceGeometry:
    """Fixed arrays of one face: V vertices, K shapes, R regions, M vertices of the map's mesh."""

    shape_names: tuple[str, ...]
    basis: NDArray[np.float32]  # (K, V, 3) metres
    attention_points: NDArray[np.float32]  # (M, 3) metres, at rest
    spirals: NDArray[np.int64]  # (M, kernel) vertices of the attention's mesh
    up_index: NDArray[np.int64]  # (V, 3): w of a vertex = sum of up_weight * w[up_index]
    up_weight: NDArray[np.float32]  # (V, 3)
    region_weight: NDArray[np.float32]  # (R, V) how far a vertex belongs to each region; sums to 1
    rest: NDArray[np.float32]  # (V, 3) the neutral, metres
    upper_lip: NDArray[np.int64]  # (R, C) the lips' edges, R vertices deep, in C columns about
    lower_lip: NDArray[np.int64]  # the middle: what `face.measures.lip_gap` looks at
    lips: NDArray[np.int64]  # the edges of both lips, all around
    lip_edge: NDArray[np.int64]  # (A, B) lower-lip vertices that meet the upper teeth on f and v
    teeth_edge: NDArray[np.float32]  # (E, 3) the edge of the upper teeth, metres
    head_digest: str  # which head this is, for the model's description

    @property
    def vertices(self) -> int:
        return self.basis.shape[1]

    def attention_matrix(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(M, len(ids)) matrix that carries the attention map to those vertices."""
        matrix = np.zeros((len(self.attention_points), len(ids)), np.float32)
        columns = np.arange(len(ids))
        for corner in range(self.up_index.shape[1]):
            np.add.at(matrix, (self.up_index[ids, corner], columns), self.up_weight[ids, corner])
        return matrix

    @property
    def region_pool(self) -> NDArray[np.float32]:
        """(M, R) each region's mean over the attention's mesh; columns sum to 1."""
        ids = np.arange(self.vertices)
        reached = self.attention_matrix(ids) @ self.region_weight.T
        return np.asarray(reached / reached.sum(axis=0), np.float32)


def face_geometry(head: "Head", config: MeshAttentionConfig) -> FaceGeometry:
    """The geometry of a head, with its attention on the coarse mesh or on every vertex."""
    count = len(head.vertices)
    if config.mesh == "coarse":
        coarse = head.coarse
        points, faces = head.vertices[coarse.ids], coarse.faces
        up_index, up_weight = coarse.up_index, coarse.up_weight
    else:
        points, faces = head.vertices, head.faces
        up_index = np.repeat(np.arange(count)[:, None], 3, axis=1)
        up_weight = np.tile(np.array([1, 0, 0], np.float32), (count, 1))
    return FaceGeometry(
        shape_names=tuple(head.shape_names),
        basis=np.asarray(head.shapes, np.float32),
        attention_points=np.asarray(points, np.float32),
        spirals=np.asarray(spirals(faces, len(points), config.kernel, config.dilation), np.int64),
        up_index=np.asarray(up_index, np.int64),
        up_weight=np.asarray(up_weight, np.float32),
        region_weight=smooth_regions(head),
        rest=np.asarray(head.vertices, np.float32),
        upper_lip=np.asarray(head.mouth_grid[2:, 32 - LIP_COLUMNS], np.int64),
        lower_lip=np.asarray(head.mouth_grid[2:, LIP_COLUMNS], np.int64),
        lips=np.unique(head.mouth_grid[2:]).astype(np.int64),
        lip_edge=np.asarray(head.mouth_grid[1:, 4:13], np.int64),
        teeth_edge=np.asarray(head.teeth_edge, np.float32),
        head_digest=head.digest,
    )
