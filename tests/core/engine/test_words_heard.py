# SPDX-License-Identifier: GPL-3.0-or-later
"""Words are found where their letters' sounds are, in any alphabet; what does not fit is said."""

import numpy as np
import pytest

from emoface_core.engine.phones_heard import PhonesHeard
from emoface_core.engine.spelling import spell
from emoface_core.engine.words_heard import find_words, with_phrases
from emoface_core.errors import InputError

NAMES = ("sil", *"aeiouəpbmfvtdnlszʃkɡxçɹj")
RATE = 50


def heard(said: str, sure: float = 0.9, frames: int = 4) -> tuple[np.ndarray, float]:
    """Log-probabilities of phones, "_" being silence, each for so many frames; and the seconds."""
    path = [NAMES.index("sil" if sign == "_" else sign) for sign in said for _ in range(frames)]
    share = np.full((len(path), len(NAMES)), (1 - sure) / (len(NAMES) - 1))
    share[np.arange(len(path)), path] = sure
    return np.log(share).astype(np.float32), (len(path) - 1) / RATE


def times(text: str, said: str) -> list[tuple[str, int, int]]:
    """Each word with the phones of `said` that it was found on."""
    rows, seconds = heard(said)
    return [
        (word.text, round(word.start * RATE / 4), round(word.end * RATE / 4))
        for word in find_words(spell(text), rows, NAMES, seconds).words
    ]


@pytest.mark.parametrize(
    ("text", "said", "ends"),
    [
        ("Das will Papa!", "__das_vil_papa__", [(2, 5), (6, 9), (10, 14)]),
        ("the fish knocks", "_dəfiʃ__naks_", [(1, 3), (3, 6), (8, 12)]),
        ("Быть вместе", "_bitvmesti_", [(1, 4), (4, 10)]),
        ("μπορώ να πάω", "boɹonapao", [(0, 4), (4, 6), (6, 9)]),
        ("schön (leise) [hustet] gesagt", "ʃen__ɡesaxt_", [(0, 3), (5, 11)]),
        ("am 24. Mai", "am__tsvantsiç__mai_", [(0, 2), (4, 13), (15, 18)]),
    ],
)
def test_words_of_many_languages(text: str, said: str, ends: list[tuple[int, int]]) -> None:
    found = times(text, said)
    assert [(start, end) for _, start, end in found] == ends


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("...", "no words"),
        ("[coughs]", "no words"),
        ("papa 你好", "script"),
        ("papa " * 40, "longer than the recording"),
        ("kitesurfing scientists exist", "does not fit"),
    ],
)
def test_what_cannot_be_is_said(text: str, says: str) -> None:
    rows, seconds = heard("_mamavobapama_mamavobapama_")
    with pytest.raises(InputError, match=says):
        find_words(spell(text), rows, NAMES, seconds)


def test_letters_make_lips_likelier_where_they_are_and_unlikelier_elsewhere() -> None:
    rows, seconds = heard("_sata_mama_", sure=0.9)
    rows[5 * 4 : 6 * 4] = rows[0]  # between the words
    p, t = NAMES.index("p"), NAMES.index("t")
    rows[3 * 4 : 4 * 4, [p, t]] = np.log([0.15, 0.8])  # the t sounds a little like p
    told = rows + find_words(spell("sapa mama"), rows, NAMES, seconds).prior
    there = told[3 * 4 + 1]
    assert there[p] > there[t] + 2
    plain = rows + find_words(spell("sata mama"), rows, NAMES, seconds).prior
    assert plain[3 * 4 + 1, t] > plain[3 * 4 + 1, p] + 5


def test_a_word_that_is_not_there_is_told_by_its_fit_and_tells_nothing() -> None:
    rows, seconds = heard("_das_vil_ssssss_haben_".replace("h", "x"))
    found = find_words(spell("das will bumm haben"), rows, NAMES, seconds)
    fits = {word.text: word.fit for word in found.words}
    assert fits.pop("bumm") < 0.2
    assert min(fits.values()) > 0.4
    bumm = found.words[2]
    inside = slice(round(bumm.start * RATE) + 1, round(bumm.end * RATE))
    assert not found.prior[inside].any()


def spans(*rows: tuple[str, float, float]) -> PhonesHeard:
    return PhonesHeard(
        np.array([start for _, start, _ in rows], np.float32),
        np.array([end for _, _, end in rows], np.float32),
        np.array([NAMES.index(name) for name, _, _ in rows], np.int32),
    )


def test_without_a_text_there_are_phrases_between_pauses() -> None:
    phones = spans(
        ("sil", 0.0, 0.5), ("m", 0.5, 0.6), ("a", 0.6, 0.8), ("sil", 0.8, 0.9), ("t", 0.9, 1.0),
        ("sil", 1.0, 1.4), ("x", 1.4, 1.6), ("sil", 1.6, 2.0),
    )  # fmt: skip
    found = with_phrases((), phones, NAMES)
    assert [(word.text, word.phones) for word in found] == [("", "mat"), ("", "x")]
    np.testing.assert_allclose([found[0].start, found[0].end], [0.5, 1.0], atol=1e-6)


def test_what_was_not_written_stands_between_the_words() -> None:
    rows, seconds = heard("_mama__xxxx__papa_")
    words = find_words(spell("Mama, papa"), rows, NAMES, seconds).words
    phones = spans(
        ("sil", 0.0, 0.08), ("m", 0.08, 0.24), ("a", 0.24, 0.4), ("sil", 0.4, 0.56),
        ("x", 0.56, 0.88), ("sil", 0.88, 1.04), ("p", 1.04, 1.2), ("a", 1.2, 1.36),
        ("sil", 1.36, 1.44),
    )  # fmt: skip
    told = with_phrases(words, phones, NAMES)
    assert [(word.text, word.phones) for word in told] == [
        ("Mama,", "mama"), ("", "x"), ("papa", "papa"),
    ]  # fmt: skip
