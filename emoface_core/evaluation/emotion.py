# SPDX-License-Identifier: GPL-3.0-or-later
"""Which emotion is heard: unweighted recall and who is taken for whom."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emoface_core.emotions import EMOTIONS
from emoface_core.evaluation.visemes import Confusion, confusion


def clip_emotion(
    weights: NDArray[np.floating], speech: NDArray[np.bool_], among: Sequence[str] = EMOTIONS
) -> str:
    """The emotion of a clip from weights (N, 8) by frame: the highest mean over speech frames.

    `among` limits the choice to the emotions that the data set has, as its labellers' was.
    """
    judged = weights[speech] if speech.any() else weights
    mean = judged.mean(axis=0)
    return max(among, key=lambda name: mean[EMOTIONS.index(name)])


def score_emotions(truth: Sequence[str], guess: Sequence[str]) -> Confusion:
    """Confusion over our eight; its `unweighted_recall` is the figure that counts (UAR).

    EmoDB's seven are mapped: anger, disgust, fear, joy, sadness and neutral to their own, boredom
    to calm; nobody is surprised in it, and a class that never occurs is not averaged.
    """
    return confusion(
        [EMOTIONS.index(name) for name in truth], [EMOTIONS.index(name) for name in guess], EMOTIONS
    )
