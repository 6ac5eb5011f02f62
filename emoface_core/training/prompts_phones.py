# SPDX-License-Identifier: GPL-3.0-or-later
"""How a text is said in any of espeak-ng's languages: phones word by word."""

import subprocess

from emoface_core.training.phones import SILENCE, from_espeak
from emoface_core.training.speech_sets import Recording
from emoface_core.training.synthesis import SynthesisError

_SECONDS = 20.0  # of patience


def said(item: Recording, language: str) -> tuple[tuple[str, ...], ...]:
    """The phones of each word of a recording's text; see `spoken_words`."""
    return spoken_words(item.text, language)


def spoken_words(text: str, language: str) -> tuple[tuple[str, ...], ...]:
    """The phones of each word as espeak-ng says it; numbers are spelt out, liaisons made.

    `language` is espeak-ng's name (“fr”, “es-419”). SynthesisError if it is missing or fails.
    """
    return read_ipa(ipa(text, language, "--sep=_"))


def ipa(text: str, language: str, *options: str) -> str:
    """A text as espeak-ng prints it in IPA. SynthesisError if it is missing or fails."""
    command = ["espeak-ng", "-q", "-b", "1", "-v", language, "--ipa", *options, "--stdin"]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise SynthesisError(
            "The program “espeak-ng” is not installed.", "Install it: it knows how words are said."
        ) from None
    except subprocess.TimeoutExpired:
        raise SynthesisError(f"“espeak-ng” did not answer in {_SECONDS:.0f} s.") from None
    if done.returncode:
        raise SynthesisError(f"“espeak-ng” failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


def read_ipa(printed: str) -> tuple[tuple[str, ...], ...]:
    """Words of espeak-ng's output, which parts words by blanks or lines and phonemes by `_`."""
    words = []
    for word in printed.split():
        phones = [phone for symbol in word.split("_") for phone in from_espeak(symbol)]
        if spoken := tuple(phone for phone in phones if phone != SILENCE):
            words.append(spoken)
    return tuple(words)
