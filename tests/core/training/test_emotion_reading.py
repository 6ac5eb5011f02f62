# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader learns an emotion that a few made voices show, and how sure it may be."""

import numpy as np
import pytest
import torch

from emoface_core.audio.level import level_gain
from emoface_core.audio.mel import log_mel
from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.model.config import EncoderConfig
from emoface_core.model.encoders import MelEncoder
from emoface_core.training.emotion_reading import Voice, fit_reader

TILT = {"angry": 0.0, "neutral": 1.0, "sad": 2.0}  # an angry voice is bright, a sad one dull


def voice(emotion, speaker, seed, seconds=0.9):
    """Syllables of a buzz whose overtones fall off by the emotion."""
    rng = np.random.default_rng([seed, speaker])
    t = np.arange(round(seconds * 16000)) / 16000
    pitch = 120 + 3 * (speaker % 5) + rng.normal(0, 3)
    tilt = TILT[emotion or "neutral"] + rng.normal(0, 0.05)
    buzz = sum(np.sin(2 * np.pi * pitch * k * t + k) * k**-tilt for k in range(1, 25))
    samples = buzz * np.sin(np.pi * 4 * t) ** 2 + 0.01 * rng.standard_normal(len(t))
    samples = 0.1 * samples / np.abs(samples).max()
    return Voice(samples.astype(np.float32), f"s{speaker}", emotion, f"t{seed % 2}")


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(1)
    return MelEncoder(EncoderConfig(width=8, blocks=2, kernel=5)).eval()


@pytest.fixture(scope="module")
def fit(encoder):
    labelled = [voice(name, s, n) for name in TILT for s in range(3) for n in range(3)]
    return fit_reader(encoder, labelled, [voice(None, s, n) for s in range(3, 9) for n in (7, 8)])


def test_a_new_speaker_is_read(encoder, fit):
    assert fit.new_speakers > 0.8 and fit.new_sentences > 0.8
    for name in TILT:
        clip = voice(name, 11, 50)
        mel = torch.from_numpy(log_mel(clip.samples, level_gain(clip.samples)))[None]
        with torch.no_grad():
            logits = fit.reader(mel, encoder.heard(mel)[1])[0].mean(0)
        assert EMOTIONS[int(logits.argmax())] == name
        assert logits[EMOTIONS.index("surprised")] < logits[[EMOTIONS.index(n) for n in TILT]].min()


def test_the_same_clips_give_the_same_reader(encoder, fit):
    labelled = [voice(name, s, n) for name in TILT for s in range(3) for n in range(3)]
    again = fit_reader(encoder, labelled, [voice(None, s, n) for s in range(3, 9) for n in (7, 8)])
    assert torch.equal(again.reader.weight, fit.reader.weight)
    assert again.temperature == fit.temperature > 0


def test_one_speaker_is_too_few(encoder):
    labelled = [voice(name, 0, 0) for name in TILT]
    with pytest.raises(InputError):
        fit_reader(encoder, labelled, labelled)
