# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny untrained model on the real head: tests of the engine need no trained one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

TINY_PHONES = ("sil", "a", "m", "s", "u")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder: ONNX and safetensors of the same few thousand random weights."""
    import torch

    from emoface_core.face.head import load_head
    from emoface_core.model.config import (
        DecoderConfig,
        EncoderConfig,
        MeshAttentionConfig,
        ModelConfig,
    )
    from emoface_core.model.emoface import EmoFace
    from emoface_core.model.export import export_model
    from emoface_core.model.geometry import face_geometry

    encoder = EncoderConfig(width=16, blocks=2, kernel=5, expansion=2)
    config = ModelConfig(
        content=encoder,
        emotion=encoder,
        decoder=DecoderConfig(width=16, heads=2, window=3),
        attention=MeshAttentionConfig(audio_width=32, kernel=5, duration=2),
    )
    geometry = face_geometry(load_head(), config.attention)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EmoFace(config, geometry, len(TINY_PHONES))
        with torch.no_grad():  # offsets of millimetres, as a trained model's
            for head in (model.content_out, model.layers_out):
                head.weight.mul_(10)
    folder = tmp_path_factory.mktemp("model")
    export_model(model, geometry, TINY_PHONES, folder, {"note": "for tests"})
    return folder


@pytest.fixture(scope="session")
def babble() -> Callable[[float], np.ndarray]:
    """Samples that sound a little like speech: `babble(seconds)`, mono at 16 kHz."""

    def make(seconds: float, seed: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        n = round(seconds * 16000)
        times = np.arange(n) / 16000
        syllables = np.interp(
            times,
            np.arange(0, seconds + 1, 0.11),
            random.random(int(seconds / 0.11) + 11)[: len(np.arange(0, seconds + 1, 0.11))],
        )
        buzz = np.sign(np.sin(2 * np.pi * 130 * times + 3 * np.sin(5 * times)))
        noise = random.standard_normal(n)
        return (0.1 * syllables * (buzz + 0.3 * noise)).astype(np.float32)

    return make


@pytest.fixture
def clip(tmp_path: Path, babble: Callable[[float], np.ndarray]) -> Path:
    """Three seconds of it as a wav file."""
    path = tmp_path / "clip.wav"
    soundfile.write(path, babble(3.0), 16000)
    return path
