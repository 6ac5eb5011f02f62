# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded telephone prompts and what is said in them: Asterisk's sounds, as Debian packs them.

Professional speakers of five languages, 16 kHz in G.722, each prompt with its text. The packages
`asterisk-core-sounds-XX` (texts) and `asterisk-core-sounds-XX-g722` (sound) are in Debian main and
need no Asterisk.
"""

import gzip
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.training.speech_sets import Recording

HELD_OUT_EVERY = 10
LICENCE = (
    "Asterisk core sounds (Debian): English and Spanish by Allison Smith, French by June Wallack, "
    "CC BY-SA 3.0; Italian by Carlo Flora, Russian by Maxim Topal, CC BY 3.0"
)
_DECODING_SECONDS = 60.0  # of patience


@dataclass(frozen=True, slots=True)
class PromptSet:
    """One speaker's prompts: the package's language, the sounds' folder, espeak-ng's language."""

    language: str
    folder: str
    voice: str
    held_out: bool = False

    @property
    def packages(self) -> tuple[str, str]:
        """Debian's packages: texts, sound."""
        texts = f"asterisk-core-sounds-{self.language}"
        return texts, f"{texts}-g722"


PROMPT_SETS = (
    PromptSet("en", "en_US_f_Allison", "en-us"),
    PromptSet("es", "es_MX_f_Allison", "es-419"),
    PromptSet("fr", "fr_CA_f_June", "fr"),
    PromptSet("it", "it_IT_m_Carlo", "it"),
    PromptSet("ru", "ru_RU_f_IvrvoiceRU", "ru", held_out=True),  # a language nobody learns from
)


def recordings(prompts: PromptSet, root: Path) -> Iterator[Recording]:
    """The prompts of one speaker that hold speech, from packages unpacked or installed in `root`.

    Every tenth is held out, or all. InputError if a package or ffmpeg is missing.
    """
    sounds = root / "usr/share/asterisk/sounds" / prompts.folder
    texts = read_texts(_transcript(prompts, root))
    if not any(sounds.glob("*.g722")):
        raise InputError(
            f"There are no sounds in “{sounds}”.",
            f"Install Debian's package {prompts.packages[1]}, or unpack it (dpkg -x) into a folder "
            "and give that with --packages.",
        )
    for number, (name, text) in enumerate(sorted(texts.items())):
        path = sounds / f"{name}.g722"
        if path.is_file():
            yield Recording(
                id=f"{prompts.language}/{name}",
                samples=decode_g722(path),
                speaker=f"asterisk-{prompts.language}",
                held_out=prompts.held_out or number % HELD_OUT_EVERY == 0,
                text=text,
            )


def _transcript(prompts: PromptSet, root: Path) -> Path:
    package = prompts.packages[0]
    folder = root / "usr/share/doc" / package
    for name in (f"core-sounds-{prompts.language}.txt.gz", f"core-sounds-{prompts.language}.txt"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"There is no text of the prompts in “{folder}”.",
        f"Install Debian's package {package} (some systems leave documentation out when they do), "
        "or unpack it (dpkg -x) into a folder and give that with --packages.",
    )


# Signs that each speaker reads in a way of their own, and letters that were lost ("pu? essere").
_UNCLEAR = re.compile(r"[*#@+=<>%$_\\\ufffd]|\?\s*[^\W\dA-ZА-Я]")
_NOTE = re.compile(r"\[[^]]*\]|\([^)]*\)|<[^>]*>")
_LETTERS = re.compile(r"[^\W\d_]")


def read_texts(path: Path) -> dict[str, str]:
    """What is said in each prompt, by name, where the list (perhaps gzipped) leaves no doubt.

    Left out are sounds that are not speech, names listed twice, and texts with notes in brackets,
    which may or may not be spoken (a mere sign in brackets, as in “dot [.]”, is not).
    """
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig", "replace")
    found = [
        (name, text.strip())
        for name, mark, text in (line.partition(":") for line in lines.splitlines())
        if mark and not name.startswith(";")
    ]
    count = Counter(name for name, _ in found)
    texts = {}
    for name, text in found:
        notes = _NOTE.findall(text)
        if count[name] > 1 or any(_LETTERS.search(note) for note in notes):
            continue
        plain = _NOTE.sub(" ", text).replace("/", " ").strip(' ."')
        if _LETTERS.search(plain) and not _UNCLEAR.search(plain):
            texts[name] = plain
    return texts


def decode_g722(path: Path) -> NDArray[np.float32]:
    """Mono samples at 16 kHz of a raw G.722 file, by ffmpeg. InputError if that cannot be had."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "g722", "-i", str(path)]
    command += ["-f", "s16le", "-ac", "1", "-ar", str(SAMPLE_RATE), "-"]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_DECODING_SECONDS, check=False, stdin=None
        )
    except FileNotFoundError:
        raise InputError(
            "G.722 sound needs the program ffmpeg, which is not installed.",
            "Install ffmpeg, or leave the source “asterisk” out.",
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"ffmpeg did not decode “{path}” in {_DECODING_SECONDS:.0f} s.") from None
    if done.returncode or not done.stdout:
        raise InputError(f"ffmpeg cannot decode “{path}”.", "Install the package again.")
    return np.frombuffer(done.stdout, "<i2").astype(np.float32) / 32768.0
