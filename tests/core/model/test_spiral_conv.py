# SPDX-License-Identifier: GPL-3.0-or-later
"""SpiralConv3D against its formula, written as plain loops."""

import pytest
import torch

from emoface_core.model.spiral_conv import SpiralConv3D, delayed

VERTICES, KERNEL, BATCH, FRAMES = 6, 4, 2, 7


def table(seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(VERTICES, (VERTICES, KERNEL), generator=rng)


def layer(c_in: int, c_out: int, duration: int) -> SpiralConv3D:
    torch.manual_seed(1)
    made = SpiralConv3D(table(), c_in, c_out, duration)
    torch.nn.init.normal_(made.bias)
    return made.double()


def by_the_formula(conv: SpiralConv3D, x: torch.Tensor) -> torch.Tensor:
    """y[:, v, b, t] = bias + sum over d, j of W[d, j]^T x[:, S[v, j], b, max(t - d, 0)]."""
    y = torch.zeros(conv.c_out, VERTICES, x.shape[2], x.shape[3], dtype=x.dtype)
    for v in range(VERTICES):
        for t in range(x.shape[3]):
            y[:, v, :, t] = conv.bias[:, None]
            for d in range(conv.duration):
                for j in range(KERNEL):
                    seen = x[:, conv.spirals[v, j], :, max(t - d, 0)]
                    y[:, v, :, t] += conv.weight[d, j].T @ seen
    return y


@pytest.mark.parametrize(
    ("c_in", "c_out", "duration"), [(3, 5, 3), (8, 1, 3), (4, 4, 1), (9, 2, 2)]
)
def test_equals_the_formula_whichever_comes_first_gather_or_projection(c_in, c_out, duration):
    conv = layer(c_in, c_out, duration)
    x = torch.randn(c_in, VERTICES, BATCH, FRAMES, dtype=torch.double)
    torch.testing.assert_close(conv(x), by_the_formula(conv, x))


def test_duration_one_is_a_spiral_convolution():
    conv = layer(3, 5, 1)
    x = torch.randn(3, VERTICES, 1, 1, dtype=torch.double)
    # SpiralNet++: gather, flatten, one linear layer.
    flat = x[:, :, 0, 0].T[conv.spirals].flatten(1)
    expected = flat @ conv.weight[0].flatten(0, 1) + conv.bias
    torch.testing.assert_close(conv(x)[:, :, 0, 0].T, expected)


def test_the_future_does_not_matter_and_the_past_does_for_the_window_alone():
    conv = layer(3, 2, 3)
    x = torch.randn(3, VERTICES, 1, FRAMES, dtype=torch.double)
    changed = x.clone()
    changed[..., 3] += 1.0
    same = (conv(x) == conv(changed)).flatten(0, 2).all(0)
    assert same.tolist() == [True, True, True, False, False, False, True]


def test_chunks_that_overlap_by_the_past_equal_the_whole():
    conv = layer(4, 3, 3)
    x = torch.randn(4, VERTICES, BATCH, 20, dtype=torch.double)
    past = conv.duration - 1
    pieces = [conv(x[..., :8])]
    pieces += [conv(x[..., at - past : at + 6])[..., past:] for at in (8, 14)]
    torch.testing.assert_close(torch.cat(pieces, -1), conv(x))


def test_the_split_first_layer_equals_the_plain_one():
    conv = layer(4, 6, 3)
    time = torch.randn(4, BATCH, FRAMES, dtype=torch.double)
    vertex = torch.randn(VERTICES, 4, dtype=torch.double)
    whole = time[:, None] + vertex.T[:, :, None, None]
    torch.testing.assert_close(conv.forward_split(time, vertex), conv(whole))


def test_delay_repeats_the_first_frame():
    assert delayed(torch.tensor([1, 2, 3, 4]), 2).tolist() == [1, 1, 1, 2]
    assert delayed(torch.tensor([1, 2]), 5).tolist() == [1, 1]


def test_pooled_equals_the_means_of_the_plain_result():
    conv = layer(5, 2, 3)
    x = torch.randn(5, VERTICES, BATCH, FRAMES, dtype=torch.double)
    pool = torch.rand(VERTICES, 3, dtype=torch.double)
    pool = pool / pool.sum(0)
    means = torch.einsum("ovbt,vr->orbt", conv(x), pool)
    torch.testing.assert_close(conv.forward_pooled(x, conv.spread(pool)), means)
