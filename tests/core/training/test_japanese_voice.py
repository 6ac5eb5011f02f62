# SPDX-License-Identifier: GPL-3.0-or-later
"""Open JTalk: its phones in ours, where the sound has them."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.training import japanese_voice
from emoface_core.training.japanese_voice import read_trace, spans, speak, texts
from emoface_core.training.phones import PHONES
from emoface_core.training.synthesis import SynthesisError

needs_voice = pytest.mark.skipif(
    not japanese_voice.installed(),
    reason=f"the voice is not here: apt-get install {' '.join(japanese_voice.PACKAGES)}",
)


def made(symbols: str) -> list[str]:
    """Our phones of Open JTalk's, each 0.1 s."""
    labels = [(symbol, (i + 1) / 10) for i, symbol in enumerate(symbols.split())]
    return [span.phone for span in spans(labels, len(labels) / 10)]


def test_every_phone_is_one_of_ours() -> None:
    assert {p for phones in japanese_voice._PHONES.values() for p in phones} <= set(PHONES)
    with pytest.raises(InputError, match="not a phone of Open JTalk"):
        made("a qq")


def test_the_nasal_syllable_is_made_where_the_next_sound_is() -> None:
    assert made("a N p a N t o N g a N a N sil") == [*"ampantoŋɡaŋaŋ", "sil"]


def test_a_long_consonant_is_one_closure() -> None:
    found = spans([("k", 0.1), ("i", 0.2), ("cl", 0.3), ("p", 0.4), ("u", 0.5)], 0.5)
    assert [span.phone for span in found] == ["k", "i", "p", "u"]
    assert (found[2].start, found[2].end) == (0.2, 0.4)
    assert made("a cl sil") == ["a", "ʔ", "sil"]


def test_a_trace_is_read_to_the_end_of_its_labels() -> None:
    printed = (
        "[Text analysis result]\n1 2 x^x-no+o=o\n\n[Output label]\n"
        "0 3950000 xx^xx-sil+w=a/A:xx+xx\n3950000 4650000 xx^sil-w+a=t/A:-3+1\n\n"
        "[Global parameter]\nFrame period -> 240\n"
    )
    assert read_trace(printed) == [("sil", 0.395), ("w", 0.465)]


def test_texts_are_as_many_as_asked_and_repeatable() -> None:
    said = texts(30, np.random.default_rng(1))
    assert len(said) == 30
    assert said == texts(30, np.random.default_rng(1))


def test_what_is_missing_is_said_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(japanese_voice, "_VOICE", tmp_path / "none.htsvoice")
    with pytest.raises(SynthesisError, match="missing") as raised:
        speak("はい")
    assert "hts-voice-nitech" in raised.value.hint


@needs_voice
def test_the_voice_says_phones_where_it_says_they_are() -> None:
    speech = speak("パパがペンをポケットに入れました。")
    found, samples = speech.spans, speech.samples
    assert [s.phone for s in found if s.phone != "sil"][:14] == list("papaɡapeŋopoke")
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(len(samples) / SAMPLE_RATE, abs=1e-3)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(found))

    power = np.convolve(samples**2, np.ones(80) / 80, "same")  # over 5 ms

    def level(phones: str) -> float:
        inside = [s for s in found if s.phone in phones]
        lowest = [power[round(s.start * 16000) : round(s.end * 16000)].min() for s in inside]
        return float(np.median(lowest))

    assert level("ptk") < 0.1 * level("aeo")
    slow = speak(speech.text, speed=0.8)
    assert len(slow.samples) > 1.15 * len(samples)
