# SPDX-License-Identifier: GPL-3.0-or-later
"""Loudness and pitch of a voice over time, and where its accents are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
_FRAME = 640  # 40 ms: two periods of the lowest voice
_LOWEST, _HIGHEST = 70.0, 500.0  # Hz
Track = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prosody:
    """Tracks (N,) of one rate.

    `energy`: decibels over the clip's loud level, 0 at loud syllables, -60 at the least.
    `pitch`: semitones over the speaker's median, smooth through unvoiced stretches.
    `voiced`: 0 to 1. `accent`: about -1 (weak) to 1.5 (stressed), 0 on average speech.
    """

    energy: Track
    pitch: Track
    voiced: Track
    accent: Track


def prosody(samples: NDArray[np.floating], n_frames: int, *, rate: float = 50.0) -> Prosody:
    """Measure mono 16 kHz `samples` at times i / rate, i < n_frames."""
    frames = _framed(np.asarray(samples, np.float64), n_frames, rate)
    window = np.hanning(_FRAME)
    power = (frames**2 * window).sum(1) / window.sum()
    level = 10 * np.log10(power + 1e-10)
    loud = np.percentile(level, 95) if n_frames else 0.0
    energy = np.clip(level - loud, -60, 6)
    pitch, clarity = _pitch(frames * window)
    voiced = np.clip((clarity - 0.35) / 0.25, 0, 1) * np.clip((energy + 32) / 8, 0, 1)
    semitones = 12 * np.log2(pitch)
    if voiced.max(initial=0) > 0.5:
        middle = float(np.median(semitones[voiced > 0.5]))
        relative = np.clip(semitones - middle, -9, 9)
    else:
        relative = np.zeros(n_frames)
    carried = _smooth(relative * voiced, 0.06 * rate) / (_smooth(voiced, 0.06 * rate) + 0.05)
    return Prosody(energy, carried, voiced, _accent(energy, carried, voiced, rate))


def _framed(samples: NDArray[np.float64], n_frames: int, rate: float) -> NDArray[np.float64]:
    """(n_frames, _FRAME) stretches centred at i / rate, zeros outside the sound."""
    centres = np.round(np.arange(n_frames) * SAMPLE_RATE / rate).astype(np.int64)
    padded = np.zeros((int(centres[-1]) if n_frames else 0) + 2 * _FRAME)
    kept = min(len(samples), len(padded) - _FRAME // 2)
    padded[_FRAME // 2 : _FRAME // 2 + kept] = samples[:kept]
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[centres])


def _pitch(frames: NDArray[np.float64]) -> tuple[Track, Track]:
    """Hz and clarity (0 to 1) by the normalised autocorrelation of every frame."""
    spectrum = np.fft.rfft(frames, 2 * _FRAME, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :_FRAME]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(_FRAME), 2 * _FRAME)) ** 2)[:_FRAME]
    first, last = int(SAMPLE_RATE / _HIGHEST), int(SAMPLE_RATE / _LOWEST)
    ratio = correlation[:, first:last] / (correlation[:, :1] + 1e-9)
    ratio = ratio / (window[first:last] / window[0])
    # A shade less for long lags keeps the octave below from winning.
    lags = np.arange(first, last)
    best = np.argmax(ratio * (1 - 0.10 * (lags - first) / (last - first)), axis=1)
    return SAMPLE_RATE / lags[best], ratio[np.arange(len(best)), best]


def _accent(energy: Track, pitch: Track, voiced: Track, rate: float) -> Track:
    """Loudness and pitch of syllables against the speech around them."""
    speech = np.clip((energy + 40) / 15, 0, 1)
    if speech.max(initial=0) <= 0:
        return np.zeros_like(energy)
    syllable = _smooth(np.maximum(energy, -30) * speech, 0.045 * rate)
    around = _smooth(syllable * speech, 0.8 * rate) / (_smooth(speech, 0.8 * rate) + 0.05)
    rise = pitch - _smooth(pitch, 0.8 * rate)
    score = (syllable - around) / 9 + 0.45 * _smooth(rise * voiced, 0.05 * rate) / 3
    return np.asarray(np.clip(score, -1, 1.5) * _smooth(speech, 0.05 * rate))


def _smooth(track: Track, sigma: float) -> Track:
    """Gaussian, edges held."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(track, reach, mode="edge")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"))
