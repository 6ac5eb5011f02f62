# SPDX-License-Identifier: GPL-3.0-or-later
"""Both engines give the same; what is missing or damaged is said in a sentence."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emoface_core.engine import choose
from emoface_core.engine.choose import choose_engine
from emoface_core.engine.interface import OUTPUTS
from emoface_core.engine.onnx import OnnxEngine
from emoface_core.engine.rig import rig_for
from emoface_core.engine.torch import TorchEngine
from emoface_core.errors import InputError


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def test_engines_agree(tiny_model: Path) -> None:
    engines = OnnxEngine(tiny_model, threads=1), TorchEngine(tiny_model, "cpu")
    mel = np.random.default_rng(0).standard_normal((300, 80)).astype(np.float32)
    first, second = (engine.infer(mel) for engine in engines)
    for name in OUTPUTS:
        assert getattr(first, name).shape == getattr(second, name).shape
        assert len(getattr(first, name)) == 150
    rig = rig_for(engines[0].info.model)
    speech, emotion = (
        [rig.speech(c.content) for c in (first, second)],
        [rig.emotion(c.emotion_layers[:, 2], c.attention) for c in (first, second)],
    )
    for a, b in (speech, emotion):
        assert np.linalg.norm(a - b, axis=-1).max() < 1e-5
    engines[1].release()
    np.testing.assert_array_equal(engines[1].infer(mel).content, second.content)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
@pytest.mark.parametrize("harm", ["missing", "damaged", "folder", "json", "format", "not a model"])
def test_a_harmed_model_is_a_sentence(copy: Path, engine: str, harm: str) -> None:
    file = copy / ("model.onnx" if engine == "onnx" else "model.safetensors")
    info = copy / "model.json"
    match harm:
        case "missing":
            file.unlink()
        case "damaged":
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        case "folder":
            shutil.rmtree(copy)
        case "json":
            info.write_text(info.read_text()[:-40])
        case "format":
            info.write_text(json.dumps(json.loads(info.read_text()) | {"format": 99}))
        case "not a model":  # whole by its sha256, yet nothing that a runtime can load
            import hashlib

            file.write_bytes(b"\x08\x07\x12\x00")
            described = json.loads(info.read_text())
            described["sha256"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
            info.write_text(json.dumps(described))
    with pytest.raises(InputError) as caught:
        choose_engine(engine, "cpu" if engine == "torch" else "auto", copy)
    assert caught.value.hint


def test_choices_that_cannot_be(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for engine, device in (("tpu", "auto"), ("onnx", "cuda"), ("torch", "tpu"), ("torch", "mps")):
        with pytest.raises(InputError):
            choose_engine(engine, device, tiny_model)
    there = {"torch", "safetensors"}
    monkeypatch.setattr(choose, "installed", there.__contains__)
    with pytest.raises(InputError, match="ONNX Runtime is not installed"):
        choose_engine("onnx", "auto", tiny_model)
    assert choose_engine("auto", "cpu", tiny_model).info.name == "torch"
    there.clear()
    for engine in ("auto", "torch"):
        with pytest.raises(InputError) as caught:
            choose_engine(engine, "auto", tiny_model)
        assert "pip install" in caught.value.hint


def test_the_default_engine_needs_no_torch(tiny_model: Path) -> None:
    """Importing, asking for help and animating: nothing loads torch or training code."""
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "import emoface_core, emoface_core.cli\n"
        "from emoface_core.engine.animate import animate, AnimateOptions\n"
        "from emoface_core.engine.choose import choose_engine\n"
        f"engine = choose_engine('onnx', 'auto', Path({str(tiny_model)!r}))\n"
        "animate(np.zeros(1600, np.float32), AnimateOptions(), engine).layers()\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'scipy', 'bpy', 'onnx')\n"
        "       or m.startswith('emoface_core.training') or m == 'emoface_core.model.emoface']\n"
        "sys.exit(str(bad) if bad else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
