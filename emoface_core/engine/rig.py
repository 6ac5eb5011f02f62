# SPDX-License-Identifier: GPL-3.0-or-later
"""From the model's curves to offsets of vertices: two branches mixed by the attention map."""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.head import Head, load_head
from emoface_core.face.measures import lip_gap
from emoface_core.model.config import ModelConfig, from_mapping
from emoface_core.model.info import ModelInfo

Floats = NDArray[np.float32]

_UNTOLD = 250


@dataclass(frozen=True)
class Mixer:
    """The linear part of a face (or of some of its vertices): K shapes, M map points, V vertices.

    With w = attention carried up to each vertex,
        speech  = (1 - w) * content @ shapes + w * emotion_base @ shapes
        emotion = w * (layer @ shapes)
    """

    shapes: Floats  # (K, V * 3) metres
    carry: Floats | NDArray[np.intp]  # (M, V) matrix; or (V,) map point of each vertex

    @property
    def vertices(self) -> int:
        """V."""
        return self.carry.shape[-1]

    def weight(self, attention: Floats) -> Floats:
        """(n, M) -> (n, V, 1)."""
        carried = attention @ self.carry if self.carry.ndim == 2 else attention[:, self.carry]
        return carried[..., None]

    def speech(self, content: Floats, base: Floats, weight: Floats) -> Floats:
        """(n, K), (n, K), (n, V, 1) of `weight` -> offsets (n, V, 3)."""
        offsets = self.emotion(base - content, weight)
        offsets += (content @ self.shapes).reshape(offsets.shape)
        return offsets

    def emotion(self, layer: Floats, weight: Floats) -> Floats:
        """(n, K), (n, V, 1) of `weight` -> offsets (n, V, 3)."""
        offsets = (layer @ self.shapes).reshape(len(layer), self.vertices, 3)
        offsets *= weight
        return offsets

    def at(self, ids: NDArray[np.integer]) -> "Mixer":
        """The same for some vertices alone."""
        shapes = self.shapes.reshape(len(self.shapes), -1, 3)[:, ids]
        return Mixer(
            np.ascontiguousarray(shapes.reshape(len(shapes), -1)),
            np.ascontiguousarray(self.carry[..., ids]),
        )


@dataclass(frozen=True)
class Rig:
    """The face that a model moves."""

    head: Head
    mixer: Mixer
    map_points: int  # M
    additive: bool  # the paper's ablation: branches are added, not weighted

    @cached_property
    def _mouth(self) -> tuple[Mixer, Head]:
        """The inner mouth alone, as a mixer and as a head that `measures` can read."""
        grid = np.asarray(self.head.mouth_grid)
        ids = np.unique(grid)
        mouth = replace(
            self.head, vertices=self.head.vertices[ids], mouth_grid=np.searchsorted(ids, grid)
        )
        return self.mixer.at(ids), mouth

    def lip_gap(self, content: Floats, base: Floats, attention: Floats) -> Floats:
        """(n,) metres by which speech opens the middle of the lips; 0 = as at rest, shut."""
        mixer, mouth = self._mouth
        return lip_gap(mouth.vertices + mixer.speech(content, base, mixer.weight(attention)), mouth)

    @cached_property
    def telling_vertices(self) -> NDArray[np.intp]:
        """Vertices that show how well a face is met: all over, and where no neighbour tells."""
        shapes, coarse = self.head.shapes, self.head.coarse
        told = np.zeros_like(shapes)
        for index, weight in zip(coarse.up_index.T, coarse.up_weight.T, strict=True):
            told += weight[:, None] * shapes[:, coarse.ids[index]]
        untold = np.linalg.norm(shapes - told, axis=2).max(axis=0)
        return np.union1d(coarse.ids, np.argsort(untold)[-_UNTOLD:]).astype(np.intp)

    @cached_property
    def telling_mixer(self) -> Mixer:
        """The mixer of `telling_vertices`."""
        return self.mixer.at(self.telling_vertices)


def rig_for(model: ModelInfo) -> Rig:
    """The installed head as a model's rig; InputError if the model belongs to another head."""
    if model.head_digest != head_digest():
        raise InputError(
            "The model was trained on another head than the one installed.",
            "Use the head and the model of the same release.",
        )
    attention = from_mapping(ModelConfig, model.config, "the model's description").attention
    return _rig(attention.mesh, attention.fusion)


@cache
def head_digest() -> str:
    """Of the installed head; it does not change while we run."""
    return load_head().digest


@cache
def _rig(mesh: str, fusion: str) -> Rig:
    head = load_head()
    every = np.arange(len(head.vertices))
    shapes = np.ascontiguousarray(head.shapes.reshape(len(head.shapes), -1))
    if mesh == "full":
        return Rig(head, Mixer(shapes, every), len(every), fusion == "add")
    carry = np.zeros((len(head.coarse.ids), len(every)), np.float32)
    for index, weight in zip(head.coarse.up_index.T, head.coarse.up_weight.T, strict=True):
        np.add.at(carry, (index, every), weight)
    return Rig(head, Mixer(shapes, carry), len(carry), fusion == "add")
