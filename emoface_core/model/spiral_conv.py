# SPDX-License-Identifier: GPL-3.0-or-later
"""SpiralConv3D: a convolution over a vertex's spiral and the last few frames.

EmoFace (arXiv 2408.11518) Eq. 1–3: a fully connected layer over the neighbourhood that a dilated
spiral gives in space and a causal window of `duration` frames gives in time,

    y[t, v] = b + sum over d < duration, j < K of  x[t - d, S[v, j]] @ W[d, j]

With duration 1 it is SpiralNet++'s convolution. Before the first frame, the first frame repeats.

Arrays are vertex first, (V, C, B, T): a gather then moves whole rows of B·T numbers, which is many
times faster than gathering single channels, forwards and backwards.
"""

import math

import torch
from torch import Tensor, nn


class SpiralConv3D(nn.Module):
    """x (V, C_in, B, T) -> (V, C_out, B, T) over `spirals` (V, K) of vertex indices."""

    spirals: Tensor

    def __init__(self, spirals: Tensor, c_in: int, c_out: int, duration: int) -> None:
        super().__init__()
        kernel = spirals.shape[1]
        self.register_buffer("spirals", spirals.long(), persistent=False)
        self.duration, self.c_in, self.c_out = duration, c_in, c_out
        self.weight = nn.Parameter(torch.empty(duration, kernel, c_in, c_out))
        self.bias = nn.Parameter(torch.zeros(c_out))
        bound = math.sqrt(6 / (duration * kernel * c_in + c_out))  # Xavier, as SpiralNet++
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        vertices, _, batch, frames = x.shape
        # One step of the spiral at a time: exact, and the neighbourhood is never all in memory.
        total: Tensor | None = None
        for j in range(self.spirals.shape[1]):
            w = self.weight[:, j].permute(0, 2, 1).reshape(self.duration * self.c_out, self.c_in)
            rows = self.spirals[:, j]
            if self.duration * self.c_out <= self.c_in:  # project first, gather the smaller thing
                term = (w @ x.flatten(2))[rows]
            else:
                term = w @ x[rows].flatten(2)
            total = term if total is None else total + term
        assert total is not None
        terms = total.reshape(vertices, self.duration, self.c_out, batch, frames)
        y = terms[:, 0]
        for d in range(1, self.duration):
            y = y + delayed(terms[:, d], d)
        return y + self.bias[:, None, None].to(y.dtype)

    def forward_split(self, time: Tensor, vertex: Tensor) -> Tensor:
        """The same for x[v, :, b, t] = time[:, b, t] + vertex[v]: O(T + V) instead of O(T · V).

        time (C_in, B, T), vertex (V, C_in) -> (V, C_out, B, T). By linearity the sum over the
        spiral falls on the weights for the time term, and is constant in time for the vertex term.
        """
        per_frame = self.weight.sum(1).transpose(1, 2).flatten(0, 1)  # (duration * C_out, C_in)
        _, batch, frames = time.shape
        terms = (per_frame @ time.flatten(1)).reshape(self.duration, self.c_out, batch, frames)
        y = terms[0]
        for d in range(1, self.duration):
            y = y + delayed(terms[d], d)
        per_vertex = vertex[self.spirals].flatten(1) @ self.weight.sum(0).flatten(0, 1)
        return y + (per_vertex + self.bias)[:, :, None, None].to(y.dtype)


def delayed(x: Tensor, frames: int) -> Tensor:
    """x moved `frames` later along its last axis; the first frame repeats before the start."""
    length = x.shape[-1]
    padding = x[..., :1].expand(*x.shape[:-1], frames)
    return torch.cat([padding, x], dim=-1)[..., :length]
