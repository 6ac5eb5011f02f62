# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame-by-frame model on a sound file: what it hears, feels and writes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emoface_core.cli import main
from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.model.config import EncoderConfig, ModelConfig
from emoface_core.model.emoface import Condition, EmoFace
from emoface_core.model.export import export_model
from emoface_core.model.free_running import LONGEST, free_run, sound_for
from emoface_core.model.geometry import face_geometry
from emoface_core.training.config import packaged_configs, read_config


def small(**changes) -> ModelConfig:
    """The packaged paper-like preset, with random encoders of a few thousand weights."""
    preset = read_config(packaged_configs()["paper"]).model
    tiny = {"width": 16, "blocks": 1, "expansion": 2, "source": ""}
    settings = {
        "content": replace(preset.content, **tiny),
        "emotion": replace(preset.emotion, **tiny),
        "decoder": replace(preset.decoder, width=16, heads=2),
        "attention": replace(preset.attention, mesh="coarse", audio_width=32, kernel=4),
        "styles": 2,
    }
    return replace(preset, **(settings | changes))


def lively(config: ModelConfig) -> EmoFace:
    torch.manual_seed(0)
    model = EmoFace(config, face_geometry(load_head(), config.attention), 3).eval()
    for head in (model.content_out, model.emotion_out):
        torch.nn.init.normal_(head.weight, std=0.05)
    return model


@pytest.fixture(scope="module")
def model() -> EmoFace:
    return lively(small())


def test_it_is_the_models_own_inference(model, babble):
    samples = babble(1.0)
    offsets = free_run(model, samples, emotion="happy", intensity=0.5, style=1)
    assert offsets.shape == (30, 5023, 3) and np.abs(offsets).max() > 1e-4
    sound, frames = sound_for(model.config, samples)
    assert frames == 30 and float(sound.std()) == pytest.approx(1, abs=0.01)
    told = Condition(torch.eye(8)[[2]], torch.tensor([0.5]), torch.eye(2)[[1]])
    with torch.no_grad():
        expected = model.generate(model.hear(sound, frames), told).fused
    assert np.array_equal(offsets, expected[0].numpy())


def test_emotion_is_a_choice_or_heard_or_anothers(model, babble):
    samples = babble(0.6)
    made = [free_run(model, samples, emotion=name) for name in ("happy", "sad", "auto")]
    made.append(free_run(model, samples, emotion="happy", emotion_from=babble(0.9, 3)))
    for i, one in enumerate(made):
        for other in made[i + 1 :]:
            assert one.shape == other.shape and not np.allclose(one, other)


def test_what_cannot_be(model, babble):
    with pytest.raises(InputError, match="style 2"):
        free_run(model, babble(0.5), style=2)
    with pytest.raises(InputError, match="longer"):
        free_run(model, np.zeros(round((LONGEST + 1) * 16000), np.float32))
    encoder = EncoderConfig(width=8, blocks=1, kernel=3, expansion=1)
    mel = lively(small(content=encoder, emotion=encoder, fps=50.0))
    with pytest.raises(InputError, match="log-mel"):
        free_run(mel, babble(0.5), emotion_from=babble(0.5))
    assert len(free_run(mel, babble(0.5))) == 27


def test_the_command(model, tmp_path: Path, clip: Path, tiny_model: Path, capsys):
    geometry = face_geometry(load_head(), model.config.attention)
    export_model(model, geometry, ("sil", "a", "m"), tmp_path / "model", {})
    out = tmp_path / "out.npz"
    asked = [str(clip), "-o", str(out), "--emotion", "angry=0.5,sad=0.5"]
    assert main(["free-run", str(tmp_path / "model"), *asked]) == 0
    with np.load(out) as found:
        assert found["offsets"].shape == (90, 5023, 3) and float(found["fps"]) == 30
    assert main(["free-run", str(tiny_model), *asked]) == 2
    assert "animate" in capsys.readouterr().err
