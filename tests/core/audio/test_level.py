# SPDX-License-Identifier: GPL-3.0-or-later
"""Level: speech comes to one loudness, and silence stays silent."""

import numpy as np
import pytest

from emoface_core.audio.level import LevelMeter, level_gain


def syllables(seconds: float, loudness: float, seed: int = 0) -> np.ndarray:
    """Noise that comes and goes four times a second, over a floor 45 dB below."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 16000)) / 16000
    envelope = np.clip(np.sin(2 * np.pi * 4 * t), 0, 1) + 0.005
    return (loudness * envelope * rng.normal(0, 1, len(t))).astype(np.float32)


def active_db(samples: np.ndarray) -> float:
    blocks = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    power = np.mean(blocks**2, axis=1)
    return float(10 * np.log10(power[power > power.max() / 10].mean()))


@pytest.mark.parametrize("loudness", [0.006, 0.02, 0.1, 0.9])
def test_speech_comes_to_one_level(loudness: float) -> None:
    samples = syllables(4, loudness)
    assert active_db(samples * level_gain(samples)) == pytest.approx(-23, abs=1.5)


def test_pauses_do_not_count() -> None:
    samples = syllables(3, 0.05)
    paused = np.concatenate([np.zeros(160000, np.float32), samples, np.zeros(320000, np.float32)])
    assert level_gain(paused) == pytest.approx(level_gain(samples), rel=0.05)


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-3, 5e-3])
def test_silence_and_room_are_not_raised(level: float) -> None:
    room = np.random.default_rng(1).normal(0, 1, 64000).astype(np.float32) * np.float32(level)
    assert level_gain(room) <= 1.0


def test_gain_has_a_ceiling() -> None:
    assert level_gain(syllables(4, 1.1e-3)) <= 10 ** (30 / 20) * 1.0001


def test_the_meter_does_not_mind_how_sound_is_cut() -> None:
    samples = syllables(2.345, 0.05)
    for cuts in ([1, 2, 479, 480, 481], list(range(0, 30000, 77))):
        meter = LevelMeter()
        for piece in np.split(samples, cuts):
            meter.add(piece)
        assert meter.samples == len(samples)
        assert meter.gain() == pytest.approx(level_gain(samples), rel=1e-12)


def test_nothing_and_almost_nothing() -> None:
    assert level_gain(np.zeros(0, np.float32)) == 1.0
    assert np.isfinite(level_gain(np.full(100, 0.5, np.float32)))
