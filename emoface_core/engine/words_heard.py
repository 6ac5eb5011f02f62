# SPDX-License-Identifier: GPL-3.0-or-later
"""When each word of a text is spoken, and what that says about the phones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.mel import NETWORK_RATE
from emoface_core.engine.phones_heard import PhonesHeard
from emoface_core.engine.spelling import Sound, SpeltWord, in_order
from emoface_core.errors import InputError
from emoface_core.forced_alignment import SKIPPED, align
from emoface_core.phones import SILENCE

Floats = NDArray[np.float32]

_FLOOR = 1e-3  # probability of a sound that the network is sure not to hear
_MOST_CELLS = 200_000_000  # bytes that an alignment may take: ten minutes of fluent speech
# How much better the words explain the sound than the same ones backwards, plus how well they do:
# mean log-probabilities a frame of speech. All own texts of 370 short clips (EmoDB, speechocean762,
# synthetic voices) were above -1.1, and of other clips' texts 8 to 9 of 10 below -1.2.
_FITS = -1.2
_HINT = "Give the words that are spoken in it, or no text."
_SURE = 0.2  # words that fit worse say nothing about the phones
_TELLS = 5.0  # nats by which phones that were not written are less likely
_PAUSE = 0.12  # seconds of silence that part two phrases


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word, or, with no text, speech between two pauses."""

    text: str  # as it was written; "" for what was not
    start: float  # seconds
    end: float  # seconds
    fit: float  # 0 to 1: how well the sound fits its letters; 1 for what has none
    phones: str  # what was heard, in IPA


@dataclass(frozen=True, slots=True)
class Found:
    """Where a text was found in n frames."""

    words: tuple[HeardWord, ...]
    prior: Floats  # (n, P) what the letters add to the phones' log-probabilities


def find_words(
    words: Sequence[SpeltWord], log_probabilities: Floats, names: tuple[str, ...], seconds: float
) -> Found:
    """Align words with phones' log-probabilities (n, P) at 50 a second.

    InputError if they are more than can be said in that time, or are not what is said there.
    """
    sounds, owner = in_order(words)
    heard = np.exp(np.asarray(log_probabilities, np.float64))
    frames = min(len(heard), int(np.ceil(seconds * NETWORK_RATE)) + 1)
    if frames * len(sounds) > _MOST_CELLS:
        raise InputError(
            "The text is too long to be found in one piece of sound.",
            "Cut the sound into shorter strips, each with its own text.",
        )
    kinds = list(dict.fromkeys(sounds))
    columns = np.array([kinds.index(sound) for sound in sounds])
    optional = np.array([sound.optional for sound in sounds])
    weights = _weights(kinds, names)
    scores = np.log(heard[:frames] @ weights.T + _FLOOR)
    spans, total = align(scores, columns, optional)
    _, backwards = align(scores, columns[::-1], optional[::-1])
    spoken = 1.0 - heard[:frames, names.index(SILENCE)]
    if (2 * total - backwards) * frames < _FITS * max(spoken.sum(), 1.0):
        raise InputError("The text does not fit what is said in the sound.", _HINT)
    told = np.log(np.maximum(weights, np.exp(-_TELLS)))
    prior = np.zeros(heard.shape, np.float32)
    found = []
    for number, word in enumerate(words):
        states = np.flatnonzero(np.equal(owner, number) & (spans[:, 0] != SKIPPED))
        first, last = int(spans[states[0], 0]), int(spans[states[-1], 1])
        kind = np.repeat(columns[states], np.diff(spans[states])[:, 0])  # of each of its frames
        fit = float(np.exp(scores[np.arange(first, last), kind].mean()))
        if fit >= _SURE:
            prior[first:last] = _softly(told[kind])
        likely = log_probabilities[first:last] + told[kind]
        edges = spans[states, 0] - first
        best = np.add.reduceat(likely, edges).argmax(1)
        phones = "".join(names[i] for i in best if names[i] != SILENCE)
        start, end = _time(first, seconds), _time(last, seconds)
        found.append(HeardWord(word.text, start, end, fit, phones))
    return Found(tuple(found), prior)


def with_phrases(
    words: Sequence[HeardWord], phones: PhonesHeard, names: tuple[str, ...]
) -> tuple[HeardWord, ...]:
    """The words, and between them the phrases that no word was found for."""
    middles = (phones.start + phones.end) / 2
    spoken = phones.index != names.index(SILENCE)

    told = list(words)
    edges = [0.0, *(t for word in words for t in (word.start, word.end)), np.inf]
    for begin, stop in zip(edges[::2], edges[1::2], strict=True):
        within = spoken & (middles >= begin) & (middles < stop)
        for first, last in _phrases(phones.start[within], phones.end[within]):
            start, end = max(first, begin), min(last, stop)
            if not words or end - start >= _PAUSE:
                inside = np.flatnonzero(within & (middles >= first) & (middles < last))
                ipa = "".join(names[index] for index in phones.index[inside])
                told.append(HeardWord("", start, end, 1.0, ipa))
    return tuple(sorted(told, key=lambda word: word.start))


def _phrases(starts: Floats, ends: Floats) -> list[tuple[float, float]]:
    """Spans in order, joined where no pause is between."""
    phrases: list[tuple[float, float]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if phrases and start - phrases[-1][1] < _PAUSE:
            phrases[-1] = phrases[-1][0], end
        else:
            phrases.append((start, end))
    return phrases


def _weights(kinds: Sequence[Sound], names: tuple[str, ...]) -> NDArray[np.float64]:
    """(kinds, P). Phones that the model does not know are passed over."""
    weights = np.zeros((len(kinds), len(names)))
    for row, kind in zip(weights, kinds, strict=True):
        row[:] = kind.others
        for phone, weight in kind.weights:
            if phone in names:
                row[names.index(phone)] = weight
    return weights


def _softly(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """At each frame what its neighbours' letters say may be heard too: edges are not exact."""
    last = len(rows) - 1
    steps = (np.clip(np.arange(len(rows)) + by, 0, last) for by in (-1, 0, 1))
    return np.maximum.reduce([rows[step] for step in steps])


def _time(frame: int, seconds: float) -> float:
    """Frame i stands for the time from half a frame before it to half a frame after."""
    return min(max((frame - 0.5) / NETWORK_RATE, 0.0), seconds)
