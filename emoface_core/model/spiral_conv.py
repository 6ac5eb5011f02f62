# SPDX-License-Identifier: GPL-3.0-or-later
"""SpiralConv3D: a convolution over a vertex's spiral and the last few frames.

EmoFace (arXiv 2408.11518) Eq. 1–3: a fully connected layer over the neighbourhood that a dilated
spiral gives in space and a causal window of `duration` frames gives in time,

    y[t, v] = b + sum over d < duration, j < K of  x[t - d, S[v, j]] @ W[d, j]

With duration 1 it is SpiralNet++'s convolution. Before the first frame, the first frame repeats.

Arrays are channel first, then vertex, (C, V, B, T): a projection is then one large product, and a
gather moves whole rows of B·T numbers, which is many times faster than single ones.
"""

import math

import torch
from torch import Tensor, nn


class SpiralConv3D(nn.Module):
    """x (C_in, V, B, T) -> (C_out, V, B, T) over `spirals` (V, K) of vertex indices."""

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
        _, vertices, batch, frames = x.shape
        rows = batch * frames
        kernel, out = self.spirals.shape[1], self.duration * self.c_out
        w = self.weight.permute(1, 0, 3, 2).reshape(kernel, out, self.c_in)  # (K, δ·C_out, C_in)
        terms: list[Tensor] = []
        if out <= self.c_in:  # project first, and gather the smaller thing
            z = (w.flatten(0, 1) @ x.flatten(1)).reshape(kernel, out, vertices, rows)
            terms = [y.index_select(1, self.spirals[:, j]) for j, y in enumerate(z.unbind(0))]
        else:  # one step of the spiral at a time: the neighbourhood is never all in memory
            flat = x.reshape(self.c_in, vertices, rows)
            for j in range(kernel):
                seen = flat.index_select(1, self.spirals[:, j])
                terms.append((w[j] @ seen.flatten(1)).reshape(out, vertices, rows))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return self._over_time(total.reshape(self.duration, self.c_out, vertices, batch, frames))

    def forward_split(self, time: Tensor, vertex: Tensor) -> Tensor:
        """The same for x[:, v, b, t] = time[:, b, t] + vertex[v]: O(T + V) instead of O(T · V).

        time (C_in, B, T), vertex (V, C_in) -> (C_out, V, B, T). By linearity the sum over the
        spiral falls on the weights for the time term, and is constant in time for the vertex term.
        """
        per_frame = self.weight.sum(1).transpose(1, 2).flatten(0, 1)  # (δ·C_out, C_in)
        _, batch, frames = time.shape
        terms = (per_frame @ time.flatten(1)).reshape(self.duration, self.c_out, 1, batch, frames)
        per_vertex = vertex[self.spirals].flatten(1) @ self.weight.sum(0).flatten(0, 1)
        return self._over_time(terms) + per_vertex.T[:, :, None, None].to(terms.dtype)

    def spread(self, pool: Tensor) -> Tensor:
        """(V, R) means -> (K, V, R): what each vertex gives to a region at each spiral step."""
        spread = pool.new_zeros(self.spirals.shape[1], *pool.shape)
        for step, vertices in zip(spread, self.spirals.unbind(1), strict=True):
            step.index_add_(0, vertices, pool)
        return spread

    def forward_pooled(self, x: Tensor, spread: Tensor) -> Tensor:
        """The means over regions of the vertices' results: (C_in, V, B, T) -> (C_out, R, B, T).

        By linearity the means fall on the weights: the cost is R's, not V's.
        """
        regions = spread.shape[2]
        weight = torch.einsum("djco,jur->dorcu", self.weight, spread)
        flat = weight.reshape(self.duration * self.c_out * regions, -1)
        terms = flat.to(x.dtype) @ x.flatten(0, 1).flatten(1)
        shape = self.duration, self.c_out, regions, *x.shape[2:]
        return self._over_time(terms.reshape(shape))

    def _over_time(self, terms: Tensor) -> Tensor:
        """Sum the terms (δ, C_out, V, B, T) of the window's frames, each as late as it is old."""
        y, *earlier = terms.unbind(0)
        y = y + self.bias[:, None, None, None].to(y.dtype)
        for d, term in enumerate(earlier, start=1):
            y = y + delayed(term, d)
        return y


def delayed(x: Tensor, frames: int) -> Tensor:
    """x moved `frames` later along its last axis; the first frame repeats before the start."""
    length = x.shape[-1]
    padding = x[..., :1].expand(*x.shape[:-1], frames)
    return torch.cat([padding, x], dim=-1)[..., :length]
