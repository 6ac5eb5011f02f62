# SPDX-License-Identifier: GPL-3.0-or-later
"""When a stop's closure opens: found in the sound, for labels that do not say it.

Voices and aligners give a stop as one stretch, closure and breath together. The lips of a p part at
the burst, two thirds of the way through, on average, but anywhere between a third and the whole.
The burst is the steepest rise of the sound's brightness within the stop. Against the hand labels of
EmoDB it is found within 1 ms (median) and 2.5 ms (80 %) for p, b, t, d, k and g alike.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.training.phones import STOPS, PhoneSpan

_WINDOW, _HOP, _RISE_HOPS = 64, 16, 5  # 4 ms, 1 ms, a rise over 5 ms
_EARLIEST = 0.2  # share of the stop that is closed whatever happens
_BEYOND_SECONDS = 0.004  # labels end a little early now and then
_LEAST_HISS = 0.01
_LEAST_RISE_DB = 8.0  # less is no burst: the stop is not released


def mark_releases(
    spans: Sequence[PhoneSpan], samples: NDArray[np.float32]
) -> tuple[PhoneSpan, ...]:
    """The spans, stops without a release given theirs where the sound shows one (mono, 16 kHz)."""
    return tuple(
        replace(span, release=_burst(span, samples))
        if span.phone in STOPS and span.release is None
        else span
        for span in spans
    )


def open_affricates(
    spans: Sequence[PhoneSpan], samples: NDArray[np.float32]
) -> tuple[PhoneSpan, ...]:
    """The spans, a t or d that breaks into a hiss ending where the sound does so (mono, 16 kHz).

    A label of the whole says nothing of it, and the closure's share is 0.4 in one voice and 0.65 in
    another.
    """
    result = list(spans)
    for i, (stop, hiss) in enumerate(pairwise(spans)):
        if stop.phone in "td" and hiss.phone in "szʃʒ":
            at = _burst(replace(stop, end=hiss.end), samples)
            if at is not None and at < hiss.end - _LEAST_HISS:
                result[i : i + 2] = replace(stop, end=at), replace(hiss, start=at)
    return tuple(result)


def _burst(span: PhoneSpan, samples: NDArray[np.float32]) -> float | None:
    first = max(0, round(span.start * SAMPLE_RATE) - 200)
    last = min(len(samples), round(span.end * SAMPLE_RATE) + 200)
    # The difference of neighbours lifts high frequencies, where bursts are and voicing is not.
    bright = np.diff(samples[first:last].astype(np.float64), prepend=0.0)
    energy = np.concatenate([[0.0], np.cumsum(bright**2)])
    starts = np.arange(0, len(bright) - _WINDOW, _HOP)
    if len(starts) <= _RISE_HOPS:
        return None
    level = 10 * np.log10((energy[starts + _WINDOW] - energy[starts]) / _WINDOW + 1e-9)
    rise = level[_RISE_HOPS:] - level[:-_RISE_HOPS]
    centre = (first + starts + _WINDOW / 2) / SAMPLE_RATE
    time = (centre[_RISE_HOPS:] + centre[:-_RISE_HOPS]) / 2
    earliest = span.start + _EARLIEST * (span.end - span.start)
    allowed = np.flatnonzero((time > earliest) & (time < span.end + _BEYOND_SECONDS))
    if not len(allowed):
        return None
    best = allowed[np.argmax(rise[allowed])]
    return min(float(time[best]), span.end) if rise[best] >= _LEAST_RISE_DB else None
