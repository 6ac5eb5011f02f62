# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Attention: how much of the emotion branch each place takes at each frame, from the voice.

It depends on the two encoders and the vertex, never on past motion, so one clip needs it once.
"""

from itertools import pairwise
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_core.model.config import MeshAttentionConfig
from emoface_core.model.geometry import FaceGeometry
from emoface_core.model.spiral_conv import SpiralConv3D


class MeshAttention(nn.Module):
    """Features (B, T, C_c) and (B, T, C_e) -> the emotion branch's weight (B, T, P) in 0..1.

    P are the vertices of the attention's mesh, or the face's regions. `carried` takes the
    map to every vertex of the face.
    """

    spread: Tensor | None
    carry: Tensor

    def __init__(
        self,
        content_width: int,
        emotion_width: int,
        geometry: FaceGeometry,
        config: MeshAttentionConfig,
    ) -> None:
        super().__init__()
        quarter, channels = config.audio_width // 4, config.audio_width // 16
        self.from_content = nn.Sequential(nn.Linear(content_width, quarter), nn.ELU())
        self.from_emotion = nn.Sequential(nn.Linear(emotion_width, quarter), nn.ELU())
        self.to_audio = nn.Linear(2 * quarter, channels)
        # A learnt table that starts from what a small random network makes of the rest shape.
        points = torch.from_numpy(geometry.attention_points)
        points = (points - points.mean(0)) / points.std()
        with torch.no_grad():
            start = nn.Sequential(
                nn.Linear(3, 4 * channels), nn.ELU(), nn.Linear(4 * channels, channels)
            )
            self.vertex = nn.Parameter(start(points))
        table = torch.from_numpy(geometry.spirals)
        widths = [channels] * config.layers + [1]
        self.layers = nn.ModuleList(
            SpiralConv3D(table, c_in, c_out, config.duration) for c_in, c_out in pairwise(widths)
        )
        if config.per == "regions":
            last = cast(SpiralConv3D, self.layers[-1])
            spread = last.spread(torch.from_numpy(geometry.region_pool))
            carry = torch.from_numpy(geometry.region_weight)
        else:
            spread = None
            ids = np.arange(geometry.vertices)
            carry = torch.from_numpy(geometry.attention_matrix(ids)).T.to_sparse()
        self.register_buffer("spread", spread, persistent=False)
        self.register_buffer("carry", carry, persistent=False)

    @property
    def past_frames(self) -> int:
        """Frames before the current one that the map can see."""
        return sum(cast(SpiralConv3D, layer).duration - 1 for layer in self.layers)

    def forward(self, content: Tensor, emotion: Tensor) -> Tensor:
        audio = self.to_audio(
            torch.cat([self.from_content(content), self.from_emotion(emotion)], -1)
        )
        first, *others = (cast(SpiralConv3D, layer) for layer in self.layers)
        x = first.forward_split(audio.permute(2, 0, 1), self.vertex)  # (C/16, M, B, T)
        for layer in others[:-1]:
            x = layer(F.elu(x))
        last, x = others[-1], F.elu(x)
        logits = last(x) if self.spread is None else last.forward_pooled(x, self.spread)
        return torch.sigmoid(logits[0].permute(1, 2, 0))

    def carried(self, attention: Tensor) -> Tensor:
        """The map (B, T, P) -> (B, T, V) at every vertex of the face."""
        with torch.autocast(attention.device.type, enabled=False):  # sparse products want float32
            flat = attention.to(self.carry.dtype).flatten(0, 1)
            carried = (
                flat @ self.carry
                if self.spread is not None
                else torch.sparse.mm(self.carry, flat.T).T
            )
            return carried.unflatten(0, attention.shape[:2])
