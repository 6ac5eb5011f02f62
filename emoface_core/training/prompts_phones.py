# SPDX-License-Identifier: GPL-3.0-or-later
"""How a text is said in any of espeak-ng's languages: phones word by word."""

from emoface_core.training.phones import SILENCE, from_espeak
from emoface_core.training.speech_sets import Recording
from emoface_core.training.synthesis import run_program

_SECONDS = 20.0  # of patience


def said(item: Recording, language: str) -> tuple[tuple[str, ...], ...]:
    """The phones of each word of a recording's text; see `spoken_words`."""
    return spoken_words(item.text, language)


def spoken_words(text: str, language: str) -> tuple[tuple[str, ...], ...]:
    """The phones of each word as espeak-ng says it; numbers are spelt out, liaisons made.

    `language` is espeak-ng's name (“fr”, “es-419”). SynthesisError if it is missing or fails.
    """
    command = ["espeak-ng", "-q", "-b", "1", "-v", language, "--ipa", "--sep=_", "--stdin"]
    return read_ipa(run_program(command, seconds=_SECONDS, given=text))


def read_ipa(printed: str) -> tuple[tuple[str, ...], ...]:
    """Words of espeak-ng's output, which parts words by blanks or lines and phonemes by `_`."""
    words = []
    for word in printed.split():
        phones = [phone for symbol in word.split("_") for phone in from_espeak(symbol)]
        if spoken := tuple(phone for phone in phones if phone != SILENCE):
            words.append(spoken)
    return tuple(words)
