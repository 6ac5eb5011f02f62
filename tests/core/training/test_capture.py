# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured Maya curves land on the right shapes, at the right time, with lips that do not cross."""

from itertools import pairwise

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.face.measures import lip_gap
from emoface_core.training.capture import (
    _PAIRS,
    _WHOLE_MOUTHS,
    HOP,
    rig_curves,
    spans_seen,
    stretches,
)
from tests.core.training.speaking import measured

NAMES = sorted({part for parts, _ in _PAIRS.values() for part in parts} | set(_WHOLE_MOUTHS))
FPS = 30.0


def curves(**tracks):
    values = np.zeros((60, len(NAMES)), np.float32)
    for name, track in tracks.items():
        values[:, NAMES.index(name)] = track
    return values


def test_pairs_are_shapes_of_the_rig():
    assert set(_PAIRS) <= set(load_head().shape_names)


def test_jaw_arrives_earlier_by_the_lag():
    bump = np.exp(-0.5 * ((np.arange(60) / FPS - 1.0) / 0.06) ** 2)
    mapped = rig_curves(curves(mouth_stretch_c=0.5 * bump), NAMES, FPS, lag=0.05)
    assert mapped.shape == (102, 57)
    jaw = mapped[:, load_head().shape_names.index("jawOpen")]
    assert jaw.max() == pytest.approx(0.5, abs=0.02)
    assert np.argmax(jaw) / 50 == pytest.approx(0.95, abs=0.011)
    assert measured(lip_gap, mapped).max() > 8


def test_the_largest_part_counts():
    mapped = rig_curves(curves(mouth_funnel_dl=0.2, mouth_funnel_ur=0.6), NAMES, FPS)
    np.testing.assert_allclose(
        mapped[:, load_head().shape_names.index("mouthFunnel")], 0.6, atol=1e-6
    )


def test_sides_stay_apart():
    mapped = rig_curves(curves(mouth_lipCornerPull_l=0.4), NAMES, FPS)
    names = load_head().shape_names
    assert mapped[0, names.index("mouthSmile_L")] == pytest.approx(0.4)
    assert mapped[0, names.index("mouthSmile_R")] == 0


def test_lips_do_not_cross():
    pressed = curves(mouth_press_l=0.9, mouth_press_r=0.9, mouth_chinRaise_d=0.9)
    assert measured(lip_gap, rig_curves(pressed, NAMES, FPS)).min() >= -0.6


def test_takes_are_cut_in_pauses_and_their_lips_seen():
    # Half a second of sound and half a second of pause, for 40 s; the jaw is open in the sound.
    seconds = 40
    t = np.arange(seconds * 16000) / 16000
    sound = (0.3 * np.sin(2 * np.pi * 150 * t) * (t % 1 < 0.5)).astype(np.float32)
    cuts = stretches(sound)
    assert cuts[0][0] == 0 and cuts[-1][1] == seconds * 50
    assert all(a[1] == b[0] for a, b in pairwise(cuts))
    for first, last in cuts[:-1]:
        assert (
            8 <= (last - first) / 50 <= 14 and np.abs(sound[last * HOP - 800 :][:1600]).max() == 0
        )
    motion = np.zeros((102, 57), np.float32)
    speaking = np.arange(102) % 50 < 25
    jaw = load_head().shape_names.index("jawOpen")
    motion[speaking, jaw] = 0.3
    motion[10:15, jaw] = 0
    seen = spans_seen(motion, sound[:32000])
    assert [span.phone for span in seen] == ["ə", "m", "ə", "sil", "ə", "sil"]
    assert [span.start for span in seen] == pytest.approx([0, 0.2, 0.3, 0.5, 1.0, 1.5])


def test_what_is_not_the_capture_is_refused():
    with pytest.raises(InputError, match="jaw_sideways_l"):
        rig_curves(np.zeros((10, len(NAMES))), [n.replace("sideways_l", "x") for n in NAMES], FPS)
    broken = curves()
    broken[3, 3] = np.nan
    with pytest.raises(InputError, match="not numbers"):
        rig_curves(broken, NAMES, FPS)
