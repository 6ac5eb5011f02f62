# SPDX-License-Identifier: GPL-3.0-or-later
"""Festival's voices of many languages: their phones in ours, where the sound has them."""

from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.training import corpus, synthesis
from emoface_core.training.festival_voices import (
    DIPHONE_VOICES,
    FESTIVAL_VOICES,
    FestivalVoice,
)
from emoface_core.training.phones import PHONES, VOWELS
from emoface_core.training.synthesis import Speech, SynthesisError


@cache
def installed() -> frozenset[str]:
    return synthesis.festival_voices() if synthesis.available("festival") else frozenset()


def need(voice: str) -> None:
    if voice not in installed():
        pytest.skip(f"{voice} is not here: apt-get install {FESTIVAL_VOICES[voice].package}")


# A text of each language, and what is to be heard in it.
TEXTS = {
    "it": (
        "La mamma mette la pizza nella giacca.",
        "l a m a m a m e t e l a p i t s a n e l a d ʒ a k a",
    ),
    "cs": ("Babička má čaj a chléb.", "b a b ɪ t ʃ k a m a t ʃ a j"),
    "fi": ("Pappa pyöräilee yöllä.", "p ɑ p ɑ p y ø ɹ æ i l e y ø l æ"),
    "ru": ("Папа купил чай.", "p a p ə k u p i l t ʃ a j"),
    "hi": ("पापा भारत में थे", "p a p a b a ɹ ʌ t ʌ m e m t e"),
    "te": ("పాప బంతి తెచ్చాడు", "p a p ʌ b ʌ m t ɪ t e t ʃ a d ʊ"),
    "ca": ("La dona beu aigua, però tu menges pa.", "l ə d ɔ n ə β ɛ w a j ɡ w ə"),
}


@pytest.mark.parametrize("key", DIPHONE_VOICES)
def test_a_voice_speaks_its_language(key: str) -> None:
    need(key)
    voice = DIPHONE_VOICES[key]
    text, expected = TEXTS[voice.language]
    (speech,) = synthesis.festival([text], key)
    spans, samples = speech.spans, speech.samples
    heard = [span.phone for span in spans if span.phone != "sil"]
    assert heard[: len(expected.split())] == expected.split()
    assert spans[0].start == 0
    assert spans[-1].end == pytest.approx(len(samples) / SAMPLE_RATE, abs=1e-3)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(spans))

    power = np.convolve(samples**2, np.ones(160) / 160, "same")  # over 10 ms

    def level(phones: str) -> float:
        inside = [s for s in spans if s.phone in phones and s.end - s.start > 0.03]
        lowest = [power[round(s.start * 16000) : round(s.end * 16000)].min() for s in inside]
        return float(np.median(lowest))

    assert level("ptk") < 0.1 * level("aɑɔoʌ")


@pytest.mark.parametrize("key", ["it-pc", "cs-ph", "te-nsk", "ru-nsh"])
def test_length_and_pitch_vary_where_the_voice_says_so(key: str) -> None:
    need(key)
    text = TEXTS[DIPHONE_VOICES[key].language][0]
    plain, other = synthesis.festival([text] * 2, key, stretch=[1.0, 1.3], pitch=[1.0, 1.2])
    varies = DIPHONE_VOICES[key].varies
    assert (len(other.samples) > 1.15 * len(plain.samples)) == varies
    assert (voice_hz(other) > 1.1 * voice_hz(plain)) == varies


def voice_hz(speech: Speech) -> float:
    """The median pitch of its vowels."""
    found = []
    for span in speech.spans:
        if span.phone in VOWELS and span.end - span.start > 0.04:
            piece = speech.samples[round(span.start * 16000) : round(span.end * 16000)]
            alike = np.correlate(piece, piece, "full")[len(piece) - 1 :]
            found.append(SAMPLE_RATE / (50 + int(np.argmax(alike[50:230]))))
    return float(np.median(found))


@pytest.mark.parametrize("key", DIPHONE_VOICES)
def test_tables_lead_to_our_phones(key: str) -> None:
    phones = DIPHONE_VOICES[key].phones
    assert phones is not None
    assert all(found and set(found) <= set(PHONES) for found in phones.values())
    assert Counter(found[0] for found in phones.values())["sil"] >= 1
    assert {"p", "b", "m", "f", "v"} <= {phone for found in phones.values() for phone in found} | (
        {"v"} if key == "ca-ona" else set()  # Catalan has no v
    )


def test_an_unknown_phone_is_said_plainly() -> None:
    with pytest.raises(InputError, match="not a phone of the voice lp_diphone"):
        DIPHONE_VOICES["it-lp"].convert("qq")


def test_a_catalan_b_shuts_the_lips_after_a_pause_or_a_nasal_only() -> None:
    voice = DIPHONE_VOICES["ca-ona"]
    assert [voice.convert("b", before) for before in ("sil", "m", "a", "l")] == [
        ("b",), ("b",), ("β",), ("β",),
    ]  # fmt: skip


def test_a_long_consonant_is_one_closure(tmp_path: Path) -> None:
    rows = ((0.1, "a1"), (0.2, "p"), (0.3, "p"), (0.4, "ts"), (0.5, "ts"), (0.6, "#"))
    labels, sound = tmp_path / "x.segs", tmp_path / "x.wav"
    labels.write_text("#\n" + "".join(f"{end} 100 {symbol}\n" for end, symbol in rows))
    soundfile.write(sound, np.zeros(9600), SAMPLE_RATE)
    spans = synthesis._read_festival(sound, labels, "", DIPHONE_VOICES["it-lp"]).spans
    assert [span.phone for span in spans] == ["a", "p", "t", "s", "sil"]
    assert (spans[1].start, spans[1].end) == (0.1, 0.3)


def test_vowels_too_loud_for_16_bits_are_mended(tmp_path: Path) -> None:
    t = np.arange(16000) / 16000
    true = 45000 * np.sin(2 * np.pi * 200 * t) * np.minimum(1, 8 * t)
    soundfile.write(tmp_path / "x.wav", true.astype(np.int64).astype(np.int16), SAMPLE_RATE)
    read = synthesis._read_overflown(tmp_path / "x.wav")
    assert read.dtype == np.float32
    assert np.abs(read - true / np.abs(true).max()).max() < 0.01


def test_what_is_not_too_loud_stays(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-20000, 20000, 16000).astype(np.int16)
    soundfile.write(tmp_path / "x.wav", noise, SAMPLE_RATE)
    assert np.array_equal(synthesis._read_overflown(tmp_path / "x.wav"), noise / np.float32(32768))


def test_a_missing_voice_is_said_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    if not synthesis.available("festival"):
        pytest.skip("festival is not here: apt-get install festival")
    nobody = FestivalVoice("nobody_diphone", "it", "festvox-nobody", "free")
    monkeypatch.setitem(FESTIVAL_VOICES, "nobody", nobody)
    with pytest.raises(SynthesisError, match="no voice “nobody_diphone”") as raised:
        synthesis.festival(["ciao"], "nobody")
    assert raised.value.hint == "apt-get install festvox-nobody"


def test_a_source_says_all_the_packages_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(synthesis, "festival_voices", lambda: frozenset({"it-lp"}))
    with pytest.raises(SynthesisError, match="cs-dita") as raised:
        corpus.build(tmp_path, tmp_path / "out", sources=["diphone"])
    assert "festvox-ru" in raised.value.hint
    assert "festvox-italp16k" not in raised.value.hint
