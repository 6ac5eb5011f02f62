# SPDX-License-Identifier: GPL-3.0-or-later
"""Acted dialogues in Czech and Dutch: the fish (and others) of the game Fish Fillets NG.

Actors, not readers: whispers, shouts and sulks, a file for each line. Debian's fillets-ng-data has
the subtitles, fillets-ng-data-cs and fillets-ng-data-nl the sound.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import soundfile

from emoface_core.audio.files import read_audio
from emoface_core.errors import InputError
from emoface_core.training.speech_sets import Recording

LANGUAGES = ("cs", "nl")  # of the game and of espeak-ng
TEXTS_PACKAGE = "fillets-ng-data"
LICENCE = (
    "Fish Fillets NG (ALTAR interactive, Ivo Danihelka, Pavel Danihelka and contributors), GPL-2; "
    "its data name no version of the GPL, its program version 2 or any later"
)
HELD_OUT_LEVELS_EVERY = 10  # a whole level: its lines share their subject and their characters

# One actor each throughout the game; any other colour is somebody else in the next level.
_FISH = ("big", "small")
_LINE = re.compile(
    r'dialogId\(\s*"(?P<name>[^"]+)",\s*"(?:font_)?(?P<colour>[^"]*)",[^\n]*\s+'
    r'dialogStr\(\s*"(?P<text>(?:[^"\\]|\\.)*)"\s*\)'
)
# A number put in while the game runs, and what only a computer would read out.
_UNSAID = re.compile(r"[%<>\\]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Line:
    """A subtitle: the level and the name it is known by, the colour it is shown in, its text."""

    level: str
    name: str
    colour: str
    text: str

    @property
    def character(self) -> str:
        """Who says it: a fish, or somebody of this level."""
        return self.colour if self.colour in _FISH else f"{self.level}-{self.colour or 'nobody'}"


def recordings(language: str, root: Path) -> Iterator[Recording]:
    """The spoken lines of one language, from packages unpacked or installed in `root`.

    Every tenth level is held out. InputError if a package is missing.
    """
    game = root / "usr/share/games/fillets-ng"
    lines = [
        line
        for path in sorted((game / "script").glob(f"*/*dialogs_{language}.lua"))
        for line in read_lines(path.read_text(encoding="utf-8"), path.parent.name)
    ]
    if not lines:
        raise _missing(f"are no subtitles in “{game / 'script'}”", TEXTS_PACKAGE)
    sounds = {
        (path.relative_to(game / "sound").parts[0], path.stem): path
        for path in (game / "sound").glob(f"**/{language}/*.ogg")
    }
    if not sounds:
        package = f"{TEXTS_PACKAGE}-{language}"
        raise _missing(f"is no “{language}” speech in “{game / 'sound'}”", package)
    held_out = set(sorted({line.level for line in lines})[::HELD_OUT_LEVELS_EVERY])
    for line in lines:
        sound = sounds.get((line.level, line.name))
        if sound and soundfile.info(sound).frames:  # one file is there and empty
            yield Recording(
                id=f"{language}/{line.level}/{line.name}",
                samples=read_audio(sound),
                speaker=f"fillets-{language}-{line.character}",
                held_out=line.level in held_out,
                text=line.text,
            )


def _missing(what: str, package: str) -> InputError:
    return InputError(
        f"There {what}.",
        f"Install Debian's package {package}, or unpack it (dpkg -x) into a folder and give that "
        "with --packages.",
    )


def read_lines(script: str, level: str) -> list[Line]:
    """The subtitles of a level's script (Lua) that have words and are said as they are written."""
    return [
        Line(level, found["name"], found["colour"], found["text"])
        for found in _LINE.finditer(script)
        if _LETTER.search(found["text"]) and not _UNSAID.search(found["text"])
    ]
