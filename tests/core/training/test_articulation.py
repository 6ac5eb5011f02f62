# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator would look for in the mouth, measured on the head's mesh."""

import numpy as np
import pytest

from emoface_core.face.head import load_head
from emoface_core.face.measures import jaw_opening, lip_gap, lip_teeth_gap, mouth_width
from emoface_core.training.articulation import (
    ArticulationStyle,
    articulate,
    closure_interval,
    plan,
)
from emoface_core.training.phones import PHONES, VOWELS, PhoneSpan
from emoface_core.training.prosody import Prosody
from tests.core.training.speaking import RATE, frames, measured, say


@pytest.mark.parametrize("stop", ["p", "b", "m"])
@pytest.mark.parametrize("vowel", ["a", "ɑ", "æ", "i", "o"])
def test_lips_shut_between_vowels(stop, vowel):
    spans, seconds = say(f"{vowel}:160 {stop}:80 {vowel}:160")
    gap = measured(lip_gap, articulate(spans, seconds))
    start, end = closure_interval(spans[2])
    shut = np.flatnonzero(np.abs(gap) <= 0.5) / RATE
    inside = frames(start, end)
    assert len(inside) >= 2
    assert np.abs(gap[inside]).max() <= 0.5
    assert gap.min() >= -0.5  # lips never cross
    around = shut[(shut > start - 0.1) & (shut < end + 0.1)]
    assert around.max() - around.min() >= 0.04
    # ... and not for longer than it takes
    assert around.min() > start - 0.04
    assert around.max() < end + 0.06


def test_a_labelled_release_ends_the_closure():
    spans, seconds = say("ɑ:150 p:120 ɑ:150")
    early = PhoneSpan("p", spans[2].start, spans[2].end, spans[2].start + 0.05)
    gap = measured(lip_gap, articulate([*spans[:2], early, *spans[3:]], seconds))
    assert gap[int(early.end * RATE)] > 1.0
    assert np.abs(gap[frames(early.start, early.release)]).max() <= 0.5


def test_even_a_very_short_closure_closes():
    spans, seconds = say("ɑ:90 b:25 ɑ:90")
    gap = measured(lip_gap, articulate(spans, seconds))
    middle = 0.5 * (spans[2].start + spans[2].end)
    assert (np.abs(gap[frames(middle - 0.03, middle + 0.03)]) <= 0.5).sum() >= 2


def test_vowels_open_by_height():
    opening = {}
    for vowel in "iɪeɛæaɑʊu":
        spans, seconds = say(f"t:70 {vowel}:200 t:70")
        middle = int(0.5 * (spans[2].start + spans[2].end) * RATE)
        opening[vowel] = measured(lip_gap, articulate(spans, seconds))[middle]
    assert 8 <= opening["a"] <= 20
    assert opening["i"] < opening["e"] < opening["ɛ"] < opening["æ"]
    assert opening["u"] < opening["ʊ"] < opening["ɑ"]
    assert min(opening.values()) >= 1.0


@pytest.mark.parametrize("phone", ["u", "o", "w", "ʃ"])
def test_rounding_narrows_the_mouth_and_starts_early(phone):
    spans, seconds = say(f"i:150 t:60 s:80 {phone}:200 t:60 i:150")
    width = measured(mouth_width, articulate(spans, seconds))
    start = spans[4].start
    middle = int((start + 0.1) * RATE)
    rest = measured(mouth_width, np.zeros((1, 57)))[0]
    spread = width[frames(spans[1].start, spans[1].end)].max()
    assert spread > rest + 1.0  # i is wide
    assert width[middle] < rest - 3.0
    assert width[int((start - 0.04) * RATE)] < 0.5 * (spread + width[middle])  # before its onset


def test_sibilants_raise_the_jaw():
    for phone in "szʃtd":
        spans, seconds = say(f"ɑ:120 {phone}:100 ɑ:120")
        jaw = measured(jaw_opening, articulate(spans, seconds))
        middle = int(0.5 * (spans[2].start + spans[2].end) * RATE)
        assert jaw[middle] < 0.5 * jaw.max(), phone


@pytest.mark.parametrize("phone", ["f", "v"])
@pytest.mark.parametrize("vowel", ["a", "i", "u"])
def test_lower_lip_meets_the_upper_teeth(phone, vowel):
    spans, seconds = say(f"{vowel}:140 {phone}:90 {vowel}:140")
    weights = articulate(spans, seconds)
    middle = frames(spans[2].start + 0.02, spans[2].end - 0.02)
    assert measured(lip_teeth_gap, weights)[middle].max() <= 1.2
    assert measured(lip_gap, weights)[middle].min() >= 0.8  # an f is not a p


def test_silence_rests():
    spans, seconds = say("h:60 ɑ:150 t:60 sil:500 ɑ:200", lead=0.5, tail=0.8)
    weights = articulate(spans, seconds)
    quiet = np.concatenate(
        [frames(0, 0.35), frames(1.07, 1.12), frames(spans[6].start + 0.3, seconds)]
    )
    np.testing.assert_array_equal(weights[quiet], 0)
    assert np.abs(weights[frames(0.42, 0.5)]).max() > 0.02  # and opens before the voice
    assert not articulate([], 1.0).any()
    assert not articulate([PhoneSpan("sil", 0, 3)], 3.0).any()


def test_a_short_pause_does_not_snap_shut():
    spans, seconds = say("ɑ:150 sil:90 ɑ:150")
    gap = measured(lip_gap, articulate(spans, seconds))
    assert gap[int((spans[2].start + 0.045) * RATE)] > 3.0


def test_motion_is_smooth():
    spans, seconds = say(
        "k:80 ɪ:70 d:40 z:80 ɑ:50 ɹ:40 t:80 ɔ:110 k:70 ɪ:50 ŋ:60 b:70 a:80 ɪ:60 ð:40 ə:40 d:60"
    )
    weights = articulate(spans, seconds)
    motion = weights - weights.mean(0)
    power = np.abs(np.fft.rfft(motion * np.hanning(len(motion))[:, None], axis=0)) ** 2
    fast = np.fft.rfftfreq(len(motion), 1 / RATE) > 12
    assert power[fast].sum() <= 0.003 * power.sum()
    lips = measured(lip_gap, weights)
    assert np.abs(np.diff(lips)).max() * RATE <= 350  # mm/s: no lip is faster


def test_steady_vowel_holds_still():
    spans, seconds = say("ɑ:1500")
    held = measured(lip_gap, articulate(spans, seconds))[frames(0.7, 1.6)]
    assert np.ptp(held) < 0.05


def test_undershoot_of_fast_speech():
    opening = []
    for scale in (1.0, 0.5):
        text = " ".join(
            f"{p}:{int(d * scale)}" for p, d in [*[("t", 80), ("a", 140)] * 4, ("t", 80)]
        )
        spans, seconds = say(text)
        opening.append(measured(jaw_opening, articulate(spans, seconds)).max())
    assert opening[1] < 0.85 * opening[0]


def test_loud_syllables_open_further():
    spans, seconds = say("t:80 a:200 t:80 a:200")
    count = int(seconds * RATE) + 2
    accent = np.where(np.arange(count) / RATE < spans[3].start, 1.0, -0.8)
    zeros = np.zeros(count)
    heard = Prosody(zeros, zeros, zeros, accent)
    jaw = measured(jaw_opening, articulate(spans, seconds, prosody=heard))
    first = jaw[frames(spans[2].start, spans[2].end)].max()
    second = jaw[frames(spans[4].start, spans[4].end)].max()
    assert first > 1.2 * second


def test_brows_follow_what_stands_out():
    spans, seconds = say("t:80 a:300 t:80 a:300", lead=0.8)
    count = int(seconds * RATE) + 2
    time = np.arange(count) / RATE
    zeros = np.zeros(count)
    accent = np.exp(-0.5 * ((time - 1.05) / 0.08) ** 2)
    weights = articulate(spans, seconds, prosody=Prosody(zeros, zeros, zeros, accent))
    brow = weights[:, load_head().shape_names.index("browOuterUp_L")]
    assert 0.05 < brow.max() < 0.3
    assert time[np.argmax(brow)] == pytest.approx(1.05, abs=0.05)
    assert not brow[time < 0.6].any()
    assert not articulate(spans, seconds)[:, load_head().shape_names.index("browOuterUp_L")].any()


def test_styles_scale_and_keep_closures():
    spans, seconds = say("m:80 a:160 m:80 u:160")
    plain = articulate(spans, seconds)
    for style in (ArticulationStyle(jaw=1.5, lips=1.5), ArticulationStyle(jaw=0.6, rounding=0.5)):
        weights = articulate(spans, seconds, style=style)
        assert not np.allclose(weights, plain)
        shut = frames(spans[3].start, spans[3].end)
        assert np.abs(measured(lip_gap, weights)[shut]).max() <= 0.5


@pytest.mark.parametrize("phone", PHONES)
def test_every_phone_gives_finite_weights_of_the_rig(phone):
    spans, seconds = say(f"{phone}:100")
    weights = articulate(spans, seconds)
    assert weights.shape == (int(seconds * RATE) + 2, 57)
    assert weights.dtype == np.float32
    assert np.isfinite(weights).all()
    assert weights.max() <= 1.3
    assert weights.min() >= -0.1
    if phone in VOWELS:
        assert measured(lip_gap, weights).max() > 1


@pytest.mark.parametrize("rate", [24.0, 30.0, 100.0])
def test_any_rate_gives_the_same_motion(rate):
    spans, seconds = say("m:80 ɑ:150 f:80 u:160 s:90")
    fine = articulate(spans, seconds, rate=600.0)
    coarse = articulate(spans, seconds, rate=rate)
    step = int(600 / rate)
    np.testing.assert_allclose(coarse[:-2], fine[::step][: len(coarse) - 2], atol=0.03)


def test_spans_out_of_the_sound_or_overlapping_are_cut():
    spans = [PhoneSpan("a", 0.2, 0.5), PhoneSpan("i", 0.45, 0.6), PhoneSpan("u", 3.0, 3.2)]
    weights = articulate(spans, 1.0)
    assert weights.shape[0] == 52
    np.testing.assert_array_equal(weights[frames(0.9, 1.0)], 0)


def test_plan_says_where_the_contacts_are():
    spans, seconds = say("ɑ:120 m:80 ɑ:120 f:80 ɑ:120")
    gesture = plan(spans, seconds)
    assert gesture.shut[frames(spans[2].start, spans[2].end)].min() > 0.99
    assert gesture.teeth[int((spans[4].start + 0.04) * RATE)] > 0.99
    assert gesture.rest[0] == 1
    assert gesture.rest[frames(spans[1].start, spans[5].end)].max() < 1e-9
