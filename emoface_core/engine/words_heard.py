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
_PAUSE = 0.15  # seconds of silence that part two phrases


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word, or, with no text, speech between two pauses."""

    text: str  # as it was written; "" for what was not
    start: float  # seconds
    end: float  # seconds
    fit: float  # 0 to 1: how well the sound fits its letters; 1 for what has none
    phones: str = ""  # what was heard, in IPA


@dataclass(frozen=True, slots=True)
class Found:
    """Where a text was found in n frames."""

    words: tuple[HeardWord, ...]  # without phones
    prior: Floats  # (n, P) what the letters add to the phones' log-probabilities


def find_words(
    words: Sequence[SpeltWord],
    log_probabilities: Floats,
    names: tuple[str, ...],
    seconds: float,
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
    weights = _weights(kinds, names)
    scores = np.log(heard[:frames] @ weights.T + _FLOOR)
    columns = np.array([kinds.index(sound) for sound in sounds])
    optional = np.array([sound.optional for sound in sounds])
    spans, total = align(scores, columns, optional)
    _, backwards = align(scores, columns[::-1], optional[::-1])
    spoken = 1.0 - heard[:frames, names.index(SILENCE)]
    if (2 * total - backwards) * frames < _FITS * max(spoken.sum(), 1.0):
        raise InputError("The text does not fit what is said in the sound.", _HINT)
    found = []
    prior = np.zeros(heard.shape, np.float32)
    said = np.log(np.maximum(weights, np.exp(-_TELLS)))
    for number, word in enumerate(words):
        states = [s for s in np.flatnonzero(np.equal(owner, number)) if spans[s, 0] != SKIPPED]
        first, last = int(spans[states[0], 0]), int(spans[states[-1], 1])
        kind = np.concatenate([np.full(np.diff(spans[s])[0], columns[s]) for s in states])
        fit = float(np.exp(scores[np.arange(first, last), kind].mean()))
        start, end = _time(first, seconds), _time(last, seconds)
        found.append(HeardWord(word.text, start, end, fit))
        if fit >= _SURE:
            # A letter's edges are soft: at each frame its neighbours' sounds may be heard too.
            row = said[kind]
            near = np.maximum(row, np.maximum(_moved(row, 1), _moved(row, -1)))
            prior[first:last] = near
    return Found(tuple(found), prior)


def with_phones(
    words: Sequence[HeardWord], phones: PhonesHeard, names: tuple[str, ...]
) -> tuple[HeardWord, ...]:
    """The words with the phones heard in them, and the phrases that no word was found for."""
    middles = (phones.start + phones.end) / 2
    spoken = phones.index != names.index(SILENCE)

    def ipa(start: float, end: float) -> str:
        within = np.flatnonzero(spoken & (middles >= start) & (middles < end))
        return "".join(names[phones.index[i]] for i in within)

    told = [
        HeardWord(word.text, word.start, word.end, word.fit, ipa(word.start, word.end))
        for word in words
    ]
    edges = [0.0, *(t for word in words for t in (word.start, word.end)), np.inf]
    for begin, stop in zip(edges[::2], edges[1::2], strict=True):
        within = spoken & (middles >= begin) & (middles < stop)
        for first, last in _phrases(phones.start[within], phones.end[within]):
            start, end = max(first, begin), min(last, stop)
            if not words or end - start >= _PAUSE:
                told.append(HeardWord("", start, end, 1.0, ipa(start, end)))
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


def _moved(rows: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """Rows moved by one place, the first or last one standing twice."""
    return rows[np.clip(np.arange(len(rows)) - by, 0, len(rows) - 1)]


def _time(frame: int, seconds: float) -> float:
    """Frame i stands for the time from half a frame before it to half a frame after."""
    return min(max((frame - 0.5) / NETWORK_RATE, 0.0), seconds)
