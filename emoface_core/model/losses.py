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


@dataclass(frozen=True, slots=True)
class Contact:
    """A gap in metres at which two things are as good as touching, give or take `soft`."""

    gap: float
    soft: float


SHUT = Contact(0.6e-3, 0.3e-3)  # the lips
TOUCH = Contact(1.3e-3, 0.4e-3)  # the lower lip and the upper teeth


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
    contact: float = 0.0  # the lower lip at the teeth on f and v, off them elsewhere
    # The curves themselves: where shapes can stand for each other, an animator wants the right one.
    coefficients: float = 0.0
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
    carry: Tensor  # (R, S)
    weight: Tensor  # (S,) mean 1
    rim: Tensor  # (A * B,) the lower lip's edge, and
    finer: Tensor  # (…, A * B) the way to a grid twice as fine
    incisors: Tensor  # (E, 3) where the upper teeth end
    upper: Tensor  # (R, C) of the lips' edges
    lower: Tensor
    rest: Tensor  # (S, 3)
    lips: Tensor

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
            "carry": torch.from_numpy(geometry.region_weight[:, ids].copy()),
            "weight": weight / weight.mean(),
            "upper": places(geometry.upper_lip),
            "lower": places(geometry.lower_lip),
            "rest": torch.from_numpy(geometry.rest[ids]),
            "lips": places(geometry.lips),
            "rim": places(geometry.lip_edge).flatten(),
            "finer": torch.kron(*(_halved(count) for count in geometry.lip_edge.shape)),
            "incisors": torch.from_numpy(geometry.teeth_edge[::2].copy()),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)
        self.ids = ids

    def offsets(self, coefficients: Tensor) -> Tensor:
        """(B, N, K) -> (B, N, S, 3) metres."""
        return (coefficients.float() @ self.basis).unflatten(-1, (-1, 3))

    def carried(self, attention: Tensor) -> Tensor:
        """The map (B, N, R) of the regions -> (B, N, S)."""
        return attention.float() @ self.carry

    def lip_gap(self, motion: Tensor) -> Tensor:
        """(B, N, S, 3) -> (B, N) metres: as `face.measures.lip_gap`, 0 is shut as at rest."""

        def gap(y: Tensor) -> Tensor:  # lowest edge above, highest below, in every column
            return (y[..., self.upper].amin(-2) - y[..., self.lower].amax(-2)).mean(-1)

        height = self.rest[:, 1]
        return gap(height + motion[..., 1]) - gap(height)

    def teeth_gap(self, motion: Tensor) -> Tensor:
        """(…, S, 3) -> (…) metres: as `face.measures.lip_teeth_gap`, on a coarser grid."""
        rim = self.rest[self.rim] + motion[..., self.rim, :]
        square = motion.new_zeros(())
        for axis in range(3):
            line = rim[..., axis] @ self.finer.T  # (…, P)
            square = square + (line[..., None, :] - self.incisors[:, axis, None]) ** 2  # (…, E, P)
        return square.amin(-1).clamp(min=1e-8).sqrt().mean(-1)


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
                *(own[moving[own]], geometry.lips, geometry.lip_edge.ravel()),
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


def phone_loss(logits: Tensor, phones: Tensor, valid: Tensor) -> Tensor:
    """Cross-entropy of logits (B, N, P) with phones (B, N), -1 unknown, that are not quite sure."""
    return F.cross_entropy(
        logits.flatten(0, 1),
        phones.masked_fill(valid == 0, -1).flatten(),
        ignore_index=-1,
        label_smoothing=0.05,
    )


def touching(gap: Tensor, truth: Tensor, counts: Tensor, contact: Contact = SHUT) -> Tensor:
    """Cross-entropy of "they touch", read softly from two gaps (B, N) in metres."""
    logits, true = (contact.gap - gap) / contact.soft, (contact.gap - truth) / contact.soft
    shut = torch.sigmoid(true)
    loss = F.binary_cross_entropy_with_logits(logits, shut, reduction="none")
    # A truth in between is not certain itself: what is left at a perfect guess is taken off.
    floor = F.binary_cross_entropy_with_logits(true, shut, reduction="none")
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
        "coefficients": config.coefficients,
        "phones": config.phones,
    }
    return torch.stack([weights[name] * value for name, value in parts.items()]).sum()


def _halved(count: int) -> Tensor:
    """(2 count - 1, count) matrix that adds the middles between values in a row."""
    finer = torch.zeros(2 * count - 1, count)
    finer[::2] = torch.eye(count)
    finer[1::2] = 0.5 * (torch.eye(count)[1:] + torch.eye(count)[:-1])
    return finer


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    return (values * counts).sum() / counts.sum().clamp(min=1.0)
