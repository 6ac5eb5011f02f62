# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX, safetensors and PyTorch say the same; damaged or foreign files are refused."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.model.checkpoint import load_model, load_tensors, save_tensors
from emoface_core.model.emoface import EmoFace
from emoface_core.model.export import OUTPUTS, export_model
from emoface_core.model.info import ONNX_FILE, WEIGHTS_FILE, read_info
from tests.core.tiny_face import PHONES, tiny_config, tiny_geometry, tiny_paper_config

NAMES = tuple(f"p{i}" for i in range(PHONES))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = tiny_config()
    geometry = tiny_geometry(config.attention)
    model = EmoFace(config, geometry, PHONES).eval()
    export_model(model, geometry, NAMES, folder, {"steps": 3})
    return model, geometry, folder


@pytest.mark.parametrize("frames", [2, 37, 211])
def test_onnx_agrees_with_torch_to_a_hundredth_of_a_millimetre(exported, frames):
    model, geometry, folder = exported
    mel = torch.randn(1, 2 * frames, 80)
    session = onnxruntime.InferenceSession(folder / ONNX_FILE)
    found = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"mel": mel.numpy()}), strict=True))
    with torch.no_grad():
        out = model(mel)
    for name, value in found.items():
        np.testing.assert_allclose(value, getattr(out, name).numpy(), atol=1e-4)
    for name in ("content",):
        ours, theirs = (
            np.einsum("nk,kvc->nvc", c[0], geometry.basis)
            for c in (getattr(out, name).numpy(), found[name])
        )
        assert np.abs(ours - theirs).max() < 1e-5  # metres


def test_the_folder_gives_the_model_back(exported):
    model, geometry, folder = exported
    info = read_info(folder)
    assert info.phones == NAMES and info.emotions == EMOTIONS
    assert info.shapes == geometry.shape_names
    assert info.context_frames == model.context_frames
    again = load_model(folder, geometry)
    mel = torch.randn(1, 50, 80)
    with torch.no_grad():
        assert torch.equal(again(mel).content, model(mel).content)


def test_a_frame_by_frame_model_goes_through_safetensors_alone(tmp_path):
    config = tiny_paper_config()
    geometry = tiny_geometry(config.attention)
    model = EmoFace(config, geometry, PHONES)
    export_model(model, geometry, NAMES, tmp_path, {})
    assert set(read_info(tmp_path).sha256) == {WEIGHTS_FILE}
    weights = load_model(tmp_path, geometry).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_damaged_and_foreign_files_are_refused(exported, tmp_path):
    _, geometry, folder = exported
    for name in (WEIGHTS_FILE, "model.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with (tmp_path / WEIGHTS_FILE).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(InputError, match="damaged"):
        load_model(tmp_path, geometry)
    values = json.loads((tmp_path / "model.json").read_text("utf-8"))
    for change, message in (
        ({"head_digest": "another"}, "another head"),
        ({"format": 99}, "format 99"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(values | change), "utf-8")
        with pytest.raises(InputError, match=message):
            load_model(tmp_path, geometry)
    (tmp_path / "model.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match="not a model's description"):
        read_info(tmp_path)
    with pytest.raises(InputError, match="no model"):
        read_info(tmp_path / "nowhere")


def test_tensors_and_state_survive_the_disk(tmp_path):
    path = tmp_path / "x.safetensors"
    tied = torch.randn(4, 4)
    save_tensors(path, {"a": tied, "b": tied, "c": tied.T}, {"step": 3, "names": ["ä"]})
    tensors, state = load_tensors(path)
    assert torch.equal(tensors["c"], tied.T) and state == {"step": 3, "names": ["ä"]}
    path.write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="not a checkpoint"):
        load_tensors(path)
