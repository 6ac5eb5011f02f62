# SPDX-License-Identifier: GPL-3.0-or-later
"""Voices learnt from recordings: what they say, which may be used, and how they sound."""

from pathlib import Path

import numpy as np
import pytest

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.training import corpus, statistical_voices
from emoface_core.training.statistical_voices import VOICES, recordings, require, speak, texts
from emoface_core.training.synthesis import SynthesisError


def need(key: str) -> None:
    if not VOICES[key].installed:
        pytest.skip(f"{key} is not here: apt-get install {VOICES[key].package}")


TEXTS = {
    "en-us": "Papa put up the tape.",
    "en-gb": "Papa put up the tape.",
    "pt-br": "Papai comprou pão e bolo.",
    "eo": "La patro aĉetis pomojn.",
    "ky": "Ата базардан алма алып келди.",
    "ru": "Папа купил большой помидор.",
    "uk": "Мама купила великий помідор.",
    "de": "Mein Bruder fährt mit dem Boot.",
    "es": "Papá compró pan y vino.",
    "fr": "Mon père apporte un bouquet.",
    "it": "La mamma porta la pizza.",
}


@pytest.mark.parametrize("key", VOICES)
def test_a_voice_speaks(key: str) -> None:
    need(key)
    voice = VOICES[key]
    samples = speak(TEXTS[voice.language], voice)
    assert samples.dtype == np.float32
    assert SAMPLE_RATE < len(samples) < 5 * SAMPLE_RATE
    assert 0.05 < np.abs(samples).max() <= 1.0
    fast = speak(TEXTS[voice.language], voice, speed=1.25)
    assert len(fast) < 0.93 * len(samples)


@pytest.mark.parametrize("key", ["en-bdl", "de-pico"])
def test_pitch_is_heeded(key: str) -> None:
    need(key)
    voice = VOICES[key]
    low, high = (speak(TEXTS[voice.language], voice, pitch=pitch) for pitch in (0.85, 1.2))
    assert pitch_hz(high) > 1.2 * pitch_hz(low)


def pitch_hz(samples: np.ndarray) -> float:
    """The median over the loud half of 40 ms pieces."""
    pieces = samples[: len(samples) // 640 * 640].reshape(-1, 640)
    power = (pieces**2).sum(axis=1)
    found = []
    for piece in pieces[power >= np.median(power)]:
        alike = np.correlate(piece, piece, "full")[len(piece) - 1 :]
        found.append(SAMPLE_RATE / (50 + int(np.argmax(alike[50:230]))))
    return float(np.median(found))


def test_recordings_are_repeatable_and_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    wishes = []

    def said(text: str, _voice: object, *, speed: float, pitch: float) -> np.ndarray:
        wishes.append((speed, pitch))
        return np.full(len(text), 0.1, np.float32)

    monkeypatch.setattr(statistical_voices, "speak", said)
    first, again = (list(recordings("ky-azamat", np.random.default_rng(4), 3, 7)) for _ in "ab")
    assert [item.id for item in first] == [f"ky-azamat-{i:05d}" for i in (7, 8, 9)]
    assert [item.text for item in first] == [item.text for item in again]
    assert wishes[:3] == wishes[3:]
    assert len(set(wishes)) == 3
    assert {item.speaker for item in first} == {"statistical-ky-azamat"}


def test_no_licence_forbids_trade_or_change() -> None:
    assert {v.licence for v in VOICES.values()} == {"LGPL-2.1+", "CC BY-SA 4.0", "Apache-2.0"}
    assert all(f"{key} (" in statistical_voices.LICENCE for key in VOICES)


def test_a_voice_and_languages_are_kept_for_judging() -> None:
    taught = {voice.language for voice in VOICES.values() if not voice.held_out}
    judged = {voice.language for voice in VOICES.values() if voice.held_out}
    assert judged & taught == {"en-us"}
    assert judged - taught == {"ru", "uk"}


def test_what_is_missing_is_said_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SynthesisError, match="en-alan") as raised:
        require()
    assert "rhvoice-kyrgyz" in raised.value.hint
    assert "libttspico-utils" in raised.value.hint
    with pytest.raises(SynthesisError, match="Anna"):  # and no other voice speaks for it
        speak("папа", VOICES["ru-anna"])
    with pytest.raises(SynthesisError, match="missing"):
        corpus.build(tmp_path, tmp_path / "out", sources=["statistical"])


def test_texts_are_as_many_as_asked_and_repeatable() -> None:
    said = texts("ky", 30, np.random.default_rng(1))
    assert said == texts("ky", 30, np.random.default_rng(1))
    assert len(set(said)) == len(said) == 30
