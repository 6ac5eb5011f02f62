# SPDX-License-Identifier: GPL-3.0-or-later
"""The trainer: it learns, it repeats to the bit, it stops and goes on as if it had not."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from emoface_core.errors import InputError
from emoface_core.model.checkpoint import (
    best_weights,
    load_model,
    load_tensors,
    model_of,
    save_tensors,
)
from emoface_core.model.config import EncoderConfig, ModelConfig
from emoface_core.model.emoface import Condition
from emoface_core.model.export import main as export_main
from emoface_core.model.losses import LossConfig, weighted_sum
from emoface_core.training.batches import PairedBatch, TaughtBatch
from emoface_core.training.config import (
    DataConfig,
    OptimiserConfig,
    RunConfig,
    SelfGrowingConfig,
    TrainingConfig,
    read_config,
)
from emoface_core.training.starting import settled
from emoface_core.training.trainer import CHECKPOINT, Trainer, learning_rate
from tests.core.tiny_face import tiny_config, tiny_geometry, tiny_paper_config

CONFIGS = Path(__file__).parents[3] / "emoface_core" / "training" / "configs"


@dataclass
class Ramps:
    """Clips whose motion is simply what the mel bands say, so that there is something to learn."""

    batches_per_epoch: int = 4
    hours_per_batch: float = 0.01

    def batch(self, index: int) -> TaughtBatch:
        rng = torch.Generator().manual_seed(index)
        mel = torch.randn(3, 60, 80, generator=rng)
        mel = torch.cumsum(mel, 1) / 4
        speech = mel[:, ::2, :6].sigmoid()
        return TaughtBatch(
            mel=mel,
            valid=torch.ones(3, 30),
            speech=speech,
            layer_self=speech.flip(-1) * 0.5,
            layer_cross=speech.roll(1, -1) * 0.5,
            emotion_self=torch.tensor([2, 3, 4]),
            emotion_cross=torch.tensor([5, 6, 7]),
            intensity_self=torch.tensor([1.0, 0.5, 0.0]),
            intensity_cross=torch.ones(3),
            phones=(mel[:, ::2, 0] > 0).long(),
            voice=torch.tensor([2, -1, 4]),
        )

    def held_out(self) -> Iterator[TaughtBatch]:
        yield self.batch(10**6)


class Pairs(Ramps):
    """The same for the frame-by-frame model: clips of one, two emotions, two lengths."""

    def held_out(self) -> Iterator[PairedBatch]:
        yield self.batch(0)  # so few clips teach nothing about others

    def batch(self, index: int) -> PairedBatch:
        rng = torch.Generator().manual_seed(index % 2)
        mel = torch.cumsum(torch.randn(1, 40, 80, generator=rng), 1) / 4
        truth = (0.01 * mel[:, ::2, :1, None].sigmoid()).expand(1, 20, 42, 3)

        def chosen(emotion: int) -> Condition:
            return Condition(torch.eye(8)[[emotion]], torch.ones(1), torch.eye(2)[:1])

        return PairedBatch(
            sound=mel,
            truth=truth,
            valid=torch.ones(1, 20),
            condition=chosen(2),
            voice=torch.tensor([2]),
            sound_cross=mel.flip(1),
            truth_cross=1.2 * truth,
            valid_cross=torch.ones(1, 20),
            condition_cross=chosen(3),
            voice_cross=torch.tensor([3]),
        )


def config(out: Path, **run) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_config(),
        loss=LossConfig(content_target="speech", vertices="chosen", closure=0.1, phones=0.1),
        optimiser=OptimiserConfig(rate=3e-3, warm_up_steps=5, average=0.9, accumulate=2),
        run=RunConfig(out=str(out), **({"steps": 12, "precision": "fp32", "log_steps": 4} | run)),
    )


def paper_config(out: Path, **run) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_paper_config(),
        optimiser=OptimiserConfig(rate=1e-3, warm_up_steps=0, average=0.0),
        self_growing=SelfGrowingConfig(warm_up=0.25),
        run=RunConfig(out=str(out), **({"steps": 0, "epochs": 4, "precision": "fp32"} | run)),
    )


def trainer(settings: TrainingConfig) -> Trainer:
    paper = settings.model.decoding == "frame_by_frame"
    geometry = tiny_geometry(settings.model.attention)
    return Trainer(settings, geometry, Pairs() if paper else Ramps())


def weights(run: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns(tmp_path, precision):
    run = trainer(config(tmp_path, steps=60, precision=precision))
    first = run.train_step()["total"]
    for _ in range(58):
        run.train_step()
    assert run.train_step()["total"] < 0.6 * first


def test_figures_are_taken_in_full_precision(tmp_path, monkeypatch):
    run = trainer(config(tmp_path))
    batch = run.source.batch(0)
    with torch.no_grad():
        said = run.model(batch.mel)
    monkeypatch.setattr(run.model, "forward", lambda _mel: said)
    exact = run.objective.figures(batch)
    with torch.autocast("cpu", torch.bfloat16):
        assert run.objective.figures(batch) == exact


def test_the_papers_way_learns_and_its_figures_tell_free_from_forced(tmp_path):
    run = trainer(paper_config(tmp_path, epochs=20))
    before = run.evaluate()
    run.train()
    after = run.evaluate()
    assert {"free-running error mm", "teacher-forced error mm"} < set(before)
    assert after["free-running error mm"] < 0.5 * before["free-running error mm"]


def test_the_papers_way_in_bf16_and_over_several_batches_a_step(tmp_path):
    settings = paper_config(tmp_path, epochs=20, precision="bf16")
    run = trainer(replace(settings, optimiser=replace(settings.optimiser, accumulate=2)))
    assert run.steps == 40
    before = run.evaluate()["free-running error mm"]
    run.train()
    assert run.evaluate()["free-running error mm"] < 0.7 * before
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}


def test_accumulated_gradients_are_those_of_all_the_batches(tmp_path):
    settings = config(tmp_path)
    run = trainer(replace(settings, optimiser=replace(settings.optimiser, rate=0.0, clip=0.0)))
    run.train_step()  # batches 0 and 1
    summed = {n: p.grad.clone() for n, p in run.model.named_parameters() if p.grad is not None}
    run.model.zero_grad()
    for number in (0, 1):
        parts = run.objective(run.source.batch(number), 0.0, number)
        (weighted_sum(parts, settings.loss) / 2).backward()
    for name, parameter in run.model.named_parameters():
        if name in summed:
            torch.testing.assert_close(parameter.grad, summed[name])


def test_encoders_may_begin_as_those_of_a_trained_model(tmp_path):
    path = trainer(config(tmp_path / "first")).save()
    made = paper_config(tmp_path / "paper", encoders=str(path), seed=5)
    made = settled(replace(made, model=replace(made.model, content=EncoderConfig(frozen=True))))
    assert made.model.content == replace(tiny_config().content, frozen=True)
    run = trainer(made)
    found = best_weights(load_tensors(path)[0])
    name = "content_encoder.stem.weight"
    assert torch.equal(run.model.state_dict()[name], found[name])
    before = weights(run)
    run.train_step()
    after = weights(run)
    assert torch.equal(after[name], before[name])
    assert not torch.equal(
        after["emotion_encoder.stem.weight"], before["emotion_encoder.stem.weight"]
    )


def test_a_model_may_be_built_as_the_one_it_starts_from(tmp_path):
    path = trainer(config(tmp_path / "first")).save()
    other = replace(
        config(tmp_path / "next", start=str(path), like_start=True), model=ModelConfig()
    )
    assert settled(other).model == tiny_config()
    assert settled(config(tmp_path / "plain")).model == tiny_config()
    assert model_of("bundled").decoding == "parallel"


def test_same_seed_same_weights(tmp_path):
    runs = [trainer(config(tmp_path / str(i), seed=seed)) for i, seed in enumerate((1, 1, 2))]
    for run in runs:
        run.train()
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize("make", [config, paper_config])
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path, make):
    whole = trainer(make(tmp_path / "whole"))
    whole.train()
    stopped = trainer(make(tmp_path / "stopped"))
    for _ in range(5):
        stopped.train_step()
    stopped.save()
    stopped.train_step()  # done after the checkpoint, and lost
    torch.manual_seed(99)
    again = trainer(make(tmp_path / "stopped"))
    again.resume()
    assert again.step == 5
    again.train()
    assert same(weights(whole), weights(again))
    assert same(whole.best.state_dict(), again.best.state_dict())


def test_a_time_limit_ends_a_run_with_a_checkpoint(tmp_path):
    run = trainer(config(tmp_path, steps=10_000))
    run.train(time_limit=0.0)
    assert run.step == 1
    assert load_tensors(tmp_path / CHECKPOINT)[1]["step"] == 1


def test_logs_hold_every_part_and_forget_what_is_done_again(tmp_path):
    settings = config(tmp_path, evaluate_steps=4)
    reports = []
    run = trainer(settings)
    run.train(report=reports.append)
    assert [p.step for p in reports] == [4, 8, 12] and reports[-1].figures
    run.step = 8
    run.save()
    again = trainer(settings)
    again.resume()
    again.train()
    for name in ("log.csv", "held_out.csv"):
        rows = list(csv.DictReader((tmp_path / name).open(encoding="utf-8")))
        assert [row["step"] for row in rows] == ["4", "8", "12"]
    rows = list(csv.DictReader((tmp_path / "log.csv").open(encoding="utf-8")))
    assert {"self", "cross", "velocity", "closure", "phones"} <= set(rows[0])


def test_hearing_is_learnt_by_the_ears_alone(tmp_path):
    made = trainer(config(tmp_path, learn="hearing", steps=40))
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    first = made.evaluate()
    made.train()
    assert made.evaluate()["phone accuracy"] > first["phone accuracy"] + 0.1
    moved = {k for k, value in made.model.state_dict().items() if (value != before[k]).any()}
    assert {name.split(".")[0] for name in moved} == {"content_encoder", "phone_head"}
    _, state = load_tensors(tmp_path / CHECKPOINT)
    assert state["step"] == 40


def test_hearing_needs_phones():
    with pytest.raises(InputError, match="from a corpus with phones"):
        TrainingConfig(run=RunConfig(learn="hearing"), data=DataConfig(kind="vocaset"))


def test_the_export_is_the_averaged_model(tmp_path):
    run = trainer(config(tmp_path))
    run.train()
    folder = run.export()
    loaded = load_model(folder, run.geometry)
    assert same(loaded.state_dict(), run.average.state_dict())


def test_a_checkpoint_is_refused_where_it_does_not_fit(tmp_path, capsys):
    trainer(config(tmp_path)).save()
    other = replace(
        config(tmp_path),
        model=tiny_config(styles=0, decoder=replace(tiny_config().decoder, width=32)),
    )
    with pytest.raises(InputError, match="do not fit"):
        trainer(other).resume()
    with pytest.raises(InputError, match="no checkpoint"):
        trainer(config(tmp_path / "elsewhere")).resume()
    (tmp_path / "x.safetensors").write_bytes(b"no")
    assert export_main([str(tmp_path / "x.safetensors"), "-o", str(tmp_path / "m")]) == 2
    assert "not a checkpoint" in capsys.readouterr().err


def test_a_run_may_begin_with_given_weights_even_of_another_mesh(tmp_path):
    first = trainer(config(tmp_path / "first"))
    first.train_step()
    path = first.save()
    begun = trainer(config(tmp_path / "again", start=str(path), seed=7))
    assert same(weights(begun), first.best.state_dict()) and begun.step == 0
    exported = tmp_path / "model.safetensors"
    save_tensors(exported, dict(first.best.state_dict()), {})
    again = trainer(config(tmp_path / "exported", start=str(exported), seed=7))
    assert same(weights(again), first.best.state_dict())
    full = tiny_config(attention=replace(tiny_config().attention, mesh="full"))
    other = trainer(replace(config(tmp_path / "other", start=str(path)), model=full))
    assert other.model.attention.vertex.shape == (42, 4)
    assert torch.equal(other.model.phone_head.weight, first.best.phone_head.weight)


def test_learning_rate():
    settings = OptimiserConfig(rate=1.0, warm_up_steps=10)
    assert learning_rate(0, 110, settings) == pytest.approx(0.1)
    assert learning_rate(9, 110, settings) == pytest.approx(1.0)
    assert learning_rate(60, 110, settings) == pytest.approx(0.01 + 0.99 * 0.5)
    assert learning_rate(110, 110, settings) == pytest.approx(0.01)
    assert learning_rate(20, 110, settings, 0.5) == learning_rate(60, 110, settings)
    assert learning_rate(60, 110, settings, 0.2) == learning_rate(60, 110, settings)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_packaged_configurations_are_valid(path):
    assert isinstance(read_config(path), TrainingConfig)


def test_a_wrong_file_is_explained(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("[run]\nstep = 3\n", "utf-8")
    with pytest.raises(InputError, match="step"):
        read_config(path)
    path.write_text("[run", "utf-8")
    with pytest.raises(InputError, match="TOML"):
        read_config(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.toml")


GROUP = """
import sys, time
from pathlib import Path
from tests.core.training.test_trainer import Pairs, Ramps, config, paper_config, tiny_geometry
from emoface_core.training.trainer import Ranks, Trainer
paper = sys.argv[2] == "frame_by_frame"
timed = dict(anneal="time", checkpoint_minutes=0.001)
settings = (paper_config if paper else config)(Path(sys.argv[1]), device="cpu", steps=3, **timed)
with Ranks("cpu") as ranks:
    source = Pairs() if paper else Ramps()
    run = Trainer(settings, tiny_geometry(settings.model.attention), source, ranks)
    clock = time.monotonic
    time.monotonic = lambda: clock() * (1 + 50 * ranks.rank)  # one thinks that it has been long
    run.train(time_limit=60.0)
    total = sum(float(p.detach().double().sum()) for p in run.model.parameters())
    sys.stdout.write(f"{ranks.rank} {total!r}\\n")
"""


@pytest.mark.parametrize("decoding", ["parallel", "frame_by_frame"])
def test_two_processes_train_one_model(tmp_path, decoding):
    script = tmp_path / "group.py"
    script.write_text(GROUP, "utf-8")
    found = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *(str(script), str(tmp_path / "run"), decoding),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=CONFIGS.parents[2],
        env={**os.environ, "PYTHONPATH": str(CONFIGS.parents[2])},
    )
    totals = dict(line.split() for line in found.stdout.splitlines())
    assert totals.keys() == {"0", "1"} and totals["0"] == totals["1"]
    assert load_tensors(tmp_path / "run" / CHECKPOINT)[1]["step"] == 3
