# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention within a band gives what attention over everything gives with the rest masked."""

import pytest
import torch

from emoface_core.errors import InputError
from emoface_core.model.config import DecoderConfig
from emoface_core.model.decoders import Decoder, attention, banded_attention

CONFIG = DecoderConfig(width=16, heads=2, window=3, period=2)


@pytest.mark.parametrize("frames", [1, 2, 5, 6, 7, 12, 13, 40])
def test_a_band_is_the_whole_with_the_far_masked(frames: int) -> None:
    torch.manual_seed(frames)
    q, k, v = torch.randn(3, 2, frames, 16).unbind()
    decoder = Decoder(4, CONFIG, causal=False)
    at = torch.arange(frames)
    apart = (at[:, None] - at).abs()
    slopes = torch.tensor([2.0**-4, 2.0**-8])
    bias = -slopes[:, None, None] * (apart // CONFIG.period)
    masked = bias.masked_fill(apart > CONFIG.window, float("-inf"))
    wanted = attention(q, k, v, masked)
    torch.testing.assert_close(banded_attention(q, k, v, decoder.band()), wanted)


def test_gradients_are_finite_where_blocks_are_padded() -> None:
    torch.manual_seed(0)
    decoder = Decoder(4, CONFIG, causal=False)
    audio = torch.randn(1, 7, 4, requires_grad=True)
    decoder(audio).square().sum().backward()
    assert audio.grad is not None and torch.isfinite(audio.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in decoder.parameters() if p.grad is not None)


def test_a_frame_depends_on_its_window_alone() -> None:
    torch.manual_seed(0)
    decoder = Decoder(4, CONFIG, causal=False).eval()
    audio = torch.randn(1, 30, 4)
    changed = audio.clone()
    changed[0, 15] += 1.0
    moved = (decoder(changed) - decoder(audio)).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == list(range(15 - 3, 15 + 4))


def test_step_by_step_is_the_whole_at_once() -> None:
    torch.manual_seed(0)
    decoder = Decoder(4, CONFIG, causal=True).eval()
    audio, x = torch.randn(1, 9, 4), torch.randn(1, 9, 16)
    cache, made = [], []
    for t in range(9):
        y, cache = decoder.step(audio[:, t : t + 1], x[:, t : t + 1], cache)
        made.append(y)
    torch.testing.assert_close(torch.cat(made, 1), decoder(audio, x))


def test_a_window_of_no_frames_is_refused() -> None:
    with pytest.raises(InputError, match="at least one frame"):
        DecoderConfig(window=0)
