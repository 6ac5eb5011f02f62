# SPDX-License-Identifier: GPL-3.0-or-later
"""Which emotion when: read from the voice, chosen by the animator, or a mixture of both."""

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.mel import NETWORK_RATE
from emoface_core.emotions import AUTO, EMOTIONS, emotion_index
from emoface_core.errors import InputError

Floats = NDArray[np.float32]

# A feeling lasts longer than a syllable: logits are averaged under a Gaussian of this deviation
# (about 1.8 s from half height to half height).
SMOOTHING_SECONDS = 0.75
_PIECE = 10_000  # frames at a time
_SILENT_WEIGHT = 0.02  # of a frame in which nobody speaks, beside one in which somebody does


def chosen_weights(emotion: str) -> Floats | None:
    """(8,) weights of a choice, None for "auto".

    `emotion`: a name, "auto", or a mixture such as "happy=0.7,surprised=0.3" (brought to sum 1).
    InputError for anything else.
    """
    if emotion == AUTO:
        return None
    weights = np.zeros(len(EMOTIONS), np.float32)
    for part in emotion.split(","):
        name, equals, amount = part.partition("=")
        try:
            weight = float(amount) if equals else 1.0
        except ValueError:
            weight = -1.0
        if not 0 <= weight < 1e6:
            raise InputError(
                f"“{amount}” is not a weight of an emotion.", "Write it as happy=0.7,surprised=0.3."
            )
        weights[emotion_index(name.strip())] += weight
    if weights.sum() <= 0:
        raise InputError(f"“{emotion}” has no weight above zero.", "Raise one of them.")
    return weights / weights.sum()


def voice_weights(logits: Floats, speaking: Floats) -> Floats:
    """(N, 8) weights heard in the voice, from logits (N, 8) and how much is spoken (N,) 0..1."""
    reach = round(3 * SMOOTHING_SECONDS * NETWORK_RATE)
    times = np.arange(-reach, reach + 1) / NETWORK_RATE
    kernel = np.exp(-0.5 * (times / SMOOTHING_SECONDS) ** 2)
    amount = np.maximum(speaking, _SILENT_WEIGHT)
    weights = np.empty(logits.shape, np.float32)
    for first in range(0, len(logits), _PIECE):
        last = min(first + _PIECE, len(logits))
        begin, end = max(0, first - reach), min(len(logits), last + reach)
        heavy = amount[begin:end, None]
        both = np.concatenate([logits[begin:end] * heavy, heavy], axis=1)
        smooth = np.stack([np.convolve(column, kernel, "full") for column in both.T], axis=1)
        smooth = smooth[reach + first - begin : reach + last - begin]
        mean = smooth[:, :-1] / smooth[:, -1:]
        odds = np.exp(mean - mean.max(axis=1, keepdims=True))
        weights[first:last] = odds / odds.sum(axis=1, keepdims=True)
    return weights


def mixed_weights(voice: Floats, chosen: Floats | None, preference: float | None) -> Floats:
    """(T, 8): the voice's and the choice, `preference` 0 = all voice, 1 = all choice."""
    if chosen is None:
        return voice
    share = np.float32(1.0 if preference is None else preference)
    return (1 - share) * voice + share * chosen
