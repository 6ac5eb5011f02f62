# SPDX-License-Identifier: GPL-3.0-or-later
"""When words are really spoken, and by how much the words that a text found are off.

Labels say when phones are spoken, not words. A word's usual pronunciation is laid onto the labelled
phones by the least edits, and its times are those of the phones it falls on; the engine's own rules
of spelling have no part in it. EmoDB's sentences are written out here as its labellers would; what
flite and espeak-ng say is asked of them.
"""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from emoface_core.engine.animate import AnimateOptions, animate
from emoface_core.engine.interface import Engine
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.evaluation.performers import Heard
from emoface_core.training.phones import (
    SILENCE,
    VISEME_OF,
    VOWELS,
    PhoneSpan,
    from_arpabet,
    from_espeak,
    from_sampa,
)
from emoface_core.training.synthesis import SynthesisError, flite_phones

Times = tuple[float, float]

# EmoDB's sentences (Burkhardt et al. 2005) and how they are said, in SAMPA, word by word.
EMODB = {
    "a01": ("Der Lappen liegt auf dem Eisschrank.", "de6|lap@n|likt|auf|dem|aisSRaNk"),
    "a02": ("Das will sie am Mittwoch abgeben.", "das|vIl|zi|am|mItvOx|apgeb@n"),
    "a04": ("Heute abend könnte ich es ihm sagen.", "hOit@|ab@nt|k9nt@|IC|Es|im|zag@n"),
    "a05": (
        "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
        "das|SvaRts@|StYk|papi6|b@fInd@t|zIC|da|ob@n|neb@n|dem|hOltsStYk",
    ),
    "a07": ("In sieben Stunden wird es soweit sein.", "In|zib@n|StUnd@n|vI6t|Es|zovait|zain"),
    "b01": (
        "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
        "vas|zInt|dEn|das|fy6|tyt@n|di|da|Unt6|dem|tIS|Ste@n",
    ),
    "b02": (
        "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
        "zi|hab@n|Es|g@Rad@|hoxg@tRag@n|Unt|jEtst|ge@n|zi|vid6|RUnt6",
    ),
    "b03": (
        "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
        "an|den|vOx@nEnd@n|bIn|IC|jEtst|Im6|nax|hauz@|g@faR@n|Unt|hab@|agnEs|b@zuxt",
    ),
    "b09": (
        "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
        "IC|vIl|das|eb@n|vEkbRIN@n|Unt|dan|mIt|kaRl|vas|tRINk@n|ge@n",
    ),
    "b10": (
        "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
        "di|vI6t|auf|dem|plats|zain|vo|vi6|zi|Im6|hInleg@n",
    ),
}
_ALIKE = ("pbmβ", "nmŋ", "tdnl", "ɹʁʌəx")  # sounds that labels and dictionaries take for each other
_CUT = 0.02  # seconds from the end of the sound: what is labelled up to there goes on after it


@dataclass(frozen=True, slots=True)
class Spoken:
    """The words of which a clip holds more than half, and the times of those it holds whole."""

    words: tuple[str, ...]
    times: tuple[Times | None, ...]  # seconds; None for one of which nothing is heard

    @property
    def text(self) -> str:
        """The words as one text."""
        return " ".join(self.words)


@dataclass(slots=True)
class WordErrors:
    """By how much the found words' starts and ends are off, clip by clip."""

    seconds: list[float] = field(default_factory=list)  # signed: positive is late
    clips: int = 0
    words: int = 0
    refused: int = 0  # clips whose own text was said not to fit

    def percentile(self, percent: float) -> float:
        """Of the boundaries' errors without sign, seconds."""
        return float(np.percentile(np.abs(self.seconds), percent))


def emodb_spoken(sentence: str, spans: Sequence[PhoneSpan]) -> Spoken:
    """What is heard of one of EmoDB's sentences ("a02"), of which a clip may hold only the start.

    InputError if it is none of them.
    """
    if sentence not in EMODB:
        raise InputError(f"EmoDB has no sentence “{sentence}”.", "Check the data folder.")
    text, sampa = EMODB[sentence]
    phones = [
        tuple(phone for letter in word for phone in from_sampa(letter)) for word in sampa.split("|")
    ]
    return word_times(text.split(), phones, spans)


def synthetic_spoken(heard: Heard) -> Spoken:
    """What a synthetic voice said: its text, pronounced word by word by the program itself.

    SynthesisError if that program is not here.
    """
    words = [word for word in heard.text.split() if any(c.isalnum() for c in word)]
    return word_times(words, [_said(word, heard.speaker) for word in words], heard.spans)


def word_times(
    words: Sequence[str], phones: Sequence[Sequence[str]], spans: Sequence[PhoneSpan]
) -> Spoken:
    """The words' times by the labels, `phones` being how each is usually said."""
    said = [span for span in spans if span.phone != SILENCE]
    wanted = [(phone, k) for k, word in enumerate(phones) for phone in word]
    cost = np.full((len(wanted) + 1, len(said) + 1), np.inf)
    cost[0], cost[:, 0] = np.arange(len(said) + 1), np.arange(len(wanted) + 1)
    for i, (phone, _) in enumerate(wanted, 1):
        for j, span in enumerate(said, 1):
            cost[i, j] = min(
                cost[i - 1, j - 1] + _unlike(phone, span.phone),
                cost[i - 1, j] + 1,
                cost[i, j - 1] + 1,
            )
    cut = bool(spans) and spans[-1].phone != SILENCE
    i, j = int(np.argmin(cost[:, -1])) if cut else len(wanted), len(said)
    heard = i
    owner: list[int | None] = [None] * len(said)
    while i and j:
        if np.isclose(
            cost[i, j], cost[i - 1, j - 1] + _unlike(wanted[i - 1][0], said[j - 1].phone)
        ):
            i, j = i - 1, j - 1
            owner[j] = wanted[i][1]
        elif np.isclose(cost[i, j], cost[i - 1, j] + 1):
            i -= 1
        else:
            j -= 1
    _adopt(owner, said)
    times: list[Times | None] = []
    for k, word in enumerate(phones):
        mine = [span for span, of in zip(said, owner, strict=True) if of == k]
        if heard <= 0.5 * len(word):
            break
        whole = heard >= len(word)
        times.append((mine[0].start, mine[-1].end) if mine and whole else None)
        heard -= len(word)
    return Spoken(tuple(words[: len(times)]), tuple(times))


def _adopt(owner: list[int | None], said: Sequence[PhoneSpan]) -> None:
    """Sounds that no word asks for go to the word before; a glottal stop begins the one after."""
    for j, of in enumerate(owner):
        if of is None:
            after = next((k for k in owner[j + 1 :] if k is not None), None)
            before = owner[j - 1] if j else None
            owner[j] = after if before is None or said[j].phone == "ʔ" else before


def _unlike(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if VISEME_OF[one] == VISEME_OF[other]:
        return 0.3
    if {one, other} <= VOWELS or any({one, other} <= set(group) for group in _ALIKE):
        return 0.6
    return 1.5


@cache
def _said(word: str, speaker: str) -> tuple[str, ...]:
    program, _, voice = speaker.partition("-")
    if program != "espeak":
        return tuple(phone for symbol in flite_phones(word) for phone in from_arpabet(symbol))
    command = ["espeak-ng", "-q", "--ipa", "--sep= ", "-v", voice.split("+")[0], word]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        raise SynthesisError("espeak-ng is not here to say how words sound.") from None
    symbols = done.stdout.split()
    return tuple(p for symbol in symbols for p in from_espeak(symbol) if p != SILENCE)


def word_errors(clips: Iterable[tuple[Heard, Spoken]], engine: Engine) -> WordErrors:
    """Every clip with its own text: starts and ends of its whole words against the labels."""
    errors = WordErrors()
    for heard, spoken in clips:
        options = AnimateOptions(emotion="neutral", intensity=0.0, text=spoken.text)
        errors.clips += 1
        try:
            with animate(heard.samples, options, engine) as performance:
                found = [word for word in performance.words if word.text]
        except EmoFaceError:
            errors.refused += 1
            continue
        for word, times in zip(found, spoken.times, strict=True):
            if times is None:
                continue
            errors.words += 1
            errors.seconds.append(word.start - times[0])
            if times[1] < heard.seconds - _CUT:
                errors.seconds.append(word.end - times[1])
    return errors
