# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded letters, syllables and short words of many languages: KLettres' sounds.

KDE's program for learning to read; its sounds are in Debian's package klettres-data, each language
spoken by a volunteer of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from emoface_core.audio.files import read_audio
from emoface_core.errors import InputError
from emoface_core.training.prompts import HELD_OUT_EVERY
from emoface_core.training.speech_sets import Recording

PACKAGE = "klettres-data"
LICENCE = "KLettres (KDE, Anne-Marie Mahfouf and volunteers), GPL-2+"
# espeak-ng's language by KLettres'. Left out: what espeak-ng cannot say from these spellings.
LANGUAGES = {
    "ar": "ar", "cs": "cs", "da": "da", "de": "de", "en": "en-us", "en_GB": "en-gb", "es": "es",
    "fr": "fr", "hu": "hu", "it": "it", "lt": "lt", "ml": "ml", "nb": "nb", "nl": "nl",
    "pt_BR": "pt-br", "ru": "ru", "tn": "tn", "uk": "uk",
}  # fmt: skip
HELD_OUT_LANGUAGES = frozenset({"ru", "uk"})

_SOUND = re.compile(r'<sound\s+name="([^"]+)"\s+file="([^"]+)"')


def recordings(language: str, root: Path) -> Iterator[Recording]:
    """What one language's speaker says, from the package unpacked or installed in `root`.

    Every tenth is held out, or all. InputError if the package is missing.
    """
    folder = root / "usr/share/klettres"
    try:
        listed = (folder / language / "sounds.xml").read_text(encoding="utf-8")
    except OSError:
        raise InputError(
            f"There are no sounds of KLettres in “{folder}”.",
            f"Install Debian's package {PACKAGE}, or unpack it (dpkg -x) into a folder and give "
            "that with --packages.",
        ) from None
    for number, (name, file) in enumerate(_SOUND.findall(listed)):
        if (folder / file).is_file():  # a few are listed and not there
            yield Recording(
                id=Path(file).with_suffix("").as_posix(),
                samples=read_audio(folder / file),
                speaker=f"klettres-{language}",
                held_out=language in HELD_OUT_LANGUAGES or number % HELD_OUT_EVERY == 0,
                text=name.lower(),
            )
