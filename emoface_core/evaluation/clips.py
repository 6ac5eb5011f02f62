# SPDX-License-Identifier: GPL-3.0-or-later
"""Two animations of one mesh, read from OUT.npz files and made comparable."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.files import load_npz


@dataclass(frozen=True, slots=True)
class Clip:
    """An animated mesh: T frames of V vertices.

    `offsets` (T, V, 3) metres from `template` (V, 3); `faces` (F, 3); `fps` frames a second.
    """

    offsets: NDArray[np.float32]
    template: NDArray[np.float32]
    faces: NDArray[np.int32]
    fps: float

    @property
    def frames(self) -> int:
        """T."""
        return len(self.offsets)

    def vertices(self, region: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
        """(T, R, 3) metres: where the vertices of `region` (all, if None) are."""
        chosen = slice(None) if region is None else region
        return self.template[chosen].astype(np.float64) + self.offsets[:, chosen]

    def cut(self, frames: int) -> "Clip":
        """The first `frames` frames."""
        return Clip(self.offsets[:frames], self.template, self.faces, self.fps)


def read_clip(path: Path) -> Clip:
    """Read an OUT.npz. InputError if it is missing, damaged, or not such a file."""
    arrays = load_npz(path)
    missing = [name for name in ("offsets", "template", "faces", "fps") if name not in arrays]
    if missing:
        raise InputError(
            f"“{path}” has no {', '.join(missing)}.",
            "Give a file that `python -m emoface_core animate` wrote.",
        )
    offsets, template, faces = arrays["offsets"], arrays["template"], arrays["faces"]
    if (
        offsets.ndim != 3
        or not len(offsets)
        or template.shape != offsets.shape[1:]
        or template.shape[-1] != 3
        or faces.ndim != 2
        or arrays["fps"].size != 1
    ):
        raise InputError(
            f"“{path}” holds arrays of the wrong shape (offsets {offsets.shape}, "
            f"template {template.shape}).",
            "Offsets must be (frames, vertices, 3) and the template (vertices, 3).",
        )
    fps = float(arrays["fps"].reshape(-1)[0])
    if not (np.isfinite(offsets).all() and np.isfinite(template).all() and 0 < fps < np.inf):
        raise InputError(
            f"“{path}” holds values that are not numbers (NaN or infinite), or no frame rate.",
            "Make it again.",
        )
    return Clip(
        offsets.astype(np.float32, copy=False),
        template.astype(np.float32, copy=False),
        faces.astype(np.int32, copy=False),
        fps,
    )


def paired(pred: Clip, truth: Clip) -> tuple[Clip, Clip]:
    """The two clips as they are compared: the same mesh, rate and number of frames.

    The longer one is cut at its end: CodeTalker's `cal_metric.py`, which every peer follows, cuts
    the prediction to the truth, and a truth longer than the prediction is cut here too. More than
    half a second of difference is not rounding but another clip: InputError. So are other faces and
    another frame rate; nothing is resampled, since that would change what is measured.
    """
    if pred.offsets.shape[1] != truth.offsets.shape[1]:
        raise InputError(
            f"The prediction has {pred.offsets.shape[1]} vertices, "
            f"the truth {truth.offsets.shape[1]}.",
            "Only animations of the same mesh can be compared.",
        )
    if not np.array_equal(pred.faces, truth.faces):
        raise InputError(
            "The two files have the same number of vertices but other faces.",
            "Only animations of the same mesh, in the same order, can be compared.",
        )
    if abs(pred.fps - truth.fps) > 1e-3 * truth.fps:
        raise InputError(
            f"The prediction runs at {pred.fps:g} frames a second, the truth at {truth.fps:g}.",
            f"Animate again with --fps {truth.fps:g}.",
        )
    if abs(pred.frames - truth.frames) > 0.5 * truth.fps:
        raise InputError(
            f"The prediction has {pred.frames} frames, the truth {truth.frames}: "
            "they are not the same clip.",
            "Give two animations of the same sound.",
        )
    frames = min(pred.frames, truth.frames)
    return pred.cut(frames), truth.cut(frames)
