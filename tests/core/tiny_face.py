# SPDX-License-Identifier: GPL-3.0-or-later
"""A face of 42 vertices: an icosahedron, once subdivided, with six shapes and two lips."""

from itertools import combinations

import numpy as np

from emoface_core.face.spirals import spirals
from emoface_core.model.config import (
    DecoderConfig,
    EncoderConfig,
    MeshAttentionConfig,
    ModelConfig,
)
from emoface_core.model.geometry import FaceGeometry

PHONES = 7


def tiny_mesh():
    """Vertices (42, 3), faces (80, 3), coarse faces (20, 3) over the first 12, and the way up."""
    g = (1 + 5**0.5) / 2
    points = [p for a in (-1, 1) for b in (-g, g) for p in ((0, a, b), (a, b, 0), (b, 0, a))]
    coarse = np.array(sorted(points))
    faces = [
        t
        for t in combinations(range(12), 3)
        if all(abs(np.linalg.norm(coarse[i] - coarse[j]) - 2) < 1e-6 for i, j in combinations(t, 2))
    ]
    # All triangles turn the same way.
    faces = [t if np.linalg.det(coarse[list(t)]) > 0 else (t[0], t[2], t[1]) for t in faces]
    middles: dict[tuple[int, int], int] = {}
    for t in faces:
        for i, j in combinations(sorted(t), 2):
            middles.setdefault((i, j), 12 + len(middles))
    vertices = np.concatenate([coarse, [(coarse[i] + coarse[j]) / 2 for i, j in middles]])
    fine = []
    for a, b, c in faces:
        ab, bc, ca = (middles[tuple(sorted(e))] for e in ((a, b), (b, c), (c, a)))
        fine += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    up_index = np.array([(i, i, i) for i in range(12)] + [(i, j, j) for i, j in middles])
    up_weight = np.array([(1.0, 0, 0)] * 12 + [(0.5, 0.5, 0)] * 30, np.float32)
    return vertices * 0.05, np.array(fine), np.array(faces), up_index, up_weight


def tiny_geometry(config: MeshAttentionConfig) -> FaceGeometry:
    vertices, faces, coarse_faces, up_index, up_weight = tiny_mesh()
    count = len(vertices)
    if config.mesh == "full":
        points, used = vertices, faces
        up_index = np.repeat(np.arange(count)[:, None], 3, 1)
        up_weight = np.tile(np.float32([1, 0, 0]), (count, 1))
    else:
        points, used = vertices[:12], coarse_faces
    rng = np.random.default_rng(5)
    return FaceGeometry(
        shape_names=tuple(f"shape{i}" for i in range(6)),
        basis=(0.01 * rng.standard_normal((6, count, 3))).astype(np.float32),
        attention_points=points.astype(np.float32),
        spirals=np.asarray(spirals(used, len(points), config.kernel, config.dilation), np.int64),
        up_index=up_index.astype(np.int64),
        up_weight=up_weight,
        region_weight=np.stack([low := (vertices[:, 1] < 0).astype(np.float32), 1 - low]),
        rest=vertices.astype(np.float32),
        upper_lip=np.array([[0, 1], [20, 21]]),
        lower_lip=np.array([[3, 4], [3, 5]]),
        lips=np.array([0, 1, 3, 4, 20, 21]),
        lip_edge=np.array([[3, 4], [5, 6]]),
        teeth_edge=vertices[[7, 8]].astype(np.float32),
        head_digest="tiny",
    )


def tiny_config(**changes) -> ModelConfig:
    """A model small enough to train in a blink, with everything the bundled one has."""
    settings = {
        "content": EncoderConfig(width=24, blocks=2, kernel=5, expansion=2),
        "emotion": EncoderConfig(width=16, blocks=2, kernel=7, expansion=2),
        "decoder": DecoderConfig(width=16, heads=2, window=3),
        "attention": MeshAttentionConfig(audio_width=64, kernel=5, dilation=1),
    }
    return ModelConfig(**(settings | changes))


def tiny_paper_config(**changes) -> ModelConfig:
    """The paper's way: frame by frame, full mesh, vertices from zero, emotion as an embedding."""
    settings = {
        "decoding": "frame_by_frame",
        "conditioning": "embedding",
        "head": "vertices",
        "styles": 2,
        "decoder": DecoderConfig(width=16, heads=2, period=30),
        "attention": MeshAttentionConfig("full", "vertex", audio_width=64, kernel=5, dilation=1),
    }
    return tiny_config(**(settings | changes))
