# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceFormer's decoder: biased self-attention over time, cross-attention aligned to the audio.

Frame by frame, as published (Fan et al. 2022): it attends to its own past motion, causally.
In parallel: it attends to the audio features of a window of frames, and no motion at all.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_core.model.config import DecoderConfig

Cache = list[tuple[Tensor, Tensor]]  # keys and values of the frames so far, a pair a layer

_NEVER = -1e9  # a score that weighs nothing; not infinite, for rows of padding see nothing else


class DecoderLayer(nn.Module):
    """x (B, N, d), audio (B, N, C) -> (B, N, d), and the keys and values for the next step."""

    def __init__(self, audio_width: int, config: DecoderConfig) -> None:
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(2))
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        # FaceFormer's alignment lets frame t see audio frame t alone. A softmax over one key is
        # one, so queries and keys drop out; what remains of that attention is this.
        self.cross_value = nn.Linear(audio_width, d)
        self.cross_out = nn.Linear(d, d)
        self.wide = nn.Linear(d, 2 * d)
        self.narrow = nn.Linear(2 * d, d)

    def forward(
        self,
        x: Tensor,
        audio: Tensor,
        bias: Tensor,
        past: tuple[Tensor, Tensor] | None = None,
        *,
        banded: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = self.qkv(self.norms[0](x)).chunk(3, -1)
        if past is not None:
            k, v = torch.cat([past[0], k], 1), torch.cat([past[1], v], 1)
        seen = banded_attention(q, k, v, bias) if banded else attention(q, k, v, bias)
        x = x + self.out(seen)
        x = x + self.cross_out(self.cross_value(audio))
        x = x + self.narrow(F.gelu(self.wide(self.norms[1](x))))
        return x, (k, v)


class Decoder(nn.Module):
    """A stack of layers with its attention bias; `causal` for the frame-by-frame mode."""

    def __init__(self, audio_width: int, config: DecoderConfig, *, causal: bool) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        self.layers = nn.ModuleList(DecoderLayer(audio_width, config) for _ in range(config.layers))
        self.start = None if causal else nn.Linear(audio_width, config.width)
        self.norm = nn.LayerNorm(config.width)

    @property
    def reach(self) -> int:
        """Frames to either side that a frame depends on (parallel mode)."""
        return self.config.layers * self.config.window

    def forward(self, audio: Tensor, x: Tensor | None = None) -> Tensor:
        """All frames at once: (B, N, C) -> (B, N, d); x (B, N, d) is the motion, if any."""
        if x is None:
            assert self.start is not None
            x = self.start(audio)
        bias = (self.bias(audio.shape[1]) if self.causal else self.band()).to(audio.device)
        for layer in self.layers:
            x, _ = layer(x, audio, bias, banded=not self.causal)
        return self.norm(x)

    def step(self, audio: Tensor, x: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """One frame (B, 1, ·) after those in `cache`; gives what `forward` gives for it."""
        frame = cache[0][0].shape[1] if cache else 0
        bias = self.bias(frame + 1, first=frame).to(audio.device)
        kept: Cache = []
        for index, layer in enumerate(self.layers):
            x, pair = layer(x, audio, bias, cache[index] if cache else None)
            kept.append(pair)
        return self.norm(x), kept

    def bias(self, frames: int, first: int = 0) -> Tensor:
        """(heads, frames, frames), added to the scores: nearer is likelier, the future is never.

        With `first`, only the rows from there on.
        """
        at = torch.arange(frames)
        apart = at[first:, None] - at[None, :]
        return self._nearer(apart).masked_fill(apart < 0, _NEVER)

    def band(self) -> Tensor:
        """(heads, 2w, 4w), the same for a block's frames and those it sees; see `banded_attention`.

        Nothing further than the window w is seen.
        """
        window = self.config.window
        apart = torch.arange(2 * window)[:, None] + window - torch.arange(4 * window)[None, :]
        return self._nearer(apart).masked_fill(apart.abs() > window, _NEVER)

    def _nearer(self, apart: Tensor) -> Tensor:
        """FaceFormer's bias, (heads, …) for so many frames apart.

        The further in whole periods the less, each head with its own slope (ALiBi).
        """
        distance = torch.div(apart.abs(), self.config.period, rounding_mode="floor")
        heads = torch.arange(1, self.config.heads + 1)
        slopes = torch.exp2(-8.0 * heads / self.config.heads)
        return -slopes[:, None, None] * distance.float()


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Of several heads: (…, N, d), (…, M, d), (…, M, d), bias (…, heads, N, M) -> (…, N, d)."""
    heads = bias.shape[-3]
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(-3, -2) for x in (q, k, v))
    score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
    seen = torch.softmax(score, -1).to(v.dtype) @ v  # (…, heads, N, d / heads)
    return seen.transpose(-3, -2).flatten(-2)


def banded_attention(q: Tensor, k: Tensor, v: Tensor, band: Tensor) -> Tensor:
    """`attention` within w frames of each frame, (B, N, d) each, in time linear in N.

    A block of 2w frames sees itself and w frames to either side. When w frames are put before the
    first, those are a block of the keys and the next one. `band` (heads, 2w, 4w) is the bias.
    """
    size, window, frames = band.shape[1], band.shape[1] // 2, q.shape[1]
    blocks = frames // size + 1  # padded by fixed sizes and cut: the exporter wants that
    there = torch.zeros_like(q[:1, :, :1])  # 0 where there is a frame, else never
    there = F.pad(there, (0, 0, window, 2 * size), value=_NEVER)
    k, v = (F.pad(x, (0, 0, window, 2 * size)) for x in (k, v))
    k, v, there = (
        torch.cat([x[:, :-1], x[:, 1:]], 2)  # (B, blocks, 4w, ·)
        for x in (
            y.narrow(1, 0, (blocks + 1) * size).unflatten(1, (-1, size)) for y in (k, v, there)
        )
    )
    q = F.pad(q, (0, 0, 0, size)).narrow(1, 0, blocks * size).unflatten(1, (-1, size))
    seen = attention(q, k, v, band + there.transpose(-1, -2)[:, :, None])
    return seen.flatten(1, 2).narrow(1, 0, frames)


def periodic_positions(
    first: int, frames: int, width: int, period: int, device: torch.device
) -> Tensor:
    """(frames, width) FaceFormer's periodic positional encoding, from frame `first` on."""
    at = (torch.arange(first, first + frames, device=device) % period).float()
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
    angle = at[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
