# SPDX-License-Identifier: GPL-3.0-or-later
"""How English words are said: CMUdict as pocketsphinx carries it, flite for words it lacks."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Self

from emoface_core.training import synthesis
from emoface_core.training.speech_sets import Recording


class Pronunciations:
    """ARPABET phones of English words."""

    def __init__(self, words: dict[str, tuple[str, ...]]) -> None:
        self._words = words

    @classmethod
    def load(cls) -> Self:
        """From the dictionary in pocketsphinx's package."""
        from pocketsphinx import get_model_path

        path = Path(get_model_path("en-us/cmudict-en-us.dict"))
        words: dict[str, tuple[str, ...]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            word, *phones = line.split()
            if not word.endswith(")"):  # "read(2)" is a second way to say it
                words[word] = tuple(phones)
        return cls(words)

    def of_text(self, text: str) -> tuple[tuple[str, ...], ...]:
        """Each word's phones; words that nobody knows are said by flite."""
        plain = text.lower().replace("’", "'")
        result = []
        for word in re.findall(r"[a-z0-9][a-z0-9']*", plain):
            if word not in self._words:
                self._words[word] = _by_flite(word)
            if self._words[word]:
                result.append(self._words[word])
        return tuple(result)

    def with_words(self, recording: Recording) -> Recording:
        """The recording with `words` from its text."""
        return replace(recording, words=self.of_text(recording.text))


# flite's names for what pocketsphinx's model has no unit of its own for.
_REDUCED = {"ax": "AH", "axr": "ER", "ix": "IH", "el": "AH L", "em": "AH M", "en": "AH N"}


def _by_flite(word: str) -> tuple[str, ...]:
    phones = synthesis.flite_phones(word)
    return tuple(
        symbol for phone in phones for symbol in _REDUCED.get(phone, phone.upper()).split()
    )
