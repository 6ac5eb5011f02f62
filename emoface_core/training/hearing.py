# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning to hear: phones alone, by the content encoder alone, before it learns to move a face.

It goes through three times the speech in the same time, and no other loss pulls at the features.
"""

import torch
from torch import Tensor, nn

from emoface_core.model.emoface import EmoFace
from emoface_core.model.losses import phone_loss
from emoface_core.training.batches import TaughtBatch
from emoface_core.training.phones import PHONES, VISEME_OF


class HearingObjective(nn.Module):
    """The parallel model's phones on taught speech."""

    visemes: Tensor

    def __init__(self, model: EmoFace) -> None:
        super().__init__()
        self.model = model
        table = torch.tensor([VISEME_OF[phone] for phone in PHONES])
        self.register_buffer("visemes", table, persistent=False)

    def forward(self, batch: TaughtBatch, epoch: float, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """The loss by its name."""
        return {"phones": phone_loss(self._logits(batch), batch.phones, batch.valid)}

    @torch.no_grad()
    def figures(self, batch: TaughtBatch) -> dict[str, tuple[float, float]]:
        """Frames of speech whose phone, and whose viseme, is heard; and how many there are."""
        heard = self._logits(batch).argmax(-1)
        counts = batch.valid * (batch.phones > 0)
        right = heard == batch.phones
        alike = self.visemes[heard] == self.visemes[batch.phones.clamp(min=0)]
        return {
            "phone accuracy": (float((right * counts).sum()), float(counts.sum())),
            "viseme accuracy": (float((alike * counts).sum()), float(counts.sum())),
        }

    def _logits(self, batch: TaughtBatch) -> Tensor:
        logits: Tensor = self.model.phone_head(self.model.content_encoder(batch.mel))
        return logits.float()
