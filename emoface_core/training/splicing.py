# SPDX-License-Identifier: GPL-3.0-or-later
"""Known sounds in an order never heard: an utterance cut between phones and put together anew.

The few sentences that were recorded are otherwise learnt by heart, and what is heard long before
tells which phone follows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.training.augmentation import shift_spans
from emoface_core.training.phones import SILENCE, STOPS, PhoneSpan

CHUNK_PHONES = (3, 10)
_FADE = 40  # samples to either side of a cut: 5 ms in all
_FRICATIVES = frozenset("fvθðszʃʒxçhʁ")


def splice(
    samples: NDArray[np.float32], spans: Sequence[PhoneSpan], rng: np.random.Generator
) -> tuple[NDArray[np.float32], tuple[PhoneSpan, ...]]:
    """The same phones, as long and as many, in chunks that change places; and their spans.

    `spans` cover `samples` (mono, 16 kHz) in order. What is too short to be cut stays as it is.
    """
    cuts = _cuts(spans, rng)
    if len(cuts) < 3:
        return samples, tuple(spans)
    places = [round(spans[cut].start * SAMPLE_RATE) for cut in cuts[:-1]] + [len(samples)]
    places[0] = 0
    result = np.zeros(len(samples) + 2 * _FADE, np.float32)
    padded = np.pad(samples, _FADE)
    ramp = ((np.arange(2 * _FADE) + 0.5) / (2 * _FADE)).astype(np.float32)
    moved: list[PhoneSpan] = []
    at = 0
    for chunk in rng.permutation(len(cuts) - 1):
        first, last = places[chunk], places[chunk + 1]
        piece = padded[first : last + 2 * _FADE].copy()
        piece[: 2 * _FADE] *= ramp
        piece[-2 * _FADE :] *= ramp[::-1]
        result[at : at + len(piece)] += piece
        moved += shift_spans(spans[cuts[chunk] : cuts[chunk + 1]], (at - first) / SAMPLE_RATE)
        at += last - first
    return result[_FADE:-_FADE], tuple(moved)


def _cuts(spans: Sequence[PhoneSpan], rng: np.random.Generator) -> list[int]:
    """Where chunks begin, as indices of spans, and the number of spans at the end."""
    least, most = CHUNK_PHONES
    cuts = [0]
    while len(spans) - cuts[-1] >= 2 * least:
        places = np.arange(cuts[-1] + least, min(cuts[-1] + most, len(spans) - least) + 1)
        ease = np.array([_ease(spans[place - 1].phone, spans[place].phone) for place in places])
        cuts.append(int(rng.choice(places, p=ease / ease.sum())))
    return [*cuts, len(spans)]


def _ease(before: str, after: str) -> float:
    """How little a cut between two phones is heard: best in silence, then in noise."""
    if SILENCE in (before, after):
        return 8.0
    if after in STOPS:  # the closure begins
        return 4.0
    return 2.0 if before in _FRICATIVES or after in _FRICATIVES else 0.5
