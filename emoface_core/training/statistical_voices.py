# SPDX-License-Identifier: GPL-3.0-or-later
"""Voices that were learnt from a person's recordings: RHVoice's and SVOX Pico's, in ten languages.

Both are in Debian's section non-free for want of what they were trained with, not for their
licences. Left out are voices that forbid commercial use or changes. Neither program tells when
which phone is spoken: that is for the ear (`model_alignment`).
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape  # it writes XML; none is parsed here

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import read_audio
from emoface_core.training.speech_sets import Recording
from emoface_core.training.speech_text import SENTENCES, mixed_sentences
from emoface_core.training.synthesis import SynthesisError, available, run_program
from emoface_core.training.word_salad import word_salad

_HELD_OUT_SHARE = 0.25
_SECONDS = 30.0  # of patience with a sentence
_SENTENCES_SHARE = 0.3
_LABIAL_SHARE = 0.3  # of the words, beside those that any share of them has
_SAME_SENTENCES = {"en-gb": "en"}
RHVOICE, PICO = "RHVoice-test", "pico2wave"
_DATA = {RHVOICE: Path("/usr/share/RHVoice/voices"), PICO: Path("/usr/share/pico/lang")}
_PACKAGES = {RHVOICE: "rhvoice", PICO: "libttspico-utils"}


@dataclass(frozen=True, slots=True)
class StatisticalVoice:
    """`name` is the program's, `file` a part of its data, `language` espeak-ng's name."""

    program: str
    name: str
    file: str
    language: str
    package: str
    licence: str
    held_out: bool = False

    @property
    def share(self) -> float:
        """How long it speaks beside others: judging needs less than learning."""
        return _HELD_OUT_SHARE if self.held_out else 1.0

    @property
    def installed(self) -> bool:
        return available(self.program) and (_DATA[self.program] / self.file).exists()


def _rhvoice(
    name: str,
    language: str,
    package: str,
    licence: str = "LGPL-2.1+",
    *,
    file: str = "",
    held_out: bool = False,
) -> StatisticalVoice:
    folder = file or name.lower()
    return StatisticalVoice(
        RHVOICE, name, folder, language, f"rhvoice-{package}", licence, held_out
    )


def _pico(name: str, language: str, file: str) -> StatisticalVoice:
    return StatisticalVoice(PICO, name, f"{file}_sg.bin", language, "libttspico-data", "Apache-2.0")


# One voice of a language that is learnt, and all of two languages that no recording teaches.
VOICES: dict[str, StatisticalVoice] = {
    "en-alan": _rhvoice("Alan", "en-us", "english"),
    "en-bdl": _rhvoice("Bdl", "en-us", "english"),
    "en-clb": _rhvoice("Clb", "en-us", "english", held_out=True),
    "en-slt": _rhvoice("Slt", "en-us", "english"),
    "pt-leticia": _rhvoice(
        "Letícia-F123", "pt-br", "brazilian-portuguese", "CC BY-SA 4.0", file="Leticia-F123"
    ),
    "eo-spomenka": _rhvoice("Spomenka", "eo", "esperanto"),
    "ky-azamat": _rhvoice("Azamat", "ky", "kyrgyz"),
    "ky-nazgul": _rhvoice("Nazgul", "ky", "kyrgyz"),
    "ru-aleksandr": _rhvoice("Aleksandr-hq", "ru", "russian", "CC BY-SA 4.0", held_out=True),
    "ru-anna": _rhvoice("Anna", "ru", "russian", held_out=True),
    "ru-elena": _rhvoice("Elena", "ru", "russian", held_out=True),
    "ru-irina": _rhvoice("Irina", "ru", "russian", held_out=True),
    "uk-anatol": _rhvoice("Anatol", "uk", "ukrainian", held_out=True),
    "uk-natalia": _rhvoice("Natalia", "uk", "ukrainian", held_out=True),
    "de-pico": _pico("de-DE", "de", "de-DE_gl0"),
    "es-pico": _pico("es-ES", "es", "es-ES_zl0"),
    "fr-pico": _pico("fr-FR", "fr", "fr-FR_nk0"),
    "it-pico": _pico("it-IT", "it", "it-IT_cm0"),
    "en-gb-pico": _pico("en-GB", "en-gb", "en-GB_kh0"),
    "en-us-pico": _pico("en-US", "en-us", "en-US_lh0"),
}
LICENCE = "; ".join(
    f"{program}: "
    + ", ".join(f"{key} ({v.licence})" for key, v in VOICES.items() if v.program == which)
    for program, which in (("RHVoice 1.8", RHVOICE), ("SVOX Pico", PICO))
)


def require() -> None:
    """SynthesisError, which says what to install, unless every voice is there."""
    missing = {key: voice for key, voice in VOICES.items() if not voice.installed}
    if missing:
        needed = {_PACKAGES[voice.program] for voice in missing.values()}
        needed |= {voice.package for voice in missing.values()}
        raise SynthesisError(
            f"These voices are missing: {', '.join(missing)}.",
            f"apt-get install {' '.join(sorted(needed))} (of Debian's section non-free)",
        )


def recordings(
    key: str, rng: np.random.Generator, count: int, first: int = 0
) -> Iterator[Recording]:
    """`count` texts said by one of `VOICES`, each at a speed and a pitch of its own.

    They are numbered from `first`.
    """
    voice = VOICES[key]
    for number, text in enumerate(texts(voice.language, count, rng), first):
        yield Recording(
            id=f"{key}-{number:05d}",
            samples=speak(
                text,
                voice,
                speed=float(rng.uniform(0.75, 1.25)),
                pitch=float(np.exp(rng.uniform(-0.22, 0.22))),
            ),
            speaker=f"statistical-{key}",
            held_out=voice.held_out,
            text=text,
        )


def texts(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` texts, in a random order: some are sentences, where we have any, most word salad."""
    sentences = _SAME_SENTENCES.get(language, language)
    said = []
    if sentences in SENTENCES:
        said = mixed_sentences(sentences, round(count * _SENTENCES_SHARE), rng)
    said += word_salad(language, count - len(said), rng, labial=_LABIAL_SHARE)
    return [said[i] for i in rng.permutation(len(said))]


def speak(
    text: str, voice: StatisticalVoice, *, speed: float = 1.0, pitch: float = 1.0
) -> NDArray[np.float32]:
    """Mono samples at 16 kHz. `speed` > 1 is faster, `pitch` > 1 higher (both 0.5 to 2)."""
    # Asked for a voice that it lacks, RHVoice takes another one.
    if not voice.installed:
        raise SynthesisError(
            f"The voice “{voice.name}” of {voice.program} is missing.",
            f"apt-get install {_PACKAGES[voice.program]} {voice.package}",
        )
    rate, height = round(100 * speed), round(100 * pitch)
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        if voice.program == RHVOICE:
            options = ["-p", voice.name, "-r", str(rate), "-t", str(height), "-o", str(sound)]
            run_program([RHVOICE, *options], seconds=_SECONDS, given=text)
        else:
            marked = f"<speed level='{rate}'><pitch level='{height}'>{escape(text)}</pitch></speed>"
            command = [PICO, "-l", voice.name, "-w", str(sound), marked]
            run_program(command, seconds=_SECONDS)
        return read_audio(sound)
