# SPDX-License-Identifier: GPL-3.0-or-later
"""Words' times from phones' labels."""

import pytest

from emoface_core.errors import InputError
from emoface_core.evaluation.words import WordErrors, emodb_spoken, word_times
from emoface_core.training.phones import PhoneSpan

PHONES = (("d", "a", "s"), ("v", "ɪ", "l"), ("z", "i"))
WORDS = ("Das", "will", "sie")


def spans(signs: str, step: float = 0.1) -> tuple[PhoneSpan, ...]:
    """Each sign a phone of a tenth of a second, "_" silence."""
    return tuple(
        PhoneSpan("sil" if sign == "_" else sign, k * step, (k + 1) * step)
        for k, sign in enumerate(signs)
    )


def test_phones_that_are_missing_added_or_other() -> None:
    spoken = word_times(WORDS, PHONES, spans("_das_vəsi_"))
    assert spoken.text == "Das will sie"
    assert spoken.times == (
        pytest.approx((0.1, 0.4)), pytest.approx((0.5, 0.7)), pytest.approx((0.7, 0.9)),
    )  # fmt: skip
    (_, second, _) = word_times(WORDS, PHONES, spans("das_ʔvɪlzi_")).times
    assert second == pytest.approx((0.4, 0.8))


def test_a_clip_that_ends_within_a_word() -> None:
    assert word_times(WORDS, PHONES, spans("_dasvɪ")).times == (pytest.approx((0.1, 0.4)), None)
    assert word_times(WORDS, PHONES, spans("_dasv")).words == ("Das",)


def test_the_ten_sentences() -> None:
    said = spans("_dasvɪlziamm_")
    assert emodb_spoken("a02", said).words[:4] == ("Das", "will", "sie", "am")
    with pytest.raises(InputError, match="no sentence"):
        emodb_spoken("c01", said)


def test_errors_without_sign() -> None:
    errors = WordErrors(seconds=[-0.01, 0.02, 0.03, -0.2])
    assert errors.percentile(50) == pytest.approx(0.025)
    assert errors.percentile(100) == pytest.approx(0.2)
