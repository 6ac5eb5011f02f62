# SPDX-License-Identifier: GPL-3.0-or-later
"""Forced alignment in any language, by the phones that the bundled model hears.

Pocketsphinx (see `alignment`) knows English alone. The model's phone probabilities come at 50
frames a second; heard twice, 10 ms apart, they give 100. A phone of the right viseme counts for
something, because accents differ in phones and a mouth does not show in which.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.audio.level import level_gain
from emoface_core.audio.mel import FEATURE_RATE, log_mel
from emoface_core.engine.interface import Engine
from emoface_core.engine.phones_heard import log_softmax
from emoface_core.errors import InputError
from emoface_core.forced_alignment import align
from emoface_core.training.phones import PHONE_INDEX, PHONES, SILENCE, VISEME_OF, PhoneSpan
from emoface_core.training.speech_sets import Recording

Words = Sequence[Sequence[str]]  # phones, word by word

# Chosen on German labelled by hand and on voices with exact times; all are flat optima.
_SAME_VISEME = 0.3  # weight of the whole viseme beside the phone itself
_PRIOR_POWER = 0.5  # the model hears common phones too readily
_LEAST = 1e-4  # no frame may forbid a path
_FRAMES_A_PHONE = 3  # at least: 30 ms

_VISEMES = np.array([VISEME_OF[phone] for phone in PHONES])
_SAME = (_VISEMES[:, None] == _VISEMES).astype(np.float32)

# What belongs to the sound scores -0.9 in the median, -1.5 at worst; another sentence -2.5, and
# one in a hundred of them above -1.2. One word in a long text that was said otherwise shows alone.
_LEAST_SCORE = -1.6
_LEAST_WORD_SCORE = -2.8
_SHORT_WORD = 3  # phones: "the" may hardly be heard
_MOST_PHONES_A_SECOND = 20.0
_FEWEST_PHONES_A_SECOND = 2.5
_LONGEST_PHONE = 0.6  # seconds
_LEAST_PRIOR = 1e-3
_PAUSE = 0.2  # seconds of silence that part two phrases
_MARGIN = 0.25  # seconds of silence that are kept around one


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """A word's phones with their times, and the mean log-probability a frame of their visemes."""

    spans: tuple[PhoneSpan, ...]
    score: float

    @property
    def start(self) -> float:
        return self.spans[0].start

    @property
    def end(self) -> float:
        return self.spans[-1].end


def aligned(
    recordings: Iterable[Recording],
    said: Callable[[Recording], Words],
    engine: Engine,
    dropped: Counter[str],
) -> Iterator[tuple[Recording, tuple[PhoneSpan, ...]]]:
    """Phrases of recordings, with the times of the phones that are `said` in them.

    A long text is parted at its pauses, so that one word said otherwise costs one phrase. The sound
    is held in memory until all was heard. What fits badly is counted in `dropped`.
    """
    items = [(item, heard_phones(item.samples, engine)) for item in recordings]
    if not items:
        return
    prior = np.maximum(np.concatenate([heard for _, heard in items]).mean(axis=0), _LEAST_PRIOR)
    for item, heard in items:
        try:
            parts = phrases(align_words(heard, said(item), prior, len(item.samples) / SAMPLE_RATE))
        except InputError:
            parts = []
        if not parts:
            dropped["not alignable"] += 1
        for number, phrase in enumerate(parts):
            if trusted(phrase):
                before = parts[number - 1][-1].end if number else 0.0
                after = parts[number + 1][0].start if number + 1 < len(parts) else np.inf
                part, spans = cut(item, phrase, before, after)
                if len(parts) > 1:
                    part = replace(part, id=f"{item.id}-{number}", text="")
                yield part, spans
            else:
                dropped["poor alignment"] += 1


def phrases(words: Sequence[AlignedWord]) -> list[list[AlignedWord]]:
    """The words parted at pauses."""
    parts: list[list[AlignedWord]] = []
    for word in words:
        if parts and word.start - parts[-1][-1].end < _PAUSE:
            parts[-1].append(word)
        else:
            parts.append([word])
    return parts


def cut(
    item: Recording, phrase: Sequence[AlignedWord], before: float, after: float
) -> tuple[Recording, tuple[PhoneSpan, ...]]:
    """The sound of a phrase with a little of the pauses around it, and its spans in that.

    `before` and `after` (seconds) are where the neighbours end and start.
    """
    start = max((before + phrase[0].start) / 2 if before else 0.0, phrase[0].start - _MARGIN)
    end = min((after + phrase[-1].end) / 2, phrase[-1].end + _MARGIN)
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    spans = (span for word in phrase for span in word.spans)
    moved = tuple(
        PhoneSpan(s.phone, s.start - first / SAMPLE_RATE, s.end - first / SAMPLE_RATE)
        for s in spans
    )
    return replace(item, samples=item.samples[first:last]), moved


def trusted(words: Sequence[AlignedWord]) -> bool:
    """Whether an alignment may be learnt from: it sounds like the text, said by a human."""
    spans = [span for word in words for span in word.spans]
    lengths = np.array([word.end - word.start for word in words])
    rate = len(spans) / lengths.sum()
    return bool(
        np.average([word.score for word in words], weights=lengths) > _LEAST_SCORE
        and all(w.score > _LEAST_WORD_SCORE for w in words if len(w.spans) > _SHORT_WORD)
        and _FEWEST_PHONES_A_SECOND < rate < _MOST_PHONES_A_SECOND
        and max(span.end - span.start for span in spans) < _LONGEST_PHONE
    )


def heard_phones(samples: NDArray[np.float32], engine: Engine) -> NDArray[np.float32]:
    """(2N, P) probability of each of `PHONES`, 100 frames a second from 0 s on.

    InputError if the engine's model hears other phones.
    """
    if engine.info.model.phones != PHONES:
        raise InputError("The model hears other phones than the corpus has.", "Train it again.")
    mel = log_mel(samples, level_gain(samples))
    later = np.concatenate([mel[1:], mel[-1:]])
    logits = [engine.infer(part).phone_logits for part in (mel, later)]
    return np.exp(log_softmax(np.stack(logits, axis=1).reshape(len(mel), -1)))


def align_words(
    heard: NDArray[np.floating],
    words: Words,
    prior: NDArray[np.floating],
    seconds: float,
) -> tuple[AlignedWord, ...]:
    """Where each word's phones are spoken; between and around words there may be silence.

    `heard` as of `heard_phones`, `prior` (P,) its mean over much speech. InputError if there is no
    time for the words.
    """
    visemes = heard @ _SAME
    likely = ((1 - _SAME_VISEME) * heard + _SAME_VISEME * visemes) / prior**_PRIOR_POWER
    columns, optional = _states(words)
    # The last frames lie beyond the sound.
    frames = min(len(heard), round(seconds * FEATURE_RATE) + 1)
    found, _ = align(np.log(likely[:frames] + _LEAST), columns, optional)
    # A frame stands for the time from half a frame before it to half a frame after.
    times = np.clip((found - 0.5) / FEATURE_RATE, 0.0, seconds)
    result, state = [], 1
    for word in words:
        spans, fits = [], []
        for phone in word:
            last = state + _FRAMES_A_PHONE - 1
            start, end = float(times[state, 0]), float(times[last, 1])
            spans.append(PhoneSpan(phone, start, end))
            column = visemes[found[state, 0] : found[last, 1], PHONE_INDEX[phone]]
            fits.append(np.log(column + _LEAST))
            state = last + 1
        state += 1  # the silence
        result.append(AlignedWord(tuple(spans), float(np.concatenate(fits).mean())))
    return tuple(result)


def _states(words: Words) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Columns of the states in order, and which may be left out: silence, word, silence, …"""
    columns, optional = [PHONE_INDEX[SILENCE]], [True]
    for word in words:
        for phone in word:
            columns += [PHONE_INDEX[phone]] * _FRAMES_A_PHONE
            optional += [False] * _FRAMES_A_PHONE
        columns.append(PHONE_INDEX[SILENCE])
        optional.append(True)
    return np.array(columns), np.array(optional)
