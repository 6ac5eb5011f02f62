# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model is trained to do: the paper's four losses, and ours on lips and phones.

Motion is in metres, (B, N, S, 3) on S supervised vertices; `valid` (B, N) is 1 where frames count.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from emoface_core.model.config import choice
from emoface_core.model.geometry import FaceGeometry

MOVES = 1e-4  # metres: a vertex that no shape moves further need not be supervised
SHUT = 0.6e-3  # metres between the lips at which they are as good as shut …
SOFT = 0.3e-3  # … give or take this


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the terms; the paper's first. Its ‖·‖₁ is taken as a mean, in metres."""

    self_reconstruction: float = 1000.0
    cross_reconstruction: float = 1000.0
    velocity: float = 500.0
    classification: float = 1e-4
    # Intermediate supervision: each branch alone against the truth too, as L_self and L_cross have
    # it; 0 switches it off.
    content_supervision: float = 1.0
    emotion_supervision: float = 1.0
    # What the content branch is held to: the "truth" with its emotion, as published, or the
    # "speech" without, where the teacher knows it.
    content_target: str = "truth"
    # Ours.
    closure: float = 0.0  # lips shut when they are, open when they are open
    contact: float = 0.0  # the lower lip at the teeth on f and v
    phones: float = 0.0  # the auxiliary head reads phones from the content features
    lips: float = 1.0  # weight of a lip vertex in the reconstruction, others being 1
    vertices: str = "all"  # supervised: "all", or "chosen" (the coarse mesh and the lips)

    def __post_init__(self) -> None:
        choice("content target", self.content_target, ("truth", "speech"))
        choice("set of supervised vertices", self.vertices, ("all", "chosen"))


@dataclass(frozen=True, slots=True)
class Predicted:
    """Motion of both branches and their mix, for the clip's own emotion and for another."""

    content: Tensor
    emotion_self: Tensor
    fused_self: Tensor
    emotion_cross: Tensor | None = None
    fused_cross: Tensor | None = None
    content_cross: Tensor | None = None  # only where the pair's length differs


@dataclass(frozen=True, slots=True)
class Truth:
    """The motion to reach. `speech` is the motion without emotion, where it is known."""

    own: Tensor
    valid: Tensor
    cross: Tensor | None = None
    cross_valid: Tensor | None = None
    speech: Tensor | None = None


class SupervisedVertices(nn.Module):
    """The vertices that the loss looks at, and the way there from coefficients and the map."""

    basis: Tensor  # (K, S * 3)
    carry: Tensor  # (M, S)
    weight: Tensor  # (S,) mean 1
    upper: Tensor  # (R, C) of the lips' edges
    lower: Tensor
    height: Tensor  # (S,) at rest
    lips: Tensor
    teeth: Tensor

    def __init__(self, geometry: FaceGeometry, config: LossConfig) -> None:
        super().__init__()
        ids = supervised_ids(geometry, config.vertices)
        place = {int(vertex): at for at, vertex in enumerate(ids)}

        def places(vertices: NDArray[np.int64]) -> Tensor:
            found = [place[int(v)] for v in vertices.ravel()]
            return torch.tensor(found, dtype=torch.long).reshape(vertices.shape)

        weight = torch.ones(len(ids))
        weight[places(geometry.lips)] = config.lips
        buffers = {
            "basis": torch.from_numpy(geometry.basis[:, ids]).flatten(1),
            "carry": torch.from_numpy(geometry.attention_matrix(ids)),
            "weight": weight / weight.mean(),
            "upper": places(geometry.upper_lip),
            "lower": places(geometry.lower_lip),
            "height": torch.from_numpy(geometry.rest[ids, 1]),
            "lips": places(geometry.lips),
            "teeth": places(geometry.lip_edge),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)
        self.ids = ids

    def offsets(self, coefficients: Tensor) -> Tensor:
        """(B, N, K) -> (B, N, S, 3) metres."""
        return (coefficients.float() @ self.basis).unflatten(-1, (-1, 3))

    def carried(self, attention: Tensor) -> Tensor:
        """(B, N, M) -> (B, N, S)."""
        return attention.float() @ self.carry

    def lip_gap(self, motion: Tensor) -> Tensor:
        """(B, N, S, 3) -> (B, N) metres: as `face.measures.lip_gap`, 0 is shut as at rest."""

        def gap(y: Tensor) -> Tensor:  # lowest edge above, highest below, in every column
            return (y[..., self.upper].amin(-2) - y[..., self.lower].amax(-2)).mean(-1)

        return gap(self.height + motion[..., 1]) - gap(self.height)


def supervised_ids(geometry: FaceGeometry, which: str) -> NDArray[np.int64]:
    """Vertices of the loss: all, or the lips and the attention mesh's nearest that ever move."""
    if which == "all":
        return np.arange(geometry.vertices)
    # Each vertex of the attention's mesh is some vertex of the face, which is carried by it alone.
    alone = np.flatnonzero(geometry.up_weight.max(1) > 0.999)
    carrier = geometry.up_index[alone, geometry.up_weight[alone].argmax(1)]
    own = alone[np.unique(carrier, return_index=True)[1]]
    moving = np.abs(geometry.basis).max((0, 2)) > MOVES
    return np.unique(
        np.concatenate(
            [
                *(own[moving[own]], geometry.lips, geometry.lip_edge),
                *(geometry.upper_lip.ravel(), geometry.lower_lip.ravel()),
            ]
        )
    )


def reconstruction(
    predicted: Tensor, truth: Tensor, valid: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Mean absolute error over the valid frames, vertices (by `weight`) and axes."""
    error = (predicted - truth).abs().mean(-1)
    if weight is not None:
        error = error * weight
    return _mean(error.mean(-1), valid)


def velocity(predicted: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error of the differences from frame to frame, where both frames are valid."""
    error = (predicted.diff(dim=1) - truth.diff(dim=1)).abs()
    return _mean(error.mean((-1, -2)), valid[:, 1:] * valid[:, :-1])


def closure(gap: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy of "the lips are shut", read softly from two lip gaps (B, N) in metres."""
    shut = torch.sigmoid((SHUT - truth) / SOFT)
    loss = F.binary_cross_entropy_with_logits((SHUT - gap) / SOFT, shut, reduction="none")
    # A truth in between is not certain itself: what is left at a perfect guess is taken off.
    floor = F.binary_cross_entropy_with_logits((SHUT - truth) / SOFT, shut, reduction="none")
    return _mean(loss - floor, counts)


def classification(logits: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy of the clip's emotion: logits (B, N, E) pooled over frames; label -1: none."""
    known = labels >= 0
    if not bool(known.any()):
        return logits.sum() * 0.0
    pooled = pooled_logits(logits, counts)
    return F.cross_entropy(pooled[known], labels[known])


def pooled_logits(logits: Tensor, counts: Tensor) -> Tensor:
    """(B, N, E) -> (B, E): their mean over the frames that count (B, N)."""
    return (logits.float() * counts[..., None]).sum(1) / counts.sum(1, keepdim=True).clamp(min=1.0)


def motion_losses(
    predicted: Predicted, truth: Truth, config: LossConfig, weight: Tensor | None = None
) -> dict[str, Tensor]:
    """L_self, L_cross and L_vel of the paper (unweighted), with intermediate supervision."""

    def error(motion: Tensor, goal: Tensor, valid: Tensor) -> Tensor:
        return reconstruction(motion, goal, valid, weight)

    def terms(emotion: Tensor, fused: Tensor, goal: Tensor, valid: Tensor) -> Tensor:
        total = error(fused, goal, valid)
        if config.emotion_supervision:
            total = total + config.emotion_supervision * error(emotion, goal, valid)
        return total

    parts = {
        "self": terms(predicted.emotion_self, predicted.fused_self, truth.own, truth.valid),
        "velocity": velocity(predicted.fused_self, truth.own, truth.valid),
    }
    goal = truth.own if config.content_target == "truth" else truth.speech
    assert goal is not None
    content = config.content_supervision * error(predicted.content, goal, truth.valid)
    parts["self"] = parts["self"] + content
    if truth.cross is not None:
        assert predicted.emotion_cross is not None and predicted.fused_cross is not None
        valid = truth.valid if truth.cross_valid is None else truth.cross_valid
        if config.content_target == "truth":
            crossed = (
                predicted.content if predicted.content_cross is None else predicted.content_cross
            )
            content = config.content_supervision * error(crossed, truth.cross, valid)
        parts["cross"] = content + terms(
            predicted.emotion_cross, predicted.fused_cross, truth.cross, valid
        )
        parts["velocity"] = parts["velocity"] + velocity(predicted.fused_cross, truth.cross, valid)
    return parts


def weighted_sum(parts: Mapping[str, Tensor], config: LossConfig) -> Tensor:
    """The total: L = 1000 L_self + 1000 L_cross + 500 L_vel + 0.0001 L_cls, and ours."""
    weights = {
        "self": config.self_reconstruction,
        "cross": config.cross_reconstruction,
        "velocity": config.velocity,
        "classification": config.classification,
        "closure": config.closure,
        "contact": config.contact,
        "phones": config.phones,
    }
    return torch.stack([weights[name] * value for name, value in parts.items()]).sum()


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    return (values * counts).sum() / counts.sum().clamp(min=1.0)
