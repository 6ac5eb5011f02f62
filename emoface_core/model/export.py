# SPDX-License-Identifier: GPL-3.0-or-later
"""From a trained model to the folder an engine runs: ONNX, safetensors and a description.

python -m emoface_core.model.export CHECKPOINT.safetensors -o FOLDER
"""

import argparse
import dataclasses
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.files import atomic_path
from emoface_core.model.checkpoint import (
    best_weights,
    load_tensors,
    load_weights,
    save_tensors,
)
from emoface_core.model.config import N_MELS, ModelConfig, from_mapping
from emoface_core.model.emoface import EmoFace, EmoFaceOutput
from emoface_core.model.geometry import FaceGeometry, face_geometry
from emoface_core.model.info import FORMAT, INFO_FILE, ONNX_FILE, WEIGHTS_FILE, file_digest

OPSET = 17
OUTPUTS = tuple(item.name for item in dataclasses.fields(EmoFaceOutput))


class _Plain(nn.Module):
    """The model with a tuple for an output, as the exporter wants it."""

    def __init__(self, model: EmoFace) -> None:
        super().__init__()
        self.model = model

    def forward(self, mel: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model(mel))


def export_onnx(model: EmoFace, path: Path) -> None:
    """Write the parallel model as one ONNX file: "mel" (1, 2N, 80) -> the fields of its output."""
    if model.config.decoding != "parallel":
        raise InputError(
            "A frame-by-frame model cannot be exported to ONNX.", "Run it with the torch engine."
        )
    model = model.eval()
    frames = {0: "batch", 1: "frames"}
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # The older exporter is deprecated, yet the newer one writes its weights to a second file.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            _Plain(model),
            (torch.zeros(1, 200, N_MELS),),
            str(temporary),
            dynamo=False,
            opset_version=OPSET,
            input_names=["mel"],
            output_names=list(OUTPUTS),
            dynamic_axes={"mel": {0: "batch", 1: "mel_frames"}, **dict.fromkeys(OUTPUTS, frames)},
        )


def export_model(
    model: EmoFace,
    geometry: FaceGeometry,
    phones: Sequence[str],
    folder: Path,
    training: Mapping[str, Any],
) -> None:
    """Write model.onnx, model.safetensors and, last, model.json, which names both by sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    model = model.eval()
    digests = {}
    if model.config.decoding == "parallel":
        export_onnx(model, folder / ONNX_FILE)
        digests[ONNX_FILE] = file_digest(folder / ONNX_FILE)
    save_tensors(folder / WEIGHTS_FILE, model.state_dict(), {})
    digests[WEIGHTS_FILE] = file_digest(folder / WEIGHTS_FILE)
    info = {
        "format": FORMAT,
        "config": dataclasses.asdict(model.config),
        "shapes": geometry.shape_names,
        "phones": tuple(phones),
        "emotions": EMOTIONS,
        "context_frames": model.context_frames if model.config.decoding == "parallel" else 0,
        "head_digest": geometry.head_digest,
        "sha256": digests,
        "training": dict(training),
    }
    with atomic_path(folder / INFO_FILE) as temporary:
        temporary.write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a training checkpoint; its averaged weights if it has them."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core.model.export")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    try:
        tensors, state = load_tensors(options.checkpoint)
        config = from_mapping(ModelConfig, state["model"], "the checkpoint")
        geometry = face_geometry(load_head(), config.attention)
        model = EmoFace(config, geometry, len(state["phones"]))
        load_weights(model, best_weights(tensors), str(options.checkpoint))
        export_model(model, geometry, state["phones"], options.out, state["training"])
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
