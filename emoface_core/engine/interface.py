# SPDX-License-Identifier: GPL-3.0-or-later
"""What every engine takes and gives."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emoface_core.model.info import ModelInfo

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BranchCurves:
    """What the model says of N frames. K shapes of the rig, R regions of the face."""

    content: Floats  # (N, K) coefficients of the content branch
    emotion_layers: Floats  # (N, 8, K) what each emotion adds to it at intensity 1
    attention: Floats  # (N, R) weight of the emotion branch in each region, 0..1
    emotion_logits: Floats  # (N, 8)
    phone_logits: Floats  # (N, P)

    def part(self, first: int, last: int) -> "BranchCurves":
        """Frames first..last, as views."""
        return BranchCurves(*(getattr(self, f.name)[first:last] for f in fields(self)))


OUTPUTS = tuple(field.name for field in fields(BranchCurves))  # also the ONNX file's outputs


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which engine runs, where, and the model it runs."""

    name: str  # onnx | torch
    device: str  # cpu | cuda | mps
    version: str  # of the runtime
    folder: str  # of the model
    model: ModelInfo


class Engine(Protocol):
    """A loaded model. `infer` may be called again and again; one caller at a time."""

    @property
    def info(self) -> EngineInfo:
        """What runs."""

    def infer(self, mel: Floats) -> BranchCurves:
        """(2N, 80) log-mel -> the curves of N frames at 50 a second."""

    def release(self) -> None:
        """Give back the device's memory; the next `infer` takes it again."""
