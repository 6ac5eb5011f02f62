# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded short descriptions of pictures in eight languages: the stamps of Tux Paint.

A drawing program for children; volunteers say what each stamp shows, one a language. Debian's
package tuxpaint-stamps-default has the texts beside the sound. Debian 12's (2022) has the better
sound, later ones Nynorsk too: unpack a later one and then that one over it to have both.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from emoface_core.audio.files import read_audio
from emoface_core.errors import InputError
from emoface_core.training.prompts import HELD_OUT_EVERY
from emoface_core.training.speech_sets import Recording

PACKAGE = "tuxpaint-stamps-default"
LICENCE = "Tux Paint stamps (Bill Kendrick and volunteers), GPL-2+"
# espeak-ng's language by Tux Paint's. Left out: Belarusian, whose dictionary espeak-ng lacks;
# Danish, two thirds of which cannot be aligned; languages with a minute of sound or less.
LANGUAGES = {
    "bg": "bg", "ca": "ca", "el": "el", "es": "es", "fr": "fr", "nn": "nb", "ro": "ro", "ru": "ru",
}  # fmt: skip
HELD_OUT_LANGUAGES = frozenset({"ru"})

# Prices in brackets and short forms are read out by some and left out by others.
_UNCLEAR = re.compile(r"[\d()\[\]/$€&+=%]")

_CUT_SHORT = ("animals/birds/nandou", "ro")  # a damaged file of the package of 2025


def recordings(language: str, root: Path) -> Iterator[Recording]:
    """What one language's speakers say, from the package unpacked or installed in `root`.

    Every tenth description is held out, or all. InputError if the package is missing.
    """
    folder = root / "usr/share/tuxpaint/stamps"
    stamps = {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.txt"))
    }
    if not stamps:
        raise InputError(
            f"There are no stamps of Tux Paint in “{folder}”.",
            f"Install Debian's package {PACKAGE}, or unpack it (dpkg -x) into a folder and give "
            "that with --packages.",
        )
    # Many stamps show the same thing twice: those must be held out together.
    english = sorted({_english(listed) for listed in stamps.values()})
    held_out = set(english[::HELD_OUT_EVERY])
    for name, listed in stamps.items():
        sound = folder / f"{name}_desc_{language}.ogg"
        text = read_texts(listed).get(language)
        if text and sound.is_file() and (name, language) != _CUT_SHORT:
            yield Recording(
                id=f"{language}/{name}",
                samples=read_audio(sound),
                speaker=f"tuxpaint-{language}",
                held_out=language in HELD_OUT_LANGUAGES or _english(listed) in held_out,
                text=text,
            )


def read_texts(listed: str) -> dict[str, str]:
    """A stamp's description by language (“fr”), where it can be read in one way only.

    The first line is the English one and names no language; see `_english`.
    """
    found = (line.partition(".utf8=") for line in listed.splitlines())
    return {
        language: text.strip()
        for language, mark, text in found
        if mark and not _UNCLEAR.search(text)
    }


def _english(listed: str) -> str:
    return listed.partition("\n")[0].strip().lower()
