# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's folder as any engine reads it: what is in it, and that it is whole. Needs no torch."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoface_core.errors import InputError

FORMAT = 2
INFO_FILE, ONNX_FILE, WEIGHTS_FILE = "model.json", "model.onnx", "model.safetensors"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """model.json: what an engine must know to run the two files beside it."""

    format: int
    config: dict[str, Any]  # ModelConfig as tables
    shapes: tuple[str, ...]  # the rig's shapes, in the order of the coefficients
    phones: tuple[str, ...]
    emotions: tuple[str, ...]
    context_frames: int  # frames of 50 Hz to either side that can change a frame
    head_digest: str  # Head.digest of the head it was trained on
    sha256: dict[str, str]  # of model.onnx and model.safetensors
    training: dict[str, Any]  # steps, audio hours, seed, versions


def read_info(folder: Path) -> ModelInfo:
    """Read model.json; InputError if it is missing, damaged or of a later format."""
    path = Path(folder) / INFO_FILE
    hint = "Name the folder of a trained model, or leave the choice empty for the bundled one."
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise InputError(
                f"“{path}” has format {values['format']}; this version reads {FORMAT}.", hint
            )
        for name in ("shapes", "phones", "emotions"):
            values[name] = tuple(values[name])
        return ModelInfo(**{item.name: values[item.name] for item in dataclasses.fields(ModelInfo)})
    except FileNotFoundError:
        raise InputError(f"There is no model in “{folder}”.", hint) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"“{path}” is not a model's description ({error}).", hint) from None


def check_file(folder: Path, name: str, info: ModelInfo) -> Path:
    """The path of a file of the model whose sha256 is as written; InputError otherwise."""
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(f"The model's file “{path}” is missing.", "Install the model again.")
    if file_digest(path) != info.sha256.get(name):
        raise InputError(f"The model's file “{path}” is damaged.", "Install the model again.")
    return path


def file_digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
