# SPDX-License-Identifier: GPL-3.0-or-later
"""The words heard in a bake as frames of the scene, and what was chosen for them kept. No bpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from emoface_core.layers import BakeLayers

from .cues import Accent
from .timing import Clip

DOUBTFUL = 0.2  # a word whose fit is below may not be said there at all
_EASE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a phrase between pauses (text ""), from frame `first` to `last`, as it was baked.

    `strength` is that of the speech in it, and `mute` whether it is left out; both are chosen.
    """

    text: str
    phones: str  # as heard, in IPA
    first: int
    last: int
    fit: float  # 0 to 1: how well the sound fits the letters
    strength: float = 1.0
    mute: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was chosen for it."""
        return self.mute or self.strength != 1.0

    @property
    def _name(self) -> str:
        return self.text.casefold() or f"/{self.phones}/"


def words_of(layers: BakeLayers, clip: Clip) -> list[Word]:
    """What a bake heard, at its place on the timeline."""
    found = zip(
        layers.word_text, layers.word_phones, layers.word_start, layers.word_end, layers.word_fit,
        strict=True,
    )  # fmt: skip
    words = []
    for text, phones, start, end, fit in found:
        first = clip.felt_from + round(float(start) * layers.fps)
        last = max(first, clip.felt_from + round(float(end) * layers.fps) - 1)
        words.append(Word(text, phones, first, last, float(fit)))
    return words


def accent_of(word: Word, fps: float, offset: float = 0.0) -> Accent:
    """The accent that a word's strength is; `offset`: frames by which its bake was moved."""
    strength = 0.0 if word.mute else word.strength
    return Accent(word.first + offset, word.last + offset, strength, round(_EASE_SECONDS * fps))


def carried(old: Sequence[Word], new: Sequence[Word]) -> list[tuple[float, bool]]:
    """Strength and mute of each new word: what was chosen for the same word of an earlier bake.

    The same is what stands in the same order; else what is heard at the same time.
    """
    names = [word._name for word in old], [word._name for word in new]
    matcher = SequenceMatcher(None, *names, autojunk=False)
    same = {
        block.b + k: old[block.a + k]
        for block in matcher.get_matching_blocks()
        for k in range(block.size)
    }
    matched = {id(word) for word in same.values()}
    loose = [word for word in old if word.changed and id(word) not in matched]
    result = []
    for number, word in enumerate(new):
        middle = (word.first + word.last) / 2
        there = next((w for w in loose if w.first <= middle <= w.last), None)
        before = same.get(number, there)
        result.append((1.0, False) if before is None else (before.strength, before.mute))
    return result
