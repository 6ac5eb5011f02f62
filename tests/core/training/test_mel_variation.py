# SPDX-License-Identifier: GPL-3.0-or-later
"""Varied features: another voice and room at the very same times, silence still silent."""

import numpy as np
import pytest

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.audio.mel import log_mel
from emoface_core.training import mel_variation
from emoface_core.training.mel_variation import vary_mel


@pytest.fixture(scope="module")
def bursts() -> np.ndarray:
    """(8, 200, 80): a rich sound from 0.5 to 1 s, and silence."""
    t = np.arange(round(1.96 * SAMPLE_RATE)) / SAMPLE_RATE
    loud = (t >= 0.5) & (t < 1.0)
    tone = sum(np.sin(2 * np.pi * hz * t) for hz in range(200, 7000, 150)) * 0.01
    return np.repeat(log_mel((tone * loud).astype(np.float32))[None], 8, axis=0)


def quiet(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    """Only what the test is about varies."""
    still = {"WARP": 0.0, "EQUALISER_DB": 0.0, "LEVEL_DB": 0.0, "NOISY": 0.0}
    for name, value in {**still, "BANDS": (0, 0), "TIMES": (0, 0), **values}.items():
        monkeypatch.setattr(mel_variation, name, value)


def test_without_changes_nothing_changes(bursts, monkeypatch) -> None:
    quiet(monkeypatch)
    np.testing.assert_allclose(vary_mel(bursts, np.random.default_rng(0)), bursts, atol=2e-3)


def test_every_clip_differs_and_repeats_by_its_seed(bursts) -> None:
    made, again = (vary_mel(bursts, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(made, again) and made.dtype == np.float32
    assert np.isfinite(made).all()
    assert len({clip.tobytes() for clip in made}) == len(made)


def test_times_stay(bursts, monkeypatch) -> None:
    quiet(monkeypatch, WARP=0.12, EQUALISER_DB=6.0, LEVEL_DB=4.0)
    for clip in vary_mel(bursts, np.random.default_rng(2)):
        assert clip[52:99].mean(1).min() > -0.5
        # Silence has no level to change.
        assert np.abs(clip[:48] - bursts[0, :48]).max() < 2e-3 > np.abs(clip[103:] + 1.1429).max()


def test_a_longer_throat_lowers_what_is_heard(monkeypatch) -> None:
    quiet(monkeypatch, WARP=0.12)
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = np.repeat(log_mel(np.sin(2 * np.pi * 2000 * t).astype(np.float32))[None], 64, axis=0)
    peaks = vary_mel(tone, np.random.default_rng(3))[:, 50].argmax(axis=1)
    here = int(tone[0, 50].argmax())
    # A twelfth of 2 kHz is nearly two of the bands of about 150 Hz there.
    assert peaks.min() < here < peaks.max() and np.abs(peaks - here).max() <= 4


def test_noise_stays_below_the_voice(bursts, monkeypatch) -> None:
    quiet(monkeypatch, NOISY=1.0, SNR_DB=(20.0, 20.0))
    noisy = vary_mel(bursts, np.random.default_rng(4))
    power = np.mean(10 ** (noisy * 1.4 - 4.4), axis=2)
    below = 10 * np.log10(power[:, 55:95].mean(1) / power[:, :40].mean(1))
    # Most frames are silent, so that all count for the level: three quarters are silence.
    assert below == pytest.approx(20 + 10 * np.log10(4), abs=1.0)


def test_masks_hide_little(bursts, monkeypatch) -> None:
    quiet(monkeypatch, BANDS=(2, 12), TIMES=(2, 6))
    hidden = np.abs(vary_mel(bursts, np.random.default_rng(5)) - bursts) > 0.01
    assert 0.02 < hidden.mean() < 0.4
    assert (hidden.all(axis=2).sum(axis=1) <= 12).all()
