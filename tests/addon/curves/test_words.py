# SPDX-License-Identifier: GPL-3.0-or-later
"""What was chosen for a word is kept when it is heard again."""

import dataclasses

import numpy as np

from blender_addon.curves.cues import gain_over_time
from blender_addon.curves.words import Word, accent_of, carried


def words(*rows: tuple) -> list[Word]:
    return [Word(text, "x", first, last, 1.0, *more) for text, first, last, *more in rows]


def test_an_accent_is_of_the_words_frames() -> None:
    frames = np.arange(40, dtype=np.float32)
    word = Word("come", "kʌm", 10, 19, 1.0, 1.5)
    gain = gain_over_time([accent_of(word, fps=30)], frames)
    np.testing.assert_allclose(gain[10:20], 1.5)
    np.testing.assert_allclose(gain[[6, 23]], 1.0)
    muted = dataclasses.replace(word, mute=True)
    np.testing.assert_allclose(gain_over_time([accent_of(muted, 30, 5.0)], frames)[15:25], 0.0)


def test_the_same_words_later_on_the_timeline() -> None:
    old = words(("the", 1, 4), ("cat", 5, 9, 1.5), ("and", 10, 12), ("the", 13, 15, 1.0, True))
    new = words(("well", 90, 99), ("The", 101, 104), ("cat", 105, 109), ("the", 113, 115))
    assert carried(old, new) == [(1.0, False), (1.0, False), (1.5, False), (1.0, True)]


def test_a_text_that_was_added_takes_what_its_phrases_had() -> None:
    old = words(("", 1, 20, 0.5), ("", 30, 35, 1.0, True))
    new = words(("hear", 2, 9), ("me", 10, 19), ("", 30, 36))
    new[2] = dataclasses.replace(new[2], phones="xə")
    assert carried(old, new) == [(0.5, False), (0.5, False), (1.0, True)]


def test_nothing_before_nothing_kept() -> None:
    assert carried([], words(("a", 1, 2))) == [(1.0, False)]
    assert carried(words(("a", 1, 2, 1.5)), []) == []
