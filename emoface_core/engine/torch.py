# SPDX-License-Identifier: GPL-3.0-or-later
"""The PyTorch engine: the same model from safetensors, on a GPU if there is one."""

from pathlib import Path

import numpy as np
import torch

from emoface_core.engine.interface import BranchCurves, EngineInfo, Floats
from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.model.checkpoint import load_model
from emoface_core.model.config import ModelConfig, from_mapping
from emoface_core.model.geometry import face_geometry
from emoface_core.model.info import read_info

DEVICES = ("auto", "cpu", "cuda", "mps")


class TorchEngine:
    """A model's safetensors file in PyTorch. InputError if file or device cannot be used."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """`device`: auto | cpu | cuda | mps."""
        model = read_info(folder)
        config = from_mapping(ModelConfig, model.config, "the model's description")
        if config.decoding != "parallel":
            raise InputError(
                "This model decodes frame by frame, which the engines do not run.",
                "Run it with “python -m emoface_core free-run”, or choose a parallel one.",
            )
        self._device = choose_device(device)
        geometry = face_geometry(load_head(), config.attention)
        self._model = load_model(folder, geometry)
        self.info = EngineInfo("torch", self._device, torch.__version__, str(folder), model)

    def infer(self, mel: Floats) -> BranchCurves:
        """(2N, 80) log-mel -> the curves of N frames at 50 a second."""
        try:
            self._model.to(self._device)
            # Full float32 on the GPU too: TF32 would move vertices by more than 0.01 mm.
            with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
                sound = torch.from_numpy(np.ascontiguousarray(mel)).to(self._device)
                output = self._model(sound[None])
                return BranchCurves(*(tensor[0].float().cpu().numpy() for tensor in output))
        except torch.OutOfMemoryError as error:
            self.release()
            raise MemoryError(f"the memory of {self._device} is full") from error

    def release(self) -> None:
        """Give back the GPU's memory; the next `infer` takes it again."""
        if self._device == "cpu":
            return
        self._model.to("cpu")
        if self._device == "cuda":
            torch.cuda.empty_cache()
        else:
            torch.mps.empty_cache()


def choose_device(wanted: str) -> str:
    """The device for a choice; InputError if this PyTorch cannot use it."""
    if wanted not in DEVICES:
        raise InputError(f"There is no device “{wanted}”.", f"Choose one of: {', '.join(DEVICES)}.")
    usable = {"cpu": True, "cuda": torch.cuda.is_available()}
    usable["mps"] = torch.backends.mps.is_available()
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if usable[name])
    if not usable[wanted]:
        raise InputError(
            f"PyTorch {torch.__version__} finds no {wanted} device here.",
            "Choose the device “auto” or “cpu”, or install a PyTorch that fits the GPU.",
        )
    return wanted
