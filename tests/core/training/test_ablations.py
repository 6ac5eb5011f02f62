# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of ablations: every variant once, on the same clips; kept, resumed and summed up."""

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from emoface_core.cli import main
from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.model.config import DecoderConfig, EncoderConfig, MeshAttentionConfig
from emoface_core.model.geometry import face_geometry
from emoface_core.training import dataset
from emoface_core.training.ablations import (
    COST,
    ERROR,
    FIGURES,
    FIRST,
    STILL,
    VARIANTS,
    Row,
    Table,
    summary,
    thin,
)
from emoface_core.training.config import TrainingConfig, packaged_configs, read_config
from tests.core.training.test_dataset import TinyCorpus


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    """The packaged configuration with encoders and decoders of a few hundred weights."""
    monkeypatch.setattr(dataset, "open_corpus", lambda _folder: TinyCorpus())
    found = read_config(packaged_configs()["ablations"])
    encoder = EncoderConfig(width=8, blocks=1, kernel=3, expansion=1)
    model = replace(
        found.model,
        content=encoder,
        emotion=encoder,
        decoder=DecoderConfig(width=8, heads=2, period=50),
        attention=replace(found.model.attention, audio_width=32, kernel=4),
    )
    return replace(
        found,
        model=model,
        data=replace(found.data, crop_seconds=0.4, held_out_batches=1),
        run=replace(found.run, steps=2, encoders=""),
    )


def test_a_stopped_table_goes_on_and_comes_out_the_same(config, tmp_path):
    table = Table(config, tmp_path / "table")
    made = list(table.complete([0], ["teacher forcing", "full autoregression"]))
    assert [row.variant for row in made] == ["teacher forcing", "full autoregression"]
    rest = list(table.complete([0]))
    assert {row.variant for row in (*made, *rest)} == {v.name for v in VARIANTS}
    assert not list(table.complete([0]))
    for row in rest:
        assert row.steps == 2 and all(np.isfinite(v) for v in row.figures.values())
    # A row that is lost is made again from the run's checkpoint, and alone.
    lines = table.path.read_text("utf-8").splitlines(keepends=True)
    table.path.write_text("".join([lines[0], *lines[2:]]), "utf-8")
    (again,) = Table(config, tmp_path / "table").complete([0])
    assert again.variant == "teacher forcing"
    for name in (*FIGURES, STILL):
        assert again.figures[name] == made[0].figures[name]


def test_runs_of_other_settings_are_not_mixed(config, tmp_path):
    Table(config, tmp_path / "table")
    other = replace(config, run=replace(config.run, steps=3))
    with pytest.raises(InputError, match="other settings"):
        Table(other, tmp_path / "table")
    with pytest.raises(InputError, match="no variant"):
        list(Table(config, tmp_path / "table").complete([0], ["dropout"]))
    with pytest.raises(InputError, match="frame-by-frame"):
        Table(read_config(packaged_configs()["desk"]), tmp_path / "desk")


def test_every_variant_differs_from_its_reference_in_one_thing(config):
    by_name = {v.name: v for v in VARIANTS}

    def flat(settings: TrainingConfig) -> dict[str, object]:
        def walk(prefix: str, table: dict) -> dict[str, object]:
            found: dict[str, object] = {}
            for key, value in table.items():
                inner = isinstance(value, dict)
                found |= walk(f"{prefix}{key}.", value) if inner else {f"{prefix}{key}": value}
            return found

        return walk("", asdict(settings))

    for variant in VARIANTS[1:]:
        one, two = flat(by_name[variant.against].change(config)), flat(variant.change(config))
        changed = {key.rsplit("_", 1)[-1] for key in one if one[key] != two[key]}
        assert len(changed) == 1, (variant.name, changed)


def row(variant: str, seed: int, error: float) -> Row:
    return Row(variant, seed, 10, dict.fromkeys((*FIGURES, STILL, *COST), 2.0) | {ERROR: error})


def test_the_summary_by_hand():
    text, lines = summary(
        [
            *(row(FIRST, 0, 1.0), row(FIRST, 1, 2.0)),
            *(row("teacher forcing", 1, 2.5), row("teacher forcing", 0, 0.9)),
        ]
    )
    first, forced = lines
    assert first[ERROR] == "1.500 ± 0.707" and first["change mm"] == ""
    assert forced["change mm"] == "+0.200 ± 0.424" and forced["worse in"] == "1 of 2"
    assert (
        "than teacher forcing. On this data: undecided (1 of 2 seeds)." in text
        and "never moves are off by 2.000 mm" in text
    )
    text, _ = summary([row(FIRST, 0, 1.0), row("plain addition", 0, 2.0)])
    assert "than plain addition. On this data: holds (1 of 1 seeds)." in text
    with pytest.raises(InputError, match="No run"):
        summary([])


def test_a_thinned_head_is_a_face_of_its_own():
    head = load_head()
    full = face_geometry(head, MeshAttentionConfig(mesh="coarse"))
    some = thin(full)
    kept = head.coarse.ids
    assert some.vertices == len(kept) and np.array_equal(some.rest, head.vertices[kept])
    assert np.array_equal(some.basis, full.basis[:, kept])
    assert np.array_equal(some.attention_matrix(np.arange(len(kept))), np.eye(len(kept)))
    assert len(some.lips) > 8 and some.lips.max() < len(kept)
    apart = np.linalg.norm(some.rest[some.lips][:, None] - head.vertices[full.lips][None], axis=-1)
    assert apart.min(1).max() < 0.005


def test_the_command(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("emoface_core.training.ablations.read_config", lambda _path: config)
    out = tmp_path / "out"
    asked = ["ablations", "--out", str(out), "--seeds", "1", "--steps", "1"]
    assert main([*asked, "--only", FIRST, "plain addition"]) == 0
    said = capsys.readouterr().out
    assert (out / "ablations.md").read_text("utf-8") in said
    rows = list(csv.DictReader((out / "ablations.csv").open(encoding="utf-8")))
    assert [r["variant"] for r in rows] == [FIRST, "plain addition"]
    assert main(["ablations", "--out", str(out), "--show"]) == 0
    assert capsys.readouterr().out == (out / "ablations.md").read_text("utf-8")
