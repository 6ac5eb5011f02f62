# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine runs: as asked, or the best one there is."""

import ctypes
import importlib.util
import sys
from pathlib import Path

from emoface_core.engine.interface import Engine
from emoface_core.errors import InputError

ENGINES = ("auto", "onnx", "torch")
MODEL_FOLDER = Path(__file__).parents[1] / "assets" / "model"


def choose_engine(engine: str = "auto", device: str = "auto", model: Path | None = None) -> Engine:
    """Load a model's folder (None: the bundled one) in the engine asked for.

    auto: PyTorch if a GPU is asked for, or found beside an installed PyTorch; else ONNX Runtime;
    else PyTorch on the CPU. InputError, with what to install, if there is nothing to run it.
    """
    if engine not in ENGINES:
        raise InputError(f"There is no engine “{engine}”.", f"Choose one of: {', '.join(ENGINES)}.")
    folder = MODEL_FOLDER if model is None else Path(model)
    has_torch = installed("torch") and installed("safetensors")
    has_onnx = installed("onnxruntime")
    if engine == "auto":
        gpu = device in ("cuda", "mps") or (device == "auto" and has_torch and cuda_driver())
        engine = "torch" if gpu or not has_onnx else "onnx"
        if not has_torch and not has_onnx:
            raise InputError(
                "There is nothing here to run the model with.",
                "Install onnxruntime (pip install onnxruntime), or PyTorch and safetensors.",
            )
    if engine == "torch":
        return _torch_engine(folder, device, has_torch)
    if device in ("cuda", "mps"):
        raise InputError(
            f"The onnx engine runs on the CPU, not on {device}.", "Choose the engine “torch”."
        )
    if not has_onnx:
        raise InputError(
            "ONNX Runtime is not installed in this Python.",
            "Install it (pip install onnxruntime), or choose another engine.",
        )
    try:
        from emoface_core.engine.onnx import OnnxEngine
    except ImportError as error:
        raise InputError(
            f"ONNX Runtime is installed, but does not load ({error}).",
            "Install it again for this Python, or choose another engine.",
        ) from None
    return OnnxEngine(folder)


def _torch_engine(folder: Path, device: str, installed_here: bool) -> Engine:
    if not installed_here:
        raise InputError(
            "PyTorch and safetensors are not installed in this Python.",
            "Make an environment with them (the add-on's preferences, or pip install torch "
            "safetensors), or choose the engine “onnx”.",
        )
    try:
        from emoface_core.engine.torch import TorchEngine
    except (ImportError, OSError) as error:
        raise InputError(
            f"PyTorch is installed, but does not load ({error}).",
            "Install it again for this Python, or choose the engine “onnx”.",
        ) from None
    return TorchEngine(folder, device)


def installed(package: str) -> bool:
    """Whether a package can be found, without importing it."""
    return importlib.util.find_spec(package) is not None


def cuda_driver() -> bool:
    """Whether NVIDIA's driver is there; loading PyTorch just to ask would take seconds."""
    if sys.platform == "darwin":
        return False
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
