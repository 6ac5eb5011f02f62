# SPDX-License-Identifier: GPL-3.0-or-later
"""The default engine: ONNX Runtime, on the CPU."""

import os
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as states

from emoface_core.audio.mel import N_MELS
from emoface_core.engine.interface import OUTPUTS, BranchCurves, EngineInfo, Floats
from emoface_core.engine.onnx_file import check_onnx
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.model.info import ONNX_FILE, check_file, read_info

_RUNTIME_ERRORS = tuple(
    kind for kind in vars(states).values() if isinstance(kind, type) and issubclass(kind, Exception)
)

_MOST_THREADS = 8  # a small model has no more work to share out


class OnnxEngine:
    """A model's ONNX file in ONNX Runtime. InputError if the file is missing, damaged or unsafe."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        """`threads`: 0 for as many as this process may use."""
        model = read_info(folder)
        if ONNX_FILE not in model.sha256:
            raise InputError(
                f"The model in “{folder}” has no ONNX file (it decodes frame by frame).",
                "Run it with the torch engine.",
            )
        path = check_file(folder, ONNX_FILE, model)
        data = path.read_bytes()
        check_onnx(data, str(path))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or min(usable_cores(), _MOST_THREADS)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        # Idle threads must sleep: Blender draws and plays on the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Windows differ in length; planned blocks for each length would pile up.
        options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except _RUNTIME_ERRORS as error:
            raise InputError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load “{path}” ({error}).",
                "Install the model again, or a newer ONNX Runtime.",
            ) from None
        names = {output.name for output in self._session.get_outputs()}
        if missing := [name for name in OUTPUTS if name not in names]:
            raise InputError(f"“{path}” has no output “{missing[0]}”.", "Choose another model.")
        self.info = EngineInfo("onnx", "cpu", onnxruntime.__version__, str(folder), model)

    def infer(self, mel: Floats) -> BranchCurves:
        """(2N, 80) log-mel -> the curves of N frames at 50 a second."""
        if mel.ndim != 2 or mel.shape[1] != N_MELS or len(mel) % 2:
            raise ValueError(f"mel must be (2N, {N_MELS}), not {mel.shape}")
        try:
            arrays = self._session.run(list(OUTPUTS), {"mel": mel[None]})
        except _RUNTIME_ERRORS as error:
            if "alloc" in str(error).lower():
                raise MemoryError(str(error)) from error
            raise EmoFaceError(f"ONNX Runtime failed ({error}).", "Try again.") from error
        return BranchCurves(*(array[0] for array in arrays))

    def release(self) -> None:
        """Nothing to do: there is no device memory, and the weights are a few MB."""


def usable_cores() -> int:
    """Cores this process may use (containers and task sets allow fewer than there are)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
