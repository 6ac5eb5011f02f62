# SPDX-License-Identifier: GPL-3.0-or-later
"""The share of truth at the borders of the three phases, and the mixture frame by frame."""

import math

import pytest
import torch

from emoface_core.model.self_growing import mixed_past, truth_share


@pytest.mark.parametrize(
    ("epoch", "share"),
    [
        (0, 1.0),
        (19, 1.0),  # the last of the warm-up
        (20, 1.0),  # cos 0
        (80, math.cos(math.pi / 3)),
        (109, math.cos(math.pi * 89 / 180)),
        (110, 0.0),  # (N + theta) / 2: the cosine is zero …
        (111, 0.0),  # … and from there on all is predicted,
        (199, 0.0),  # also where the cosine would be negative
    ],
)
def test_share_of_truth(epoch, share):
    assert truth_share(epoch, epochs=200, theta=20) == pytest.approx(share, abs=1e-12)


def test_a_mixture_takes_whole_frames():
    truth, predicted = torch.zeros(2, 400, 5, 3), torch.ones(2, 400, 5, 3)
    mixture = mixed_past(truth, predicted, 0.7, torch.Generator().manual_seed(0))
    per_frame = mixture.flatten(2)
    assert torch.equal(per_frame.amin(-1), per_frame.amax(-1))
    assert float(mixture.mean()) == pytest.approx(0.3, abs=0.05)
    again = mixed_past(truth, predicted, 0.7, torch.Generator().manual_seed(0))
    assert torch.equal(mixture, again)


def test_the_ends_of_the_mixture():
    truth, predicted = torch.zeros(1, 50, 2, 3), torch.ones(1, 50, 2, 3)
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(mixed_past(truth, predicted, 1.0, rng), truth)
    assert torch.equal(mixed_past(truth, predicted, 0.0, rng), predicted)
