# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's self-growing scheme: the decoder learns on a mix of truth and its own predictions.

Each step runs two passes. The first sees the truth and predicts P; the second sees, frame by frame
at random, the truth or P. The share of truth goes from one to zero over training.
"""

import math

import torch
from torch import Tensor


def truth_share(epoch: float, epochs: float, theta: float) -> float:
    """Probability that a frame of the second pass's input is the truth, in epoch n of N.

    Three phases: all truth while n < theta; cos(pi (n - theta) / (N - theta)) from there; none
    once n > (N + theta) / 2, where the cosine has reached zero. The paper counts whole epochs;
    fractions let a run of few of them grow, too.
    """
    if epoch < theta:
        return 1.0
    if 2 * epoch > epochs + theta:
        return 0.0
    return max(0.0, math.cos(math.pi * (epoch - theta) / (epochs - theta)))


def mixed_past(
    truth: Tensor,
    predicted: Tensor,
    share: float,
    rng: torch.Generator,
    *,
    given_first: bool = False,
) -> Tensor:
    """(B, N, V, 3) twice -> the same, each frame from `truth` with probability `share`.

    With `given_first` the first frame is the truth's in any case. `rng` lives on the CPU, so a run
    draws the same numbers on every device.
    """
    keep = torch.rand(truth.shape[:2], generator=rng) < share
    if given_first:
        keep[:, 0] = True
    return torch.where(keep.to(truth.device)[..., None, None], truth, predicted)
