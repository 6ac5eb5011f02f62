# SPDX-License-Identifier: GPL-3.0-or-later
"""From a batch to a loss, for the two ways to decode; and to the figures a run is watched by."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emoface_core.model.emoface import Condition, EmoFace, EmoFaceOutput, Heard, Motion, mix
from emoface_core.model.emotion_reader import EmotionReader
from emoface_core.model.losses import (
    TOUCH,
    LossConfig,
    Predicted,
    SupervisedVertices,
    Truth,
    classification,
    motion_losses,
    phone_loss,
    reconstruction,
    touching,
)
from emoface_core.model.self_growing import mixed_past, truth_share
from emoface_core.training.batches import PairedBatch, TaughtBatch
from emoface_core.training.config import SelfGrowingConfig

IN_CONTACT = 1e-3  # metres between the inner lips below which a frame counts as shut


@dataclass(frozen=True, slots=True)
class _Moved:
    """What the model and the teachers make of a batch; pairs are (predicted, truth)."""

    predicted: Predicted
    truth: Truth
    fused: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # with either emotion
    calm: tuple[Tensor, Tensor]  # with none
    layer: Tensor  # (B, N, K) what the clip's own emotion adds, by the model
    attention: Tensor  # (B, N, S)


class TaughtObjective(nn.Module):
    """The parallel model on taught motion: both emotions of the pair come from one pass."""

    def __init__(
        self,
        model: EmoFace,
        vertices: SupervisedVertices,
        config: LossConfig,
        shut_phones: tuple[int, ...],
        contact_phones: tuple[int, ...],
        silence: int = 0,
    ) -> None:
        super().__init__()
        self.model, self.vertices, self.config = model, vertices, config
        self.shut_phones, self.contact_phones, self.silence = shut_phones, contact_phones, silence

    def forward(self, batch: TaughtBatch, epoch: float, step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Losses, unweighted, by name."""
        out = self.model(batch.mel)
        with torch.autocast(batch.mel.device.type, enabled=False):
            moved = self._motion(out, batch)
            parts = motion_losses(moved.predicted, moved.truth, self.config, self.vertices.weight)
            voiced = batch.valid * (batch.phones != self.silence)
            if not isinstance(self.model.emotion_head, EmotionReader):  # that one is fitted after
                parts["classification"] = classification(out.emotion_logits, batch.voice, voiced)
            # Closures are few among the frames of speech and all of silence: phones say where.
            at_lips = batch.valid * (1.0 + 3.0 * _among(batch.phones, self.shut_phones))
            bites = _among(batch.phones, self.contact_phones)
            seen = bites > 0  # all of these, and every fourth frame
            seen[:, ::4] = True
            at_teeth = (voiced * (1.0 + 5.0 * bites))[seen]
            gap, teeth = self.vertices.lip_gap, self.vertices.teeth_gap
            closures = [touching(gap(p), gap(t), at_lips) for p, t in moved.fused]
            contacts = [
                touching(teeth(p[seen]), teeth(t[seen]), at_teeth, TOUCH) for p, t in moved.fused
            ]
            parts["closure"] = torch.stack(closures).sum()
            parts["contact"] = torch.stack(contacts).sum()
            off = (out.content.float() - batch.speech).abs()
            off = off + (moved.layer - batch.layer_self).abs()
            parts["coefficients"] = (off.mean(-1) * batch.valid).sum() / batch.valid.sum()
            parts["phones"] = phone_loss(out.phone_logits.float(), batch.phones, batch.valid)
        return parts

    def _motion(self, out: EmoFaceOutput, batch: TaughtBatch) -> _Moved:
        rows = torch.arange(len(batch.mel), device=batch.mel.device)
        layers = out.emotion_layers.float()
        own, other = layers[rows, :, batch.emotion_self], layers[rows, :, batch.emotion_cross]
        to_offsets = self.vertices.offsets
        w = self.vertices.carried(out.attention)
        content, speech = to_offsets(out.content), to_offsets(batch.speech)

        def one(layer: Tensor, taught: Tensor, intensity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            strength = intensity[:, None, None]
            felt = content + to_offsets(strength * layer)
            fused = mix(content, felt, w)
            return felt, fused, speech + to_offsets(strength * taught)

        e1, fused1, truth1 = one(own, batch.layer_self, batch.intensity_self)
        e2, fused2, truth2 = one(other, batch.layer_cross, batch.intensity_cross)
        return _Moved(
            Predicted(content, e1, fused1, e2, fused2),
            Truth(truth1, batch.valid, truth2, speech=speech),
            fused=((fused1, truth1), (fused2, truth2)),
            calm=(content, speech),
            layer=own,
            attention=w,
        )

    @torch.no_grad()
    def figures(self, batch: TaughtBatch) -> dict[str, tuple[float, float]]:
        """Sums and counts of what a run is watched by; the trainer divides."""
        out = self.model(batch.mel)
        with torch.autocast(batch.mel.device.type, enabled=False):  # metres want more than bf16
            moved = self._motion(out, batch)
        valid = batch.valid
        speaking = valid * (batch.phones > self.silence)

        def error(pair: tuple[Tensor, Tensor]) -> Tensor:
            apart = (pair[0] - pair[1])[..., self.vertices.lips, :]
            return apart.norm(dim=-1).mean(-1) * 1e3

        shut, should = (self.vertices.lip_gap(motion) < IN_CONTACT for motion in moved.calm)
        still = valid * (batch.phones == self.silence)
        right = out.phone_logits.argmax(-1) == batch.phones
        return {
            "lip error mm (speech)": _sums(error(moved.calm), speaking),
            "lip error mm (emotion)": _sums(error(moved.fused[1]), speaking),
            "lip error mm (silence)": _sums(error(moved.calm), still),
            "closure recall": _sums(shut.float(), speaking * should),
            "closure precision": _sums(should.float(), speaking * shut),
            "phone accuracy": _sums(right.float(), speaking),
            "attention": _sums(moved.attention.mean(-1), valid),
        }


class PairedObjective(nn.Module):
    """The paper's frame-by-frame model on pairs, by the self-growing scheme or another.

    `lips` are the vertices of the lips, for the figures.
    """

    lips: Tensor

    def __init__(
        self,
        model: EmoFace,
        config: LossConfig,
        growing: SelfGrowingConfig,
        epochs: float,
        seed: int,
        lips: NDArray[np.int64],
    ) -> None:
        super().__init__()
        self.model, self.config, self.growing = model, config, growing
        self.epochs, self.seed = epochs, seed
        self.register_buffer("lips", torch.from_numpy(lips), persistent=False)

    def forward(self, batch: PairedBatch, epoch: float, step: int) -> dict[str, Tensor]:
        """Losses, unweighted, by name."""
        rng = torch.Generator().manual_seed((self.seed << 32) + step)
        share = truth_share(epoch, self.epochs, self.growing.warm_up * self.epochs)
        heard = self.model.hear(batch.sound, batch.truth.shape[1])
        logits = [(self.model.emotion_head(heard.emotion), batch.voice, batch.valid)]
        truth_cross, cross = batch.truth_cross, None
        if truth_cross is not None and batch.sound_cross is None:
            own, cross, first = self._grow_together(heard, batch, share, rng)
        else:
            own, first = self._grow(heard, batch.truth, batch.condition, share, rng)
        if truth_cross is not None and batch.sound_cross is not None:
            assert batch.condition_cross is not None
            # The content of (c1, e1), brought to the length of (c1, e2), with the latter's emotion.
            crossed = self.model.hear(batch.sound, truth_cross.shape[1], batch.sound_cross)
            cross, _ = self._grow(crossed, truth_cross, batch.condition_cross, share, rng)
            if batch.voice_cross is not None and batch.valid_cross is not None:
                logits.append(
                    (self.model.emotion_head(crossed.emotion), batch.voice_cross, batch.valid_cross)
                )
        with torch.autocast(batch.truth.device.type, enabled=False):
            predicted = Predicted(
                content=own.content.float(),
                emotion_self=own.emotion.float(),
                fused_self=own.fused.float(),
                emotion_cross=cross.emotion.float() if cross else None,
                fused_cross=cross.fused.float() if cross else None,
                content_cross=cross.content.float() if cross else None,
            )
            truth = Truth(batch.truth, batch.valid, truth_cross, batch.valid_cross)
            parts = motion_losses(predicted, truth, self.config)
            if self.growing.stage_one_loss:
                parts["self"] = parts["self"] + reconstruction(
                    first.fused.float(), batch.truth, batch.valid
                )
            parts["classification"] = torch.stack(
                [classification(found, label, valid) for found, label, valid in logits]
            ).sum()
        return parts

    def _grow(
        self, heard: Heard, truth: Tensor, condition: Condition, share: float, rng: torch.Generator
    ) -> tuple[Motion, Motion]:
        """The motion of the second pass, and that of the first; other schemes have but one."""
        given = self.growing.given_first
        if self.growing.scheme == "autoregressive":
            made = self.model.generate(heard, condition, truth[:, 0] if given else None)
            return made, made
        if self.growing.scheme == "teacher_forcing":
            share = 1.0
        need_gradient = self.growing.stage_one_loss or not self.growing.detach or share == 1.0
        with torch.set_grad_enabled(need_gradient and torch.is_grad_enabled()):
            first = self._decoded(heard, truth, truth, condition)
        if share == 1.0:  # the second pass would see the very same
            return first, first
        grown = first.fused.detach() if self.growing.detach else first.fused
        past = mixed_past(truth, grown, share, rng, given_first=given)
        return self._decoded(heard, past, truth, condition), first

    def _grow_together(
        self, heard: Heard, batch: PairedBatch, share: float, rng: torch.Generator
    ) -> tuple[Motion, Motion, Motion]:
        """A pair of one sound, as one batch: both motions, and the own one's first pass."""
        assert batch.truth_cross is not None and batch.condition_cross is not None
        conditions = (batch.condition, batch.condition_cross)
        grown, first = self._grow(
            Heard(*(torch.cat([x, x]) for x in _values(heard))),
            torch.cat([batch.truth, batch.truth_cross]),
            Condition(*map(torch.cat, zip(*map(_values, conditions), strict=True))),
            share,
            rng,
        )
        return *_halves(grown), _halves(first)[0]

    def _decoded(self, heard: Heard, past: Tensor, truth: Tensor, condition: Condition) -> Motion:
        motion = self.model.decode(heard, past, condition)
        if not self.growing.given_first:
            return motion
        fused = torch.cat([truth[:, :1].to(motion.fused.dtype), motion.fused[:, 1:]], 1)
        return Motion(motion.content, motion.emotion, fused)

    @torch.no_grad()
    def figures(self, batch: PairedBatch) -> dict[str, tuple[float, float]]:
        """Error of the free-running model, and of the model that is given the truth."""
        truth, valid = batch.truth, batch.valid
        first = None
        if self.growing.given_first:
            first, valid = truth[:, 0], valid.clone()
            valid[:, 0] = 0
        heard = self.model.hear(batch.sound, truth.shape[1])
        free = (self.model.generate(heard, batch.condition, first).fused - truth).norm(dim=-1) * 1e3
        forced = (self.model.decode(heard, truth, batch.condition).fused - truth).norm(dim=-1) * 1e3
        return {
            "free-running error mm": _sums(free.mean(-1), valid),
            "free-running lip error mm": _sums(free[..., self.lips].mean(-1), valid),
            "teacher-forced error mm": _sums(forced.mean(-1), valid),
            "teacher-forced lip error mm": _sums(forced[..., self.lips].mean(-1), valid),
            "lip motion mm": _sums(  # the error of a face that never moves
                truth[..., self.lips, :].norm(dim=-1).mean(-1) * 1e3, valid
            ),
        }


def _values(record: Heard | Condition | Motion) -> tuple[Tensor, ...]:
    return tuple(getattr(record, item.name) for item in fields(record))


def _halves(motion: Motion) -> tuple[Motion, Motion]:
    one, two = zip(*(value.chunk(2) for value in _values(motion)), strict=True)
    return Motion(*one), Motion(*two)


def _among(phones: Tensor, chosen: tuple[int, ...]) -> Tensor:
    return torch.isin(phones, torch.tensor(chosen, device=phones.device)).float()


def _sums(values: Tensor, counts: Tensor) -> tuple[float, float]:
    return float((values * counts).sum()), float(counts.sum())
