# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotions are strong, alive, linear, repeatable, and never in the way of speech."""

import numpy as np
import pytest

from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.face.measures import jaw_opening, lid_gap, lip_gap, lip_teeth_gap
from emoface_core.training.articulation import articulate
from emoface_core.training.expression import express, express_all
from emoface_core.training.prosody import Prosody, prosody
from tests.core.training.speaking import RATE, frames, measured, mesh, say

FELT = EMOTIONS[1:]
TEXT = "m:80 ɑ:160 m:80 ə:80 p:90 a:150 b:70 i:140 f:90 a:120 v:80 u:140 m:80 ə:90"


def voice(count, accents=()):
    track = np.zeros(count)
    for at in accents:
        track += 1.2 * np.exp(-0.5 * ((np.arange(count) / RATE - at) / 0.07) ** 2)
    zeros = np.zeros(count)
    return Prosody(zeros, zeros, np.ones(count), track)


@pytest.fixture(scope="module")
def spoken():
    spans, seconds = say(TEXT, lead=0.8, tail=1.0)
    heard = voice(int(seconds * RATE) + 2, accents=(1.0, 1.4))
    return (
        spans,
        seconds,
        articulate(spans, seconds, prosody=heard),
        express_all(spans, heard, seconds, seed=3),
    )


@pytest.mark.parametrize("emotion", FELT)
@pytest.mark.parametrize("intensity", [0.5, 1.0, 1.5])
def test_closures_hold_under_emotion(spoken, emotion, intensity):
    spans, _, speech, layers = spoken
    weights = speech + intensity * layers[:, EMOTIONS.index(emotion)]
    gap = measured(lip_gap, weights)
    assert gap.min() >= -0.8
    for span in spans:
        middle = frames(span.start + 0.01, span.start + 0.6 * (span.end - span.start))
        if span.phone in "pbm":
            assert np.abs(gap[middle]).max() <= 0.5, (span.phone, span.start)
        elif span.phone in "fv":
            teeth = measured(lip_teeth_gap, weights)
            inside = frames(span.start + 0.02, span.end - 0.02)
            assert teeth[inside].max() <= 2.0
            assert gap[inside].min() >= 0.4


@pytest.mark.parametrize("emotion", FELT)
def test_vowels_stay_open(spoken, emotion):
    spans, _, speech, layers = spoken
    gap = measured(lip_gap, speech + layers[:, EMOTIONS.index(emotion)])
    plain = measured(lip_gap, speech)
    for span in spans:
        if span.phone in "aɑ":
            inside = frames(span.start, span.end)
            assert gap[inside].max() >= 0.45 * plain[inside].max()


@pytest.mark.parametrize("emotion", FELT)
def test_lips_in_silence(spoken, emotion):
    _, seconds, speech, layers = spoken
    gap = measured(lip_gap, speech + layers[:, EMOTIONS.index(emotion)])
    quiet = np.concatenate([frames(0, 0.6), frames(seconds - 0.4, seconds)])
    if emotion == "surprised":
        assert gap[quiet].min() >= 4.0
    else:
        assert np.abs(gap[quiet]).max() <= 0.5


def test_neutral_adds_nothing(spoken):
    assert not spoken[3][:, 0].any()
    with pytest.raises(InputError, match="bored"):
        express([], voice(52), 1.0, "bored")


def test_one_and_all_agree_and_repeat(spoken):
    spans, seconds, _, layers = spoken
    heard = voice(len(layers), accents=(1.0, 1.4))
    for k, emotion in enumerate(EMOTIONS):
        one = express(spans, heard, seconds, emotion, seed=3)
        np.testing.assert_array_equal(one, layers[:, k])
        assert one.dtype == np.float32
    other = express(spans, heard, seconds, "happy", seed=4)
    assert 0.001 < np.abs(other - layers[:, 2]).max() < 0.5


def test_strong_and_told_apart(spoken):
    """Every pair of emotions differs by more than 2 mm somewhere on upper and on lower face."""
    head = load_head()
    faces = {e: mesh(spoken[3][20:21, EMOTIONS.index(e)])[0] - head.vertices for e in EMOTIONS}
    for i, first in enumerate(FELT):
        assert np.linalg.norm(faces[first], axis=1).max() >= 0.002, first
        for second in FELT[i + 1 :]:
            apart = np.linalg.norm(faces[first] - faces[second], axis=1)
            assert apart.max() >= 0.003, (first, second)
            assert apart[head.regions["upper_face"]].max() >= 0.0015, (first, second)


def brow_height(weights):
    """Millimetres, of the inner halves of the brows."""
    head = load_head()
    brows = head.regions["brows"]
    inner = brows[np.abs(head.vertices[brows, 0]) < 0.025]
    return mesh(weights)[:, inner, 1].mean(1) * 1e3


def corner_height(weights):
    head = load_head()
    corners = head.mouth_grid[4, [0, 16]]
    return (mesh(weights)[:, corners, 1] - head.vertices[corners, 1]).mean(1) * 1e3


def test_each_does_what_its_prototype_says(spoken):
    pose = {e: spoken[3][20:21, EMOTIONS.index(e)] for e in EMOTIONS}
    lids = {e: measured(lid_gap, pose[e])[0] for e in EMOTIONS}
    brows = {e: brow_height(pose[e])[0] for e in EMOTIONS}
    corners = {e: corner_height(pose[e])[0] for e in EMOTIONS}
    assert corners["happy"] > 4
    assert corners["sad"] < -2
    assert brows["surprised"] > brows["neutral"] + 2
    assert brows["fearful"] > brows["neutral"] + 1
    assert brows["angry"] < brows["neutral"] - 1
    for wide in ("surprised", "fearful"):
        assert lids[wide] > lids["neutral"] + 1
    for narrow in ("happy", "sad", "disgust", "calm"):
        assert lids[narrow] < lids["neutral"]


def test_it_changes_how_one_speaks(spoken):
    spans, _, speech, layers = spoken
    inside = frames(spans[6].start, spans[6].end)

    def jaw(emotion):
        return measured(jaw_opening, speech + layers[:, EMOTIONS.index(emotion)])[inside].max()

    assert jaw("sad") < 0.9 * jaw("neutral") < jaw("neutral") < jaw("angry")
    assert jaw("surprised") > 1.15 * jaw("neutral")


def test_it_moves_with_the_voice():
    spans, seconds = say("d:60 a:140 d:60 a:140 d:60 a:140 d:60 a:140", lead=0.5)
    count = int(seconds * RATE) + 2
    accented = express(spans, voice(count, accents=(0.83,)), seconds, "surprised", seed=1)
    plain = express(spans, voice(count), seconds, "surprised", seed=1)
    lift = brow_height(accented) - brow_height(plain)
    assert 0.4 < lift.max() < 4
    assert abs(np.argmax(lift) / RATE - 0.83) < 0.1
    held = brow_height(plain)
    assert np.ptp(held) > 0.1  # alive without accents too


def test_it_is_not_symmetric_nor_jerky(spoken):
    head = load_head()
    layers = spoken[3].astype(np.float64)
    mirrored = mesh(layers[:, 4])[:, head.mirror] * [-1, 1, 1]
    assert np.abs(mirrored - mesh(layers[:, 4])).max() > 2e-4
    for k in range(1, 8):
        upper = layers[:, k][:, [i for i, n in enumerate(head.shape_names) if n[:4] == "brow"]]
        motion = upper - upper.mean(0)
        power = np.abs(np.fft.rfft(motion * np.hanning(len(motion))[:, None], axis=0)) ** 2
        fast = np.fft.rfftfreq(len(motion), 1 / RATE) > 6
        assert power[fast].sum() < 0.01 * power.sum()


def test_prosody_finds_pitch_and_accents():
    time = np.arange(32000) / 16000
    loud = np.where((time > 0.9) & (time < 1.1), 0.3, 0.08) * (time > 0.2) * (time < 1.8)
    tone = loud * np.sign(np.sin(2 * np.pi * (140 * time + 15 * time**2)))
    heard = prosody(tone.astype(np.float32), 102)
    assert all(len(t) == 102 for t in (heard.energy, heard.pitch, heard.voiced, heard.accent))
    true = 12 * np.log2((140 + 30 * np.array([0.5, 1.5])) / (140 + 30))
    np.testing.assert_allclose(np.diff(heard.pitch[[25, 75]]), np.diff(true), atol=0.7)
    assert abs(np.argmax(heard.accent) / RATE - 1.0) < 0.12
    assert heard.voiced[[2, 98]].max() < 0.1
    assert heard.voiced[50] > 0.9


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(16000), np.full(10, 0.1)])
def test_prosody_of_nothing(samples):
    heard = prosody(samples.astype(np.float32), 52)
    for track in (heard.energy, heard.pitch, heard.voiced, heard.accent):
        assert np.isfinite(track).all()
    assert not heard.voiced.any()
