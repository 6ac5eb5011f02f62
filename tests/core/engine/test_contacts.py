# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts that are nearly there are made or left, as the phones say."""

import numpy as np
import pytest

from emoface_core.engine.contacts import PhoneOdds, hold_emotions, hold_speech
from emoface_core.engine.rig import own_rig

NAMES = ("sil", "a", "p", "m", "f", "t")


@pytest.fixture(scope="module")
def mouth():
    return own_rig().mouth


def open_by(mouth, gap: float, frames: int = 1) -> np.ndarray:
    """Curves with the lips `gap` metres apart."""
    curves = np.zeros((frames, len(mouth.index)))
    curves[:, mouth.index["jawOpen"]] = 0.2
    return mouth.with_gap(curves, gap).astype(np.float32)


def heard(frames: int = 1, **shares: float) -> PhoneOdds:
    rows = np.full((frames, len(NAMES)), 1e-4)
    for name, share in shares.items():
        rows[:, NAMES.index(name)] = share
    return PhoneOdds.of(np.log(rows / rows.sum(1, keepdims=True)), NAMES)


def test_nearly_shut_lips_shut_where_a_bilabial_is_heard(mouth):
    held = hold_speech(open_by(mouth, 0.0009), heard(m=0.95, a=0.05), mouth)
    assert abs(mouth.lip_gap(held)[0]) < 1e-4


def test_two_witnesses_of_one_group_count_together(mouth):
    both = hold_speech(open_by(mouth, 0.0007), heard(m=0.4, p=0.4, t=0.2), mouth)
    assert mouth.lip_gap(both)[0] < 2e-4


def test_all_but_shut_lips_open_where_none_is_heard(mouth):
    held = hold_speech(open_by(mouth, 0.0002), heard(t=1.0), mouth)
    assert 0.0006 < mouth.lip_gap(held)[0] < 0.0009


def test_nothing_opens_in_silence(mouth):
    curves = open_by(mouth, 0.0)
    held = hold_speech(curves, heard(sil=1.0), mouth)
    np.testing.assert_allclose(mouth.lip_gap(held), 0.0, atol=5e-5)


def test_an_open_vowel_is_left_as_it_is(mouth):
    curves = open_by(mouth, 0.012)
    for odds in (heard(a=1.0), heard(m=0.9, a=0.1), heard(f=0.5, a=0.5)):
        np.testing.assert_allclose(hold_speech(curves, odds, mouth), curves, atol=1e-4)


def test_the_lip_goes_to_the_teeth_where_f_is_heard(mouth):
    bite = mouth.with_bite(open_by(mouth, 0.004).astype(np.float64))
    near = bite + 0.25 * (open_by(mouth, 0.004) - bite)
    assert mouth.lip_teeth_gap(near)[0] > 0.0012
    held = hold_speech(near.astype(np.float32), heard(f=0.95, t=0.05), mouth)
    assert mouth.lip_teeth_gap(held)[0] < 0.0011


def test_it_comes_in_without_a_step(mouth):
    shares = np.linspace(0.01, 0.99, 400)
    rows = np.full((400, len(NAMES)), 1e-5)
    rows[:, NAMES.index("m")], rows[:, NAMES.index("a")] = shares, 1 - shares
    odds = PhoneOdds.of(np.log(rows / rows.sum(1, keepdims=True)), NAMES)
    gap = mouth.lip_gap(hold_speech(open_by(mouth, 0.001, 400), odds, mouth))
    assert gap[0] > 0.0009 and gap[-1] < 1e-4
    assert np.abs(np.diff(gap)).max() < 1e-4


@pytest.mark.parametrize("gap", [0.0, 0.012])
def test_an_emotion_neither_opens_shut_lips_nor_shuts_open_ones(mouth, gap):
    content = open_by(mouth, gap)
    layers = np.zeros((1, 8, content.shape[1]), np.float32)
    layers[0, 2, mouth.index["mouthLowerDown_L"]] = 0.5
    layers[0, 2, mouth.index["mouthLowerDown_R"]] = 0.5
    layers[0, 3, mouth.index["mouthClose"]] = 0.6
    attention = np.full((1, 2), 0.9, np.float32)
    talking, silent = heard(a=1.0), heard(sil=1.0)
    held = hold_emotions(layers, attention, content, talking, mouth)
    gaps = mouth.lip_gap((content[:, None] + 0.9 * held)[0])
    if gap == 0.0:
        assert gaps[2] < 1e-4 < mouth.lip_gap(content + 0.9 * layers[:, 2])[0]
    else:
        assert gaps[3] > 0.0007 > mouth.lip_gap(content + 0.9 * layers[:, 3])[0]
        np.testing.assert_allclose(held[0, 2], layers[0, 2], atol=1e-6)
    np.testing.assert_array_equal(hold_emotions(layers, attention, content, silent, mouth), layers)
