# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's ablations on a corpus of ours: do its claims hold there?

Every variant differs from the first in one thing, and all are trained on the same clips in the same
order from the same seeds, for the same number of steps. A run that is done is a row in a file, so
a stopped table goes on where it was.
"""

import argparse
import csv
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import torch
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.files import atomic_path
from emoface_core.model.geometry import FaceGeometry, face_geometry
from emoface_core.training.batches import Batch, BatchSource
from emoface_core.training.config import TrainingConfig, packaged_configs, read_config
from emoface_core.training.dataset import open_source
from emoface_core.training.starting import settled
from emoface_core.training.trainer import CHECKPOINT, Trainer

ROWS = "rows.csv"
SAVE_STEPS = 250
ERROR = "free-running lip error mm"
STILL = "lip motion mm"
FIGURES = (ERROR, "free-running error mm", "teacher-forced lip error mm")
COST = ("seconds a step", "seconds in all")


def _growing(config: TrainingConfig, scheme: str) -> TrainingConfig:
    return replace(config, self_growing=replace(config.self_growing, scheme=scheme))


def _attention(config: TrainingConfig, **changes: str | int) -> TrainingConfig:
    attention = replace(config.model.attention, **changes)  # type: ignore[arg-type]
    return replace(config, model=replace(config.model, attention=attention))


def _unsupervised(config: TrainingConfig) -> TrainingConfig:
    loss = replace(config.loss, content_supervision=0.0, emotion_supervision=0.0)
    return replace(config, loss=loss)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train: its name, what it is held against, what it changes, and what it tests."""

    name: str
    against: str  # "" for the first: the paper's model
    change: Callable[[TrainingConfig], TrainingConfig]
    claim: str = ""  # true if this variant is worse than what it is held against


FIRST = "the paper's model"
UNSUPERVISED = "without intermediate supervision"
VARIANTS = (
    Variant(FIRST, "", lambda c: c),
    Variant(
        "teacher forcing",
        FIRST,
        lambda c: _growing(c, "teacher_forcing"),
        "Self-growing makes a better free-running model than teacher forcing.",
    ),
    Variant(
        "full autoregression",
        FIRST,
        lambda c: _growing(c, "autoregressive"),
        "Self-growing makes a better free-running model than full autoregression.",
    ),
    Variant(
        "SpiralConv3D with δ = 1",
        FIRST,
        lambda c: _attention(c, duration=1),
        "Looking back in time, δ = 3, is better than δ = 1.",
    ),
    Variant(
        UNSUPERVISED,
        FIRST,
        _unsupervised,
        "Intermediate supervision of both branches helps.",
    ),
    Variant(
        "plain addition",
        FIRST,
        lambda c: _attention(c, fusion="add"),
        "Mesh Attention is better than plain addition.",
    ),
    # Branches that are each held to the whole motion cannot also add up to it. So addition is
    # tried without that, too, beside Mesh Attention without it.
    Variant(
        "plain addition without intermediate supervision",
        UNSUPERVISED,
        lambda c: _attention(_unsupervised(c), fusion="add"),
        "Mesh Attention is better than plain addition, neither with intermediate supervision.",
    ),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A finished run: figures of the held-out clips, and the cost of its training steps."""

    variant: str
    seed: int
    steps: int
    figures: Mapping[str, float]  # by the names in FIGURES, STILL and COST


def main(arguments: list[str]) -> int:
    """`ablations [CONFIG] --corpus FOLDER --out FOLDER`: train all variants, print the table."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core ablations", description=__doc__)
    parser.add_argument("config", nargs="?", default="ablations", help="a TOML file (packaged one)")
    parser.add_argument("--corpus", help="folder of the corpus (the configuration's)")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows and table")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each variant (3)")
    parser.add_argument("--steps", type=int, help="of each run (the configuration's)")
    parser.add_argument(
        "--vertices", choices=("coarse", "all"), default="coarse", help="of the face (coarse)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="VARIANT",
        help=f"some of: {', '.join(v.name for v in VARIANTS)}",
    )
    parser.add_argument("--show", action="store_true", help="train nothing: sum up what is done")
    options = parser.parse_args(arguments)
    if options.show:
        sys.stdout.write(write(options.out))
        return 0
    config = read_config(packaged_configs().get(options.config, Path(options.config)))
    if options.corpus:
        config = replace(config, data=replace(config.data, corpus=options.corpus))
    if options.steps:
        config = replace(config, run=replace(config.run, steps=options.steps))
    table = Table(config, options.out, thinned=options.vertices == "coarse")
    for row in table.complete(range(options.seeds), options.only):
        sys.stdout.write(f"{row.variant}, seed {row.seed}: {_shown(row.figures)}\n")
        sys.stdout.flush()
    sys.stdout.write("\n" + write(options.out))
    return 0


class Table:
    """All runs of a configuration's variants, kept in a folder."""

    def __init__(self, config: TrainingConfig, out: Path, *, thinned: bool = True) -> None:
        if config.model.decoding != "frame_by_frame":
            raise InputError(
                "The ablations are of the frame-by-frame model.",
                "Set model.decoding to “frame_by_frame”.",
            )
        config = settled(config)
        self.config, self.out, self.thinned = config, out, thinned
        out.mkdir(parents=True, exist_ok=True)
        self.path = out / ROWS
        said = {**asdict(config), "thinned": thinned}
        said["run"] = {**said["run"], "out": "", "seed": 0}
        self.settings = json.dumps(said, indent=1, sort_keys=True)
        kept = out / "settings.json"
        if kept.is_file() and kept.read_text("utf-8") != self.settings:
            raise InputError(
                f"The runs in “{out}” were made with other settings.", "Name another folder."
            )
        with atomic_path(kept) as path:
            path.write_text(self.settings, "utf-8")

    def complete(self, seeds: Sequence[int], only: Sequence[str] | None = None) -> Iterator[Row]:
        """Make the runs that are missing, all variants of one seed before the next seed's."""
        if unknown := sorted(set(only or ()) - {v.name for v in VARIANTS}):
            raise InputError(
                f"There is no variant “{unknown[0]}”.",
                f"Choose some of: {', '.join(v.name for v in VARIANTS)}.",
            )
        done = {(row.variant, row.seed) for row in read_rows(self.path)}
        for seed in seeds:
            source: BatchSource | None = None
            for variant in VARIANTS:
                if (variant.name, seed) in done or (only and variant.name not in only):
                    continue
                config = replace(self.config, run=replace(self.config.run, seed=seed))
                geometry = self._geometry(config)
                # No variant changes what is heard and seen, so all of a seed share the data.
                source = source or open_source(config, geometry)
                row = self._run(variant, config, source)
                self._keep(row)
                yield row

    def _geometry(self, config: TrainingConfig) -> FaceGeometry:
        mesh = "coarse" if self.thinned else "full"
        geometry = face_geometry(load_head(), replace(config.model.attention, mesh=mesh))
        return thin(geometry) if self.thinned else geometry

    def _run(self, variant: Variant, config: TrainingConfig, data: BatchSource) -> Row:
        seed = config.run.seed
        digest = hashlib.sha256(variant.name.encode()).hexdigest()[:8]
        folder = self.out / "runs" / f"{digest}-{seed}"
        config = variant.change(replace(config, run=replace(config.run, out=str(folder))))
        source = _Timed(data)
        trainer = Trainer(config, self._geometry(config), source)
        if (folder / CHECKPOINT).is_file():
            trainer.resume()
        spent, made = 0.0, 0
        while trainer.step < trainer.steps:
            before, away = _now(trainer.ranks.device), source.seconds
            trainer.train_step()
            spent += _now(trainer.ranks.device) - before - (source.seconds - away)
            made += 1
            if trainer.step % SAVE_STEPS == 0 or trainer.step == trainer.steps:
                trainer.save()
        found = trainer.evaluate()
        each = spent / made if made else float("nan")
        figures = {name: found[name] for name in (*FIGURES, STILL)}
        cost = dict(zip(COST, (each, each * trainer.steps), strict=True))
        return Row(variant.name, seed, trainer.steps, {**figures, **cost})

    def _keep(self, row: Row) -> None:
        new = not self.path.is_file()
        line = {"variant": row.variant, "seed": row.seed, "steps": row.steps}
        with self.path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=[*line, *FIGURES, STILL, *COST])
            if new:
                writer.writeheader()
            writer.writerow({**line, **{k: f"{v:.6g}" for k, v in row.figures.items()}})


def read_rows(path: Path) -> list[Row]:
    """The runs that are done, of `rows.csv`; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                line["variant"],
                int(line["seed"]),
                int(line["steps"]),
                {name: float(line[name]) for name in (*FIGURES, STILL, *COST)},
            )
            for line in csv.DictReader(file)
        ]


def write(out: Path) -> str:
    """Write `ablations.md` and `ablations.csv` of the rows in a folder; gives the former's text."""
    text, lines = summary(read_rows(out / ROWS))
    with atomic_path(out / "ablations.md") as path:
        path.write_text(text, "utf-8")
    with (
        atomic_path(out / "ablations.csv") as path,
        path.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return text


def summary(rows: Sequence[Row]) -> tuple[str, list[dict[str, str]]]:
    """A table in Markdown with what it says of the claims, and its lines by column.

    Figures are means over seeds with their standard deviations. The change is that of the lips'
    free-running error against the variant's reference, seed by seed, and beside it stands in how
    many seeds the variant is the worse.
    """
    if not rows:
        raise InputError("No run is done.", "Leave out --only, or give --seeds.")
    by_variant = {v.name: {r.seed: r for r in rows if r.variant == v.name} for v in VARIANTS}
    lines, claims = [], []
    for variant in VARIANTS:
        runs = by_variant[variant.name]
        if not runs:
            continue
        line = {"variant": variant.name, "seeds": str(len(runs))}
        for name in FIGURES:
            line[name] = _mean([r.figures[name] for r in runs.values()], 3)
        reference = by_variant.get(variant.against, {})
        both = sorted(set(runs) & set(reference))
        changes = [runs[s].figures[ERROR] - reference[s].figures[ERROR] for s in both]
        worse = sum(change > 0 for change in changes)
        line["against"] = variant.against
        line["change mm"] = _mean(changes, 3, sign=True) if changes else ""
        line["worse in"] = f"{worse} of {len(both)}" if changes else ""
        if changes:
            held = {len(both): "holds", 0: "does not hold"}.get(worse, "undecided")
            claims.append(f"- {variant.claim} On this data: {held} ({line['worse in']} seeds).")
        for name in COST:
            known = [r.figures[name] for r in runs.values() if np.isfinite(r.figures[name])]
            line[name] = _mean(known, 3 if name == COST[0] else 0) if known else ""
        lines.append(line)
    text = "| " + " | ".join(lines[0]) + " |\n" + "|---" * len(lines[0]) + "|\n"
    text += "".join("| " + " | ".join(line.values()) + " |\n" for line in lines)
    still = fmean(row.figures[STILL] for row in rows)
    text += f"\nThe lips of a face that never moves are off by {still:.3f} mm.\n\n"
    text += "".join(f"{claim}\n" for claim in claims)
    return text, lines


def thin(geometry: FaceGeometry) -> FaceGeometry:
    """The face that is left of a head when only the vertices of its attention's mesh are kept."""
    rest = geometry.rest
    apart = np.linalg.norm(rest[:, None] - geometry.attention_points[None], axis=-1)  # (V, M)
    kept = apart.argmin(0)

    def nearest(ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(apart[ids].argmin(-1), np.int64)

    count = len(kept)
    return replace(
        geometry,
        basis=np.ascontiguousarray(geometry.basis[:, kept]),
        rest=rest[kept],
        up_index=np.repeat(np.arange(count)[:, None], 3, axis=1),
        up_weight=np.tile(np.array([1, 0, 0], np.float32), (count, 1)),
        upper_lip=nearest(geometry.upper_lip),
        lower_lip=nearest(geometry.lower_lip),
        lips=np.unique(nearest(geometry.lips)),
        lip_edge=nearest(geometry.lip_edge),
        region_weight=np.ascontiguousarray(geometry.region_weight[:, kept]),
    )


class _Timed:
    """A data set that says how long its making of batches takes, which is none of training's."""

    def __init__(self, source: BatchSource) -> None:
        self.source, self.seconds = source, 0.0
        self.batches_per_epoch, self.hours_per_batch = (
            source.batches_per_epoch,
            source.hours_per_batch,
        )

    def batch(self, index: int) -> Batch:
        before = _now(torch.device("cpu"))
        made = self.source.batch(index)
        self.seconds += _now(torch.device("cpu")) - before
        return made

    def held_out(self) -> Iterator[Batch]:
        return self.source.held_out()


def _now(device: torch.device) -> float:
    """Seconds of this process's own work, whatever else runs; with a GPU, by the clock."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def _mean(values: Sequence[float], digits: int, *, sign: bool = False) -> str:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):{'+' if sign else ''}.{digits}f}{spread}"


def _shown(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
