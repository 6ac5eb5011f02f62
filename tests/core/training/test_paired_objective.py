# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame-by-frame model's ways to come by its past: grown, forced, its own, or begun for it."""

from dataclasses import replace

import pytest
import torch

from emoface_core.errors import InputError
from emoface_core.model.losses import LossConfig
from emoface_core.training.config import SelfGrowingConfig
from emoface_core.training.objectives import PairedObjective
from tests.core.training.test_trainer import Pairs, paper_config, trainer

BATCH = Pairs().batch(0)


def objective(epochs: float = 1.0, **growing) -> PairedObjective:
    from emoface_core.model.emoface import EmoFace
    from tests.core.tiny_face import PHONES, tiny_geometry, tiny_paper_config

    torch.manual_seed(0)
    config = tiny_paper_config()
    geometry = tiny_geometry(config.attention)
    model = EmoFace(config, geometry, PHONES)
    for head in (model.content_out, model.emotion_out):
        torch.nn.init.normal_(head.weight)
    settings = SelfGrowingConfig(**({"warm_up": 0.0} | growing))
    return PairedObjective(model, LossConfig(), settings, epochs, seed=0, lips=geometry.lips)


def grown(made: PairedObjective, share: float):
    heard = made.model.hear(BATCH.sound, 20)
    rng = torch.Generator().manual_seed(0)
    motion, _ = made._grow(heard, BATCH.truth, BATCH.condition, share, rng)
    return heard, motion.fused


def test_full_autoregression_is_what_inference_does_with_a_gradient_through_time():
    made = objective(scheme="autoregressive")
    heard, motion = grown(made, 0.5)
    free = made.model.generate(heard, BATCH.condition).fused
    torch.testing.assert_close(motion, free)
    seen = made.model.content_in.weight.grad
    assert seen is None
    motion[:, -1].sum().backward()  # the last frame alone hears of its past through the input
    assert float(made.model.content_in.weight.grad.abs().max()) > 0


def test_teacher_forcing_sees_the_truth_alone_and_growing_its_own_in_the_end():
    made = objective(scheme="teacher_forcing")
    heard, forced = grown(made, 0.0)
    torch.testing.assert_close(forced, made.model.decode(heard, BATCH.truth, BATCH.condition).fused)
    made = objective()
    heard, motion = grown(made, 0.0)
    first = made.model.decode(heard, BATCH.truth, BATCH.condition).fused
    torch.testing.assert_close(motion, made.model.decode(heard, first, BATCH.condition).fused)
    assert not torch.allclose(motion, forced)


def test_a_run_of_less_than_an_epoch_grows_too():
    made = objective(epochs=0.5)

    def loss(epoch: float, step: int = 0) -> float:
        return made(BATCH, epoch, step)["self"].item()

    assert len({loss(0.0), loss(0.1), loss(0.4)}) == 3
    assert loss(0.3, 7) == loss(0.49, 8)  # all its own by then


@pytest.mark.parametrize("scheme", ["self_growing", "teacher_forcing", "autoregressive"])
@pytest.mark.parametrize("share", [1.0, 0.0])
def test_a_given_first_frame_is_the_truths_and_costs_nothing(scheme, share):
    made = objective(scheme=scheme, given_first=True)
    _, motion = grown(made, share)
    assert torch.equal(motion[:, 0], BATCH.truth[:, 0])
    _, plain = grown(objective(scheme=scheme), share)
    assert not torch.allclose(motion[:, 0], plain[:, 0])


def test_figures_of_a_given_first_frame_begin_after_it():
    made = objective(given_first=True)
    found = made.figures(BATCH)
    assert found["free-running error mm"][1] == 19
    heard = made.model.hear(BATCH.sound, 20)
    free = made.model.generate(heard, BATCH.condition, BATCH.truth[:, 0]).fused
    error = (free - BATCH.truth).norm(dim=-1).mean() * 1e3 * 20
    assert found["free-running error mm"][0] == pytest.approx(error.item(), rel=1e-4)
    assert float(BATCH.valid.sum()) == 20  # the batch is left as it was


def test_a_partner_that_sounds_the_same_is_heard_once():
    made = objective()
    apart = replace(BATCH, sound_cross=BATCH.sound, voice_cross=None)
    one, two = (made(batch, 0.0, 0) for batch in (apart, replace(apart, sound_cross=None)))
    for name, value in one.items():
        torch.testing.assert_close(value, two[name])


@pytest.mark.parametrize(
    ("scheme", "epochs"), [("self_growing", 12), ("teacher_forcing", 12), ("autoregressive", 5)]
)
def test_every_scheme_learns(tmp_path, scheme, epochs):
    settings = paper_config(tmp_path, epochs=epochs)
    growing = replace(settings.self_growing, scheme=scheme)
    run = trainer(replace(settings, self_growing=growing))
    before = run.evaluate()["free-running error mm"]
    run.train()
    assert run.evaluate()["free-running error mm"] < 0.8 * before


def test_an_unknown_scheme():
    with pytest.raises(InputError, match="curriculum"):
        SelfGrowingConfig(scheme="curriculum")
