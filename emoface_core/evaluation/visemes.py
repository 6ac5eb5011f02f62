# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mouth shape is heard: viseme accuracy by frames, against labels with times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.training.phones import SILENCE, VISEME_OF, VISEMES, PhoneSpan


@dataclass(frozen=True, slots=True)
class Confusion:
    """counts[i, j]: how often class i (of `names`) was taken for class j."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of all that was right; NaN of nothing."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")

    @property
    def recalls(self) -> NDArray[np.float64]:
        """(K,) share of each class that was recognised; NaN where the class does not occur."""
        totals = self.counts.sum(axis=1)
        return np.where(totals > 0, np.diag(self.counts) / np.maximum(totals, 1), np.nan)

    @property
    def unweighted_recall(self) -> float:
        """Mean of `recalls` over the classes that occur (UAR): a rare class counts as much."""
        there = self.recalls[self.counts.sum(axis=1) > 0]
        return float(there.mean()) if len(there) else float("nan")

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.names, self.counts + other.counts)


def confusion(
    truth: Sequence[int] | NDArray, guess: Sequence[int] | NDArray, names: Sequence[str]
) -> Confusion:
    """Count pairs of class numbers."""
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (np.asarray(truth, int), np.asarray(guess, int)), 1)
    return Confusion(tuple(names), counts)


def viseme_frames(spans: Sequence[PhoneSpan], frames: int, rate: float) -> NDArray[np.int64]:
    """(frames,) viseme number at i / rate seconds; -1 where no span says anything."""
    times = np.arange(frames) / rate
    found = np.full(frames, -1)
    for span in spans:
        found[(times >= span.start) & (times < span.end)] = VISEME_OF[span.phone]
    return found


def speech_frames(spans: Sequence[PhoneSpan], frames: int, rate: float) -> NDArray[np.bool_]:
    """(frames,) whether the labels have speech at i / rate seconds."""
    times = np.arange(frames) / rate
    speech = np.zeros(frames, bool)
    for span in spans:
        if span.phone != SILENCE:
            speech |= (times >= span.start) & (times < span.end)
    return speech


def score_visemes(spans: Sequence[PhoneSpan], guess: NDArray[np.integer], rate: float) -> Confusion:
    """Viseme accuracy over *speech frames*: frames that the labels call silence don't count.

    `guess` (N,) viseme numbers at i / rate seconds, out of all 15: hearing silence in speech is an
    error. Fifteen classes as Oculus names them; labels of another inventory (German's uvulars)
    are mapped as `phones.VISEMES` does, so that figures compare within this project and no further.
    """
    truth = viseme_frames(spans, len(guess), rate)
    judged = (truth >= 0) & speech_frames(spans, len(guess), rate)
    return confusion(truth[judged], np.asarray(guess)[judged], VISEMES)
