# SPDX-License-Identifier: GPL-3.0-or-later
"""Stillness, jitter, visemes and emotions on made curves."""

import math

import numpy as np
import pytest

from emoface_core.emotions import EMOTIONS
from emoface_core.evaluation.emotion import clip_emotion, score_emotions
from emoface_core.evaluation.motion import jitter, silence, silent_frames, vowel_frames
from emoface_core.evaluation.visemes import confusion, score_visemes, viseme_frames
from emoface_core.training.phones import VISEME_OF, VISEMES, PhoneSpan

SAID = [
    PhoneSpan("sil", 0.0, 1.0),
    PhoneSpan("m", 1.0, 1.105),
    PhoneSpan("a", 1.105, 1.6),
    PhoneSpan("ɪ", 1.6, 1.7),
    PhoneSpan("sil", 1.7, 2.2),
    PhoneSpan("sil", 2.2, 3.0),
]


def test_silence_is_judged_away_from_speech():
    silent = silent_frames(SAID, 300, 100)
    assert np.flatnonzero(silent[:100])[[0, -1]].tolist() == [0, 79]
    assert np.flatnonzero(silent[100:])[[0, -1]].tolist() == [100, 199]


def test_stillness_by_hand():
    lips = np.zeros((4, 2, 3))
    lips[0, :, 1], lips[1, :, 1] = 0.001, -0.001  # 1 mm about the mean
    lips[2:] = 9  # not silent
    found = silence(lips, np.array([0.0002, -0.0004, 1, 1]), np.array([True, True, False, False]))
    assert found.motion_mm == pytest.approx(1)
    assert found.gap_mm == pytest.approx(0.4)
    assert math.isnan(silence(lips, np.zeros(4), np.zeros(4, bool)).motion_mm)


def test_steady_vowels():
    steady = vowel_frames(SAID, 300, 100)
    assert np.flatnonzero(steady)[[0, -1]].tolist() == [115, 155]  # the short ɪ has no middle


def test_jitter_is_the_share_of_fast_energy():
    time = np.arange(200) / 100
    steady = np.ones(200, bool)
    slow, fast = np.sin(2 * np.pi * 4 * time), np.sin(2 * np.pi * 20 * time)
    lips = np.zeros((200, 3, 3))
    lips[:, :, 1] = (slow + 0.1 * fast)[:, None]
    assert jitter(lips, steady, 100).share == pytest.approx(0.01 / 1.01, rel=0.03)
    lips[:, :, 1] = slow[:, None]
    assert jitter(lips, steady, 100).share < 1e-3
    assert jitter(lips * 0, steady, 100).share == 0
    assert math.isnan(jitter(lips, ~steady, 100).share)
    assert jitter(lips[::5], steady[::5], 20).share == 0  # nothing can be above 12 Hz at 20 fps


def test_visemes_are_judged_in_speech():
    truth = viseme_frames(SAID, 300, 100)
    assert truth[105] == VISEMES.index("PP")
    guess = truth.copy()
    guess[:100] = VISEMES.index("aa")  # in silence: nobody asks
    assert score_visemes(SAID, guess, 100).accuracy == 1
    guess[100:110] = VISEMES.index("sil")
    found = score_visemes(SAID, guess, 100)
    assert found.accuracy == pytest.approx(60 / 70)
    assert found.counts[VISEME_OF["m"], VISEME_OF["sil"]] == 10


def test_unweighted_recall():
    found = confusion([0, 0, 0, 1], [0, 0, 0, 0], ("a", "b", "c"))
    assert found.accuracy == 0.75
    assert found.unweighted_recall == 0.5
    assert math.isnan(confusion([], [], ("a", "b")).unweighted_recall)


def test_emotions():
    weights = np.zeros((4, 8))
    weights[:2, EMOTIONS.index("surprised")] = 1  # before speech
    weights[2:, EMOTIONS.index("sad")] = 0.4
    weights[2:, EMOTIONS.index("angry")] = 0.6
    speech = np.array([False, False, True, True])
    assert clip_emotion(weights, speech) == "angry"
    assert clip_emotion(weights, speech, ("sad", "happy")) == "sad"
    assert clip_emotion(weights, ~speech) == "surprised"
    assert score_emotions(["sad", "sad", "angry"], ["sad", "angry", "angry"]).unweighted_recall == (
        0.75
    )
