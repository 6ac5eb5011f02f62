# SPDX-License-Identifier: GPL-3.0-or-later
"""`evaluate` from its arguments to what it prints and writes."""

import json

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.evaluation.cli import FIGURES, main
from emoface_core.face.head import load_head


@pytest.fixture
def files(tmp_path):
    head = load_head()
    rng = np.random.default_rng(0)
    opening = np.cumsum(rng.normal(0, 0.05, 40))
    truth = (opening[:, None, None] * head.shape("jawOpen")).astype(np.float32)
    pred = np.roll(truth, 2, axis=0)
    common = {"template": head.vertices, "faces": head.faces, "fps": np.float64(30)}
    for name, offsets in (("pred", pred), ("truth", truth), ("longer", np.tile(truth, (2, 1, 1)))):
        np.savez(tmp_path / f"{name}.npz", offsets=offsets, **common)
    return tmp_path


def test_two_files(files, capsys):
    assert main([str(files / "pred.npz"), str(files / "truth.npz"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(FIGURES) - {"lve_sq_m2_by_clip"} <= set(found)
    assert found["frames"] == 40
    assert found["lip_lag_frames"] == 2
    assert found["lve_mm"] > 0
    assert main([str(files / "truth.npz"), str(files / "truth.npz")]) == 0
    text = capsys.readouterr().out
    assert "40 frames at 30 fps" in text
    assert "lve_sq_m2                     0 1e-5 m²" in text


def test_published_masks_can_be_given(files, capsys):
    np.savez(files / "masks.npz", lips=[3531, 3504], eye_region=[0], forehead=[1])
    pair = [str(files / "pred.npz"), str(files / "truth.npz")]
    assert main([*pair, "--json", "--regions", str(files / "masks.npz")]) == 0
    assert json.loads(capsys.readouterr().out)["regions"] == "masks.npz"


def test_a_report_is_written(files, capsys):
    pair = [str(files / "pred.npz"), str(files / "truth.npz")]
    assert main([*pair, "--report", str(files / "out")]) == 0
    page = (files / "out" / "report.md").read_text(encoding="utf-8")
    for name in ("curves.png", "face.png", "prediction.png", "truth.png"):
        assert name in page
        assert (files / "out" / name).stat().st_size > 2000
    assert "lve_sq_m2" in page
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pred.npz"], "two files"),
        (["pred.npz", "nothing.npz"], "no file"),
        (["pred.npz", "longer.npz"], "not the same clip"),
        (["--speech"], "needs --data"),
        (["--words"], "needs --data"),
        (["--speech", "--data", ".", "--sets", "emodb,moon"], "no set “moon”"),
        (["--speech", "--data", ".", "--who", "me"], "no performer “me”"),
        (["--speed"], "Unrecognized"),
    ],
)
def test_bad_input_is_one_sentence(files, arguments, says, monkeypatch):
    monkeypatch.chdir(files)
    with pytest.raises(InputError, match=says):
        main(arguments)


def test_two_folders(files, capsys):
    pred, truth = files / "predicted", files / "true"
    pred.mkdir()
    truth.mkdir()
    for folder, name, source in (
        (pred, "a_condition_x", "pred"),
        (pred, "a_condition_y", "truth"),
        (pred, "b", "longer"),
        (truth, "a", "truth"),
        (truth, "b", "longer"),
    ):
        (folder / f"{name}.npz").write_bytes((files / f"{source}.npz").read_bytes())
    assert main([str(pred), str(truth), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    alone = found["each"]["a_condition_x"]["lve_sq_m2"]
    assert found["lve_sq_m2"] == pytest.approx(alone * 40 / 160)
    assert found["lve_sq_m2_by_clip"] == pytest.approx(alone / 3)
    assert found["clips"] == 3
    assert main([str(pred), str(truth)]) == 0
    assert "3 clips. 160 frames" in capsys.readouterr().out

    (pred / "b.npz").unlink()
    with pytest.raises(InputError, match="1 of 2 clips"):
        main([str(pred), str(truth)])
    (truth / "a.npz").unlink()
    with pytest.raises(InputError, match="no truth “a.npz”"):
        main([str(pred), str(truth)])
    with pytest.raises(InputError, match="not a folder"):
        main([str(pred), str(files / "truth.npz")])
