# SPDX-License-Identifier: GPL-3.0-or-later
"""What a data set offers to the trainer: batches by number, so that a resumed run sees the same."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from emoface_core.model.emoface import Condition


class _Movable:
    """Gives a dataclass of tensors a way onto a device."""

    def to(self, device: torch.device) -> Self:
        def moved(value: object) -> object:
            if isinstance(value, Condition):
                return Condition(*(getattr(value, f.name).to(device) for f in fields(Condition)))
            return value.to(device) if isinstance(value, Tensor) else value

        changes = {f.name: moved(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]
        return replace(self, **changes)  # type: ignore[type-var]


@dataclass(frozen=True)
class TaughtBatch(_Movable):
    """Clips with motion in coefficients of the rig, each with its own emotion and another."""

    mel: Tensor  # (B, 2N, 80)
    valid: Tensor  # (B, N) 1 where the frame counts
    speech: Tensor  # (B, N, K) motion without emotion
    layer_self: Tensor  # (B, N, K) what the clip's own emotion adds at intensity 1
    layer_cross: Tensor  # (B, N, K) what another emotion would add
    emotion_self: Tensor  # (B,) index of the emotion
    emotion_cross: Tensor  # (B,)
    intensity_self: Tensor  # (B,)
    intensity_cross: Tensor  # (B,)
    phones: Tensor  # (B, N) index into the phones, -1 unknown
    voice: Tensor  # (B,) emotion heard in the voice, -1 unknown: what the classifier learns


@dataclass(frozen=True)
class PairedBatch(_Movable):
    """The paper's: a clip (c1, e1) and, if there is one, its partner (c1, e2), as vertices."""

    sound: Tensor  # (B, S) samples, or (B, 2N, 80) for mel encoders
    truth: Tensor  # (B, N, V, 3) offsets, metres
    valid: Tensor  # (B, N)
    condition: Condition
    voice: Tensor  # (B,) emotion label, -1 unknown
    sound_cross: Tensor | None = None  # None: the partner sounds the same, and is as long
    truth_cross: Tensor | None = None
    valid_cross: Tensor | None = None
    condition_cross: Condition | None = None
    voice_cross: Tensor | None = None


Batch = TaughtBatch | PairedBatch


class BatchSource(Protocol):
    """A data set. Batch `index` is the same however often, and in whatever order, it is asked."""

    @property
    def batches_per_epoch(self) -> int: ...

    @property
    def hours_per_batch(self) -> float:
        """Hours of audio in one batch, for the log."""
        ...

    def batch(self, index: int) -> Batch: ...

    def held_out(self) -> Iterator[Batch]:
        """Batches of clips that training never sees, always the same."""
        ...
