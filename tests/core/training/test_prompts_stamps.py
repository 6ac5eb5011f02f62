# SPDX-License-Identifier: GPL-3.0-or-later
"""Tux Paint's stamps: what is said of them, in which language, and what is held out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.training.prompts_stamps import PACKAGE, read_texts, recordings


def stamp(root: Path, name: str, text: str, *languages: str) -> None:
    """A stamp as the package has it, spoken (in silence) in `languages`."""
    path = root / "usr/share/tuxpaint/stamps" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".txt").write_text(text, encoding="utf-8")
    for language in languages:
        sound = path.with_name(f"{path.name}_desc_{language}.ogg")
        soundfile.write(sound, np.zeros(SAMPLE_RATE // 10, np.float32), SAMPLE_RATE)


def test_texts_are_kept_where_they_can_be_read_in_one_way() -> None:
    listed = "A quarter.\nca@valencia.utf8=Un quart.\nfr.utf8=Une pièce (0,25 $).\nda.utf8=Mønt. \n"
    assert read_texts(listed) == {"ca@valencia": "Un quart.", "da": "Mønt."}


def test_stamps_are_read_with_their_texts(tmp_path: Path) -> None:
    stamp(tmp_path, "food/corn", "Sweet corn.\nfr.utf8=Du maïs.\nes.utf8=Maíz.\n", "fr", "ru")
    stamp(tmp_path, "animals/cat", "A cat.\nfr.utf8=Un chat.\nru.utf8=Кошка\n", "fr", "ru")
    stamp(tmp_path, "food/cartoon/corn", "Sweet corn. \nfr.utf8=Un épi.\n", "fr")
    found = {item.id: item for item in recordings("fr", tmp_path)}
    assert {name: item.text for name, item in found.items()} == {
        "fr/animals/cat": "Un chat.",
        "fr/food/cartoon/corn": "Un épi.",
        "fr/food/corn": "Du maïs.",
    }
    # The first of ten descriptions, and whatever is described the same way.
    assert [name for name, item in found.items() if item.held_out] == ["fr/animals/cat"]
    assert {item.speaker for item in found.values()} == {"tuxpaint-fr"}
    assert all(len(item.samples) == SAMPLE_RATE // 10 for item in found.values())


def test_the_same_description_is_held_out_everywhere(tmp_path: Path) -> None:
    for name in ("one", "cartoon/one"):
        stamp(tmp_path, name, "A cat.\nfr.utf8=Un chat.\n", "fr")
    stamp(tmp_path, "two", "A dog.\nfr.utf8=Un chien.\n", "fr")
    held_out = {item.id: item.held_out for item in recordings("fr", tmp_path)}
    assert held_out == {"fr/cartoon/one": True, "fr/one": True, "fr/two": False}


def test_nobody_learns_from_russian(tmp_path: Path) -> None:
    stamp(tmp_path, "one", "A cat.\nru.utf8=Кошка\n", "ru")
    stamp(tmp_path, "two", "A dog.\nru.utf8=Собака\n", "ru")
    assert [item.held_out for item in recordings("ru", tmp_path)] == [True, True]


def test_the_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as problem:
        next(recordings("fr", tmp_path))
    assert PACKAGE in problem.value.hint
