# SPDX-License-Identifier: GPL-3.0-or-later
"""Words out of spelling dictionaries, and texts out of words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.training import word_salad as module
from emoface_core.training.word_salad import word_salad, words


@pytest.fixture
def dictionaries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setattr(module, "_DICTIONARIES", tmp_path)
    words.cache_clear()
    yield tmp_path
    words.cache_clear()


@pytest.mark.parametrize(
    ("language", "file", "lines", "found"),
    [
        ("cs", "cs_CZ.dic", ["5", "čaj/AB", "Praha/C", "WWW", "kyblík", "x"], ("čaj", "kyblík")),
        (
            "de",
            "de_DE.dic",
            ["9", "Boot/EP", "laufen", "NATO/S", "x", "Kai-Uwe", "3D", "tag\tpo:x"],
            ("Boot", "laufen", "tag"),
        ),
    ],
)
def test_a_dictionary_gives_the_words_that_a_voice_can_read(
    dictionaries: Path, language: str, file: str, lines: list[str], found: tuple[str, ...]
) -> None:
    (dictionaries / file).write_text("\n".join(lines), encoding="utf-8")
    assert words(language) == found
    texts = word_salad(language, 30, np.random.default_rng(1))
    assert len(texts) == 30
    assert all(text.strip(".?").split()[0].strip(",") in found for text in texts)


@pytest.mark.parametrize(
    ("language", "package"), [("te", "hunspell-te"), ("en-gb", "hunspell-en-us")]
)
def test_a_missing_dictionary_is_said_with_its_package(
    dictionaries: Path, language: str, package: str
) -> None:
    with pytest.raises(InputError, match="missing") as raised:
        words(language)
    assert raised.value.hint == f"apt-get install {package}"


def test_labial_words_are_more_where_they_are_wanted() -> None:
    def share(labial: float) -> float:
        texts = word_salad("ky", 200, np.random.default_rng(1), labial=labial)
        said = [word for text in texts for word in text.strip(".?").replace(",", "").split()]
        return sum(bool(set(word) & set("пбмфв")) for word in said) / len(said)

    assert share(1.0) == 1.0
    assert share(0.0) < share(0.5) < 1.0
