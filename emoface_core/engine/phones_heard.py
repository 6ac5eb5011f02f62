# SPDX-License-Identifier: GPL-3.0-or-later
"""The phones the model heard, as spans of time: for the animator's eye, not for the motion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.mel import NETWORK_RATE

_CHANGE = 3.0  # what a change of phone costs, in nats: two frames must speak for it


@dataclass(frozen=True, slots=True)
class PhonesHeard:
    """Spans in order, without gaps."""

    start: NDArray[np.float32]  # (S,) seconds
    end: NDArray[np.float32]  # (S,) seconds
    index: NDArray[np.int32]  # (S,) of the model's phones


class PhoneDecoder:
    """Viterbi over frames that arrive in order: the likeliest path if each change costs the same.

    Keeps one byte a phone and frame.
    """

    def __init__(self, phones: int) -> None:
        self._score = np.zeros(phones, np.float32)
        self._back: list[NDArray[np.uint8]] = []

    def add(self, log_probability: NDArray[np.float32]) -> None:
        """(n, phones) of the next frames."""
        score = self._score
        stay = np.arange(len(score), dtype=np.uint8)
        back = np.empty(log_probability.shape, np.uint8)
        for i, frame in enumerate(log_probability):
            best = int(score.argmax())
            change = score[best] - _CHANGE
            back[i] = np.where(score >= change, stay, best)
            score = np.maximum(score, change) + frame
            score -= score.max()
        self._score = score
        self._back.append(back)

    def spans(self, seconds: float) -> PhonesHeard:
        """All that was heard, up to `seconds`."""
        back = (
            np.concatenate(self._back) if self._back else np.zeros((0, len(self._score)), np.uint8)
        )
        path = np.empty(len(back), np.int32)
        state = int(self._score.argmax())
        for i in range(len(back) - 1, -1, -1):
            path[i] = state
            state = int(back[i, state])
        edges = np.flatnonzero(np.diff(path)) + 1
        first = np.concatenate([[0], edges]).astype(int)[: len(path)]
        # Frame i stands for the time from half a frame before it to half a frame after.
        start = np.maximum(first - 0.5, 0) / NETWORK_RATE
        keep = start < seconds
        start = start[keep]
        end = np.append(start[1:], seconds)[: len(start)]
        return PhonesHeard(
            start.astype(np.float32), end.astype(np.float32), path[first][keep].astype(np.int32)
        )


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
