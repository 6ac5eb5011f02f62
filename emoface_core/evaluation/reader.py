# SPDX-License-Identifier: GPL-3.0-or-later
"""A lip reader: can the sounds be told from the lips alone?

A linear reader of visemes (Fisher's discriminant, with some noise allowed for), trained on taught
motion of clips that are not judged. Its accuracy on somebody's motion says how readable that is,
beside what it gets on the teacher's own, which no reader of these lips can much exceed: sounds made
behind the teeth look alike. It is a relative figure: another reader gives another number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.evaluation.visemes import Confusion, score_visemes, viseme_frames
from emoface_core.training.phones import VISEMES, PhoneSpan

AROUND = (-0.08, -0.04, 0.0, 0.04, 0.08)  # seconds that the reader sees at once
_COMPONENTS = 4  # about as many as a mouth has ways to move at once
# Millimetres by which each lip vertex may be off at random: a reader that trusted the teacher's
# exactness would read nothing on anybody else.
_NOISE = 1.0


@dataclass(frozen=True, slots=True)
class VisemeReader:
    """Lips (T, R, 3) to visemes. Made by `train_reader`."""

    mean: NDArray[np.float64]  # (R * 3,)
    components: NDArray[np.float64]  # (R * 3, C)
    weights: NDArray[np.float64]  # (C * len(AROUND), 15)
    bias: NDArray[np.float64]  # (15,)

    def read(self, lips: NDArray[np.floating], fps: float) -> NDArray[np.int64]:
        """(T,) the likeliest viseme of each frame."""
        seen = _around(_project(lips, self.mean, self.components), fps)
        return np.argmax(seen @ self.weights + self.bias, axis=1)

    def score(
        self, lips: NDArray[np.floating], fps: float, spans: Sequence[PhoneSpan]
    ) -> Confusion:
        """How often it reads what the labels say, in speech frames."""
        return score_visemes(spans, self.read(lips, fps), fps)


def train_reader(
    examples: Iterable[tuple[NDArray[np.floating], Sequence[PhoneSpan]]], fps: float
) -> VisemeReader:
    """Learn from (lips (T, R, 3), labels) of several clips, all at `fps`.

    Visemes that never occur are never read.
    """
    kept = [(np.asarray(lips, np.float64), spans) for lips, spans in examples]
    points = np.concatenate([lips.reshape(len(lips), -1) for lips, _ in kept])
    mean = points.mean(axis=0)
    _, _, directions = np.linalg.svd((points - mean)[:: max(1, len(points) // 4000)], False)
    components = directions[:_COMPONENTS].T
    seen = np.concatenate([_around(_project(lips, mean, components), fps) for lips, _ in kept])
    truth = np.concatenate([viseme_frames(spans, len(lips), fps) for lips, spans in kept])
    seen, truth = seen[truth >= 0], truth[truth >= 0]

    counts = np.bincount(truth, minlength=len(VISEMES))
    means = np.zeros((len(VISEMES), seen.shape[1]))
    np.add.at(means, truth, seen)
    means /= np.maximum(counts, 1)[:, None]
    within = np.cov((seen - means[truth]).T, bias=True)
    within += _NOISE**2 * kept[0][0].shape[1] * np.eye(len(within))
    weights = np.linalg.solve(within, means.T)
    with np.errstate(divide="ignore"):  # log 0: never read
        prior = np.log(counts / counts.sum())
    return VisemeReader(mean, components, weights, prior - 0.5 * (means.T * weights).sum(axis=0))


def _project(lips: NDArray[np.floating], mean: NDArray, components: NDArray) -> NDArray[np.float64]:
    # Thousandths of a metre, so that shrinking means the same whatever the unit of the mesh.
    return 1000 * (np.asarray(lips, np.float64).reshape(len(lips), -1) - mean) @ components


def _around(curves: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """(T, C * 5): each frame with those around it; the ends are repeated."""
    frames = np.arange(len(curves))
    moments = [np.clip(frames + round(s * fps), 0, len(curves) - 1) for s in AROUND]
    return np.concatenate([curves[moment] for moment in moments], axis=1)
