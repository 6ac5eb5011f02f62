# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic voices: phones where the sound is, on machines that have the programs."""

from itertools import pairwise

import numpy as np
import pytest

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.training import synthesis
from emoface_core.training.festival_voices import FESTIVAL_ENGLISH
from emoface_core.training.phones import PhoneSpan
from emoface_core.training.speech_text import SENTENCES, mixed_sentences
from emoface_core.training.synthesis import Speech, SynthesisError


def needs(program: str) -> pytest.MarkDecorator:
    missing = not synthesis.available(program)
    return pytest.mark.skipif(missing, reason=f"{program} is not here: apt-get install {program}")


TEXT = "Papa put up the tape; maybe Bob keeps a cup."


def check(speech: Speech) -> None:
    """Spans cover the sound, and the closures of p, t, k are quiet beside the vowels."""
    spans, samples = speech.spans, speech.samples
    assert samples.dtype == np.float32
    assert spans[0].start == 0
    assert spans[-1].end == pytest.approx(len(samples) / SAMPLE_RATE, abs=1e-3)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(spans))

    power = np.convolve(samples**2, np.ones(160) / 160, "same")  # over 10 ms

    def inside(phones: str) -> list[np.ndarray]:
        spoken = [s for s in spans if s.phone in phones and s.end - s.start > 0.03]
        return [power[round(s.start * 16000) : round(s.end * 16000)] for s in spoken]

    closures = np.median([piece.min() for piece in inside("pkt")])
    vowels = np.median([piece.max() for piece in inside("aɑæeɛiʌə")])
    assert closures < 0.01 * vowels
    assert [s.phone for s in spans].count("p") >= 4


@needs("flite")
@pytest.mark.parametrize("voice", synthesis.FLITE_VOICES)
def test_flite(voice: str) -> None:
    check(synthesis.flite(TEXT, voice))
    slow = synthesis.flite(TEXT, voice, stretch=1.4)
    check(slow)
    assert len(slow.samples) > 1.2 * len(synthesis.flite(TEXT, voice).samples)


@needs("flite")
def test_flite_says_words() -> None:
    assert synthesis.flite_phones("map") == ("m", "ae", "p")


@needs("festival")
@pytest.mark.parametrize("voice", FESTIVAL_ENGLISH)
def test_festival(voice: str) -> None:
    speeches = synthesis.festival([TEXT, 'He said "boo" \\ to (Bob).'], voice, stretch=1.1)
    check(speeches[0])
    assert len(speeches) == 2


@needs("espeak-ng")
@pytest.mark.parametrize("voice", ["en-us+m3", "en+f3", "de"])
def test_espeak(voice: str) -> None:
    check(synthesis.espeak([TEXT], voice, rate=140)[0])


@needs("espeak-ng")
def test_every_language_is_spoken() -> None:
    for language, sentences in SENTENCES.items():
        (speech,) = synthesis.espeak(sentences[:1], language)
        assert len(speech.samples) > SAMPLE_RATE
        assert len({span.phone for span in speech.spans}) > 6, language


def test_a_missing_program_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SynthesisError, match="not installed"):
        synthesis.flite("hello", "slt")


@needs("espeak-ng")
def test_an_unknown_voice_is_said_plainly() -> None:
    with pytest.raises(SynthesisError, match="no voice"):
        synthesis.espeak(["hello"], "tlh+worf")


def test_a_stop_of_espeak_gets_the_silence_before_its_burst() -> None:
    samples = np.zeros(16000, np.float32)
    samples[:6400] = 0.3 * np.sin(np.arange(6400) / 5)
    samples[8000:14400] = 0.3 * np.sin(np.arange(6400) / 5)
    spans = synthesis._espeak_spans(["a", "p", "a", ""], [0.0, 0.5, 0.55, 0.9], samples)
    assert [span.phone for span in spans] == ["a", "p", "a", "sil"]
    assert spans[1].start == pytest.approx(0.4, abs=0.002)
    assert spans[1].release == 0.5
    assert spans[1] == PhoneSpan("p", spans[0].end, 0.55, 0.5)


def test_texts_are_as_many_as_asked_and_repeatable() -> None:
    for language in SENTENCES:
        texts = mixed_sentences(language, 70, np.random.default_rng(3))
        assert len(texts) == 70
        assert all(text.strip() for text in texts)
        assert texts == mixed_sentences(language, 70, np.random.default_rng(3))
