# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights on disk: one safetensors file, with what else must be known as JSON in its header."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from emoface_core.engine.choose import MODEL_FOLDER
from emoface_core.errors import InputError
from emoface_core.files import atomic_path
from emoface_core.model.config import ModelConfig, from_mapping
from emoface_core.model.emoface import EmoFace
from emoface_core.model.geometry import FaceGeometry
from emoface_core.model.info import WEIGHTS_FILE, check_file, read_info

HEADER = "emoface"
BUNDLED = "bundled"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able state whole, or not at all."""
    # Clones, since safetensors refuses tensors that share memory.
    whole = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(whole, temporary, metadata={HEADER: json.dumps(state)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote; InputError if it is missing or something else."""
    if not path.is_file():
        raise InputError(f"There is no checkpoint “{path}”.", "Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})[HEADER])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"“{path}” is not a checkpoint of this program ({error}).", "Choose another file."
        ) from None


def best_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in a trained model's file, or (averaged, if they are) in a checkpoint."""
    if not any(name.startswith(("ema.", "model.")) for name in tensors):
        return dict(tensors)
    prefix = "ema." if any(name.startswith("ema.") for name in tensors) else "model."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def weights_file(name: str) -> Path:
    """The file that a configuration means: a path, or “bundled”, the program's own model."""
    return MODEL_FOLDER / WEIGHTS_FILE if name == BUNDLED else Path(name)


def model_of(name: str) -> ModelConfig:
    """How the model in a checkpoint, or beside a model.json, is built. InputError if unknown."""
    path = weights_file(name)
    _, state = load_tensors(path)
    tables = state["model"] if "model" in state else read_info(path.parent).config
    return from_mapping(ModelConfig, tables, f"“{path}”")


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Put weights into a model; InputError says which do not fit."""
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise InputError(
            f"The weights in {where} do not fit the configuration ({str(error).splitlines()[-1]}).",
            "Use the configuration they were trained with.",
        ) from None


def load_model(folder: Path, geometry: FaceGeometry, device: str = "cpu") -> EmoFace:
    """The PyTorch model of a model's folder (model.json, model.safetensors), ready to infer.

    InputError if a file is missing or damaged, or the model belongs to another head.
    """
    info = read_info(folder)
    if info.head_digest != geometry.head_digest:
        raise InputError(
            "The model was trained on another head than the one installed.",
            "Use the head and the model of the same release.",
        )
    config = from_mapping(ModelConfig, info.config, "the model's description")
    model = EmoFace(config, geometry, len(info.phones))
    tensors, _ = load_tensors(check_file(folder, WEIGHTS_FILE, info))
    load_weights(model, tensors, str(folder))
    return model.to(torch.device(device)).eval()
