# SPDX-License-Identifier: GPL-3.0-or-later
"""The trainer: on a CPU, one GPU, or many by torchrun; ends, resumes and repeats to the bit.

A step's batches, the learning rate and the random numbers are functions of the step's number, so
that a checkpoint needs no more than weights, the optimiser's moments and torch's generator.
"""

import argparse
import copy
import csv
import dataclasses
import math
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.model.checkpoint import load_tensors, load_weights, save_tensors
from emoface_core.model.emoface import EmoFace
from emoface_core.model.export import export_model
from emoface_core.model.geometry import FaceGeometry, face_geometry
from emoface_core.model.losses import SupervisedVertices, weighted_sum
from emoface_core.training.batches import BatchSource
from emoface_core.training.config import (
    OptimiserConfig,
    TrainingConfig,
    packaged_configs,
    read_config,
)
from emoface_core.training.dataset import open_source
from emoface_core.training.emotion_reading import read_emotions
from emoface_core.training.hearing import HearingObjective
from emoface_core.training.objectives import PairedObjective, TaughtObjective
from emoface_core.training.phones import BILABIALS, LABIODENTALS, PHONE_INDEX, PHONES
from emoface_core.training.starting import load_start, settled

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run reports after a step."""

    step: int
    steps: int
    loss: float
    audio_hours: float  # heard so far
    speed: float  # audio hours per hour
    figures: Mapping[str, float]  # of the held-out clips; empty unless just evaluated


Report = Callable[[Progress], None]


def main(arguments: list[str]) -> int:
    """`train CONFIG [--data FOLDER] [--out FOLDER] [--resume] …`: train as a TOML file says."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core train", description=__doc__)
    parser.add_argument(
        "config",
        type=Path,
        help="a TOML file, or the name of a packaged one: " + ", ".join(packaged_configs()),
    )
    parser.add_argument("--data", metavar="FOLDER", help="in the place of data.corpus")
    parser.add_argument("--out", metavar="FOLDER", help="in the place of run.out")
    parser.add_argument("--steps", type=int, metavar="N", help="in the place of run.steps")
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument(
        "--time-limit", type=float, metavar="MINUTES", help="stop in time, with a checkpoint"
    )
    options = parser.parse_args(arguments)
    config = read_config(packaged_configs().get(str(options.config), options.config))
    given = {"out": options.out, "steps": options.steps}
    config = replace(
        config,
        data=replace(config.data, corpus=options.data or config.data.corpus),
        run=replace(config.run, **{k: value for k, value in given.items() if value is not None}),
    )
    folder = run(config, resume=options.resume, time_limit=options.time_limit, report=_say)
    what = "checkpoint" if config.run.learn == "hearing" else "model"
    sys.stdout.write(f"The {what} is in {folder}\n")
    return 0


def run(
    config: TrainingConfig,
    *,
    resume: bool = False,
    time_limit: float | None = None,
    report: Report | None = None,
) -> Path:
    """Train, perhaps on from a checkpoint, for `time_limit` minutes at most, and export.

    Gives the folder of the trained model, as engines read it; of a run that learns hearing alone,
    the folder of its checkpoint.
    """
    config = settled(config)
    geometry = face_geometry(load_head(), config.model.attention)
    with Ranks(config.run.device) as ranks:
        source = open_source(config, geometry)
        trainer = Trainer(config, geometry, source, ranks)
        if resume:
            trainer.resume()
        trainer.train(time_limit=time_limit, report=report)
        return trainer.out if config.run.learn == "hearing" else trainer.export()


class Ranks:
    """The processes of one run: alone, or the group that torchrun started."""

    def __init__(self, device: str = "auto") -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda":
            device = f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}"
        self.device = torch.device(device)

    def __enter__(self) -> "Ranks":
        if self.count > 1:
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            torch.distributed.init_process_group(backend)
        return self

    def __exit__(self, *_: object) -> None:
        if self.count > 1:
            torch.distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        return self.rank == 0

    def longest(self, seconds: float) -> float:
        """The same time everywhere: whatever hangs on a clock, all must do at the same step."""
        if self.count == 1:
            return seconds
        value = torch.tensor(seconds, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
        return float(value)

    def wait(self) -> None:
        if self.count > 1:
            torch.distributed.barrier()


class Trainer:
    """One run of a configuration on a data set."""

    def __init__(
        self,
        config: TrainingConfig,
        geometry: FaceGeometry,
        source: BatchSource,
        ranks: Ranks | None = None,
    ) -> None:
        self.config, self.geometry, self.source = config, geometry, source
        self.ranks = ranks or Ranks(config.run.device)
        self.out = Path(config.run.out)
        self.step = 0
        self.time_spent = 0.0  # share of a time limit, where the rate is to follow it
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(config.run.seed)
        self.model = EmoFace(config.model, geometry, len(PHONES)).to(self.ranks.device)
        load_start(self.model, config.run)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        per_epoch = max(
            1, source.batches_per_epoch // (config.optimiser.accumulate * self.ranks.count)
        )
        self.steps_per_epoch = per_epoch
        self.steps = config.run.steps or config.run.epochs * per_epoch
        self.objective = self._objective(self.model).to(self.ranks.device)
        self.optimiser = _optimiser(self.model, config.optimiser)
        self.parallel: nn.Module = self.objective
        if self.ranks.count > 1:
            # Buffers are the face's, alike everywhere, and sparse ones cannot be sent.
            self.parallel = nn.parallel.DistributedDataParallel(
                self.objective, find_unused_parameters=True, broadcast_buffers=False
            )

    def train(self, *, time_limit: float | None = None, report: Report | None = None) -> None:
        """Run to the last step, or for `time_limit` minutes; always ends with a checkpoint."""
        run = self.config.run
        self.out.mkdir(parents=True, exist_ok=True)
        started, saved = time.monotonic(), 0.0  # saved: seconds after that
        began = self.step
        parts: dict[str, list[float]] = defaultdict(list)
        while self.step < self.steps:
            for name, value in self.train_step().items():
                parts[name].append(value)
            elapsed = self.ranks.longest(time.monotonic() - started)
            figures: dict[str, float] = {}
            if self.step % run.evaluate_steps == 0 or self.step == self.steps:
                figures = self.evaluate()
            if self.step % run.log_steps == 0 or figures:
                means = {name: sum(values) / len(values) for name, values in parts.items()}
                parts.clear()
                hours = self.hours_per_step * (self.step - began)
                progress = Progress(
                    self.step,
                    self.steps,
                    means["total"],
                    self.hours_per_step * self.step,
                    hours / elapsed * 3600,
                    figures,
                )
                self._log(progress, means)
                if report is not None and self.ranks.first:
                    report(progress)
            if time_limit is not None and elapsed > 60 * time_limit:
                break
            if run.anneal == "time" and time_limit:
                self.time_spent = elapsed / (60 * time_limit)
            if elapsed - saved > 60 * run.checkpoint_minutes:
                self.save()
                saved = elapsed
        self.save()

    @property
    def hours_per_step(self) -> float:
        per_batch = self.source.hours_per_batch
        return per_batch * self.config.optimiser.accumulate * self.ranks.count

    def train_step(self) -> dict[str, float]:
        """One step of the optimiser; gives the losses' parts, unweighted, and their total."""
        settings = self.config.optimiser
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, settings, self.time_spent)
        self.optimiser.zero_grad(set_to_none=True)
        sums: dict[str, float] = defaultdict(float)
        for turn in range(settings.accumulate):
            number = (self.step * settings.accumulate + turn) * self.ranks.count + self.ranks.rank
            batch = self.source.batch(number).to(self.ranks.device)
            with self._autocast():
                parts = self.parallel(batch, self.step / self.steps_per_epoch, number)
            total = weighted_sum(parts, self.config.loss)
            (total / settings.accumulate).backward()
            for name, value in {**parts, "total": total}.items():
                sums[name] += float(value.detach()) / settings.accumulate
        norm = nn.utils.clip_grad_norm_(
            self.model.parameters(), settings.clip if settings.clip else math.inf
        )
        if not math.isfinite(float(norm)):
            raise InputError(
                f"Training broke down at step {self.step}: the gradient is not finite.",
                "Lower optimiser.rate, or set run.precision to “fp32”.",
            )
        self.optimiser.step()
        self.step += 1
        if settings.average:
            self._average(settings.average)
        return {**sums, "gradient": float(norm)}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Figures of the averaged weights on the held-out clips (on the first rank alone)."""
        if not self.ranks.first:
            return {}
        objective = self._objective(self.best).to(self.ranks.device).eval()
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for batch in self.source.held_out():
            with self._autocast():
                # A configuration's source gives the batches that its objective takes.
                found = objective.figures(batch.to(self.ranks.device))  # type: ignore[arg-type]
            for name, (value, count) in found.items():
                sums[name][0] += value
                sums[name][1] += count
        return {name: value / count for name, (value, count) in sums.items() if count}

    @property
    def best(self) -> EmoFace:
        """The averaged weights, or the plain ones if no average is kept."""
        return self.average if self.config.optimiser.average else self.model

    # --- to and from disk -----------------------------------------------------------------------

    def save(self) -> Path:
        """Write the checkpoint: all that is needed to go on exactly from here."""
        path = self.out / CHECKPOINT
        if self.ranks.first:
            self.out.mkdir(parents=True, exist_ok=True)
            tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
            if self.config.optimiser.average:
                tensors |= {f"ema.{k}": value for k, value in self.average.state_dict().items()}
            for index, moments in self.optimiser.state_dict()["state"].items():
                for name, value in moments.items():
                    tensors[f"optimiser.{index}.{name}"] = torch.as_tensor(value)
            tensors["rng.cpu"] = torch.get_rng_state()
            if self.ranks.device.type == "cuda":
                tensors["rng.cuda"] = torch.cuda.get_rng_state(self.ranks.device)
            state = {
                "step": self.step,
                "model": dataclasses.asdict(self.config.model),
                "phones": PHONES,
                "training": self.card(),
            }
            save_tensors(path, tensors, state)
        self.ranks.wait()
        return path

    def resume(self) -> None:
        """Go on from the checkpoint in the run's folder; InputError if there is none."""
        path = self.out / CHECKPOINT
        tensors, state = load_tensors(path)

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        load_weights(self.model, under("model."), f"“{path}”")
        load_weights(self.average, under("ema.") or under("model."), f"“{path}”")
        moments: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for name, value in under("optimiser.").items():
            index, field = name.split(".", 1)
            moments[int(index)][field] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": dict(moments), "param_groups": groups})
        torch.set_rng_state(tensors["rng.cpu"])
        if "rng.cuda" in tensors and self.ranks.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.ranks.device)
        self.step = int(state["step"])
        if self.ranks.first:
            self._forget_after(self.step)

    def export(self) -> Path:
        """Write the model's folder as engines read it; gives its path."""
        folder = self.out / "model"
        if self.ranks.first:
            model = copy.deepcopy(self.best).cpu()
            card = self.card() | read_emotions(model, Path(self.config.data.corpus))
            export_model(model, self.geometry, PHONES, folder, card)
        self.ranks.wait()
        return folder

    def card(self) -> dict[str, Any]:
        """How the weights came to be, for the model's card."""
        return {
            "steps": self.step,
            "audio_hours": round(self.hours_per_step * self.step, 2),
            "seed": self.config.run.seed,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }

    # --- inside ---------------------------------------------------------------------------------

    def _objective(self, model: EmoFace) -> TaughtObjective | PairedObjective | HearingObjective:
        config = self.config
        if config.run.learn == "hearing":
            return HearingObjective(model)
        if config.model.decoding == "frame_by_frame":
            return PairedObjective(
                model,
                config.loss,
                config.self_growing,
                epochs=self.steps / self.steps_per_epoch,
                seed=config.run.seed,
                lips=self.geometry.lips,
            )
        return TaughtObjective(
            model,
            SupervisedVertices(self.geometry, config.loss),
            config.loss,
            tuple(sorted(PHONE_INDEX[phone] for phone in BILABIALS)),
            tuple(sorted(PHONE_INDEX[phone] for phone in LABIODENTALS)),
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.ranks.device.type, torch.bfloat16, enabled=self.config.run.precision == "bf16"
        )

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        # Early on the average follows quickly, or it would long remember the random start.
        decay = min(decay, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)

    def _log(self, progress: Progress, parts: Mapping[str, float]) -> None:
        if not self.ranks.first:
            return
        row = {
            "step": progress.step,
            "rate": self.optimiser.param_groups[0]["lr"],
            "audio_hours": progress.audio_hours,
            "speed": progress.speed,
            **parts,
        }
        _append(self.out / "log.csv", row)
        if progress.figures:
            _append(self.out / "held_out.csv", {"step": progress.step, **progress.figures})

    def _forget_after(self, step: int) -> None:
        """Drop the logs' rows of steps that will be made again."""
        for path in (self.out / "log.csv", self.out / "held_out.csv"):
            if path.is_file():
                lines = path.read_text(encoding="utf-8").splitlines()
                kept = [line for line in lines[1:] if int(line.split(",", 1)[0]) <= step]
                path.write_text("\n".join([*lines[:1], *kept]) + "\n", encoding="utf-8")


def learning_rate(
    step: int, steps: int, settings: OptimiserConfig, time_spent: float = 0.0
) -> float:
    """Linear warm-up, then a cosine to a hundredth; `time_spent` (0 to 1) may be ahead of it."""
    if step < settings.warm_up_steps:
        return settings.rate * (step + 1) / settings.warm_up_steps
    done = (step - settings.warm_up_steps) / max(1, steps - settings.warm_up_steps)
    done = min(1.0, max(done, time_spent))
    return settings.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def _optimiser(model: EmoFace, settings: OptimiserConfig) -> torch.optim.Optimizer:
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [  # biases, norms and scales are not decayed
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=settings.rate, betas=(settings.beta1, settings.beta2), fused=True
    )


def _say(progress: Progress) -> None:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in progress.figures.items())
    line = (
        f"step {progress.step}/{progress.steps}  loss {progress.loss:.3f}  "
        f"{progress.audio_hours:.2f} h heard, {progress.speed:.0f} h/h  {figures}"
    )
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


def _append(path: Path, row: Mapping[str, float]) -> None:
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
