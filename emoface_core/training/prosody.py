# SPDX-License-Identifier: GPL-3.0-or-later
"""Loudness and pitch of a voice over time, and where its accents are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RATE = 8000  # Hz, after halving
_FRAME = 320  # 40 ms: nearly three periods of the lowest voice
_FIRST, _LAST = _RATE // 500, _RATE // 70  # lags of the highest and the lowest pitch
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
    halved = np.asarray(samples, np.float32)
    halved = 0.5 * (halved[: len(halved) // 2 * 2 : 2] + halved[1::2])  # 8 kHz holds all it takes
    frames = _framed(halved, n_frames, rate) * np.hanning(_FRAME).astype(np.float32)
    correlation = _autocorrelation(frames)
    level = 10 * np.log10(correlation[:, 0] / _FRAME + 1e-10)
    loud = np.percentile(level, 95) if n_frames else 0.0
    energy = np.clip(level - loud, -60, 6)
    pitch, clarity = _pitch(correlation)
    voiced = np.clip((clarity - 0.35) / 0.25, 0, 1) * np.clip((energy + 32) / 8, 0, 1)
    semitones = 12 * np.log2(pitch)
    relative = np.zeros(n_frames)
    if voiced.max(initial=0) > 0.5:
        middle = float(np.median(semitones[voiced > 0.5]))
        relative = np.clip(semitones - middle, -9, 9)
    carried = smooth(relative * voiced, 0.06 * rate) / (smooth(voiced, 0.06 * rate) + 0.05)
    return Prosody(energy, carried, voiced, _accent(energy, carried, voiced, rate))


def _framed(samples: NDArray[np.float32], n_frames: int, rate: float) -> NDArray[np.float32]:
    """(n_frames, _FRAME) stretches centred at i / rate, zeros outside the sound."""
    centres = np.round(np.arange(n_frames) * _RATE / rate).astype(np.int64)
    padded = np.zeros((int(centres[-1]) if n_frames else 0) + 2 * _FRAME, np.float32)
    kept = min(len(samples), len(padded) - _FRAME // 2)
    padded[_FRAME // 2 : _FRAME // 2 + kept] = samples[:kept]
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[centres])


def _autocorrelation(frames: NDArray[np.float32]) -> Track:
    """(n, lags up to the lowest pitch's period)."""
    spectrum = np.fft.rfft(frames, 512, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(np.fft.irfft(power, axis=1)[:, : _LAST + 2], np.float64)


def _pitch(correlation: Track) -> tuple[Track, Track]:
    """Hz and clarity (0 to 1) of every frame, by the normalised autocorrelation."""
    window = _autocorrelation(np.hanning(_FRAME).astype(np.float32)[None])[0]
    ratio = correlation / (correlation[:, :1] + 1e-9) / (window / window[0])
    # A shade less for long lags keeps the octave below from winning.
    lags = np.arange(_FIRST, _LAST)
    favour = 1 - 0.10 * (lags - _FIRST) / (_LAST - _FIRST)
    best = np.argmax(ratio[:, _FIRST:_LAST] * favour, axis=1) + _FIRST
    row = np.arange(len(best))
    before, peak, after = (ratio[row, best + d] for d in (-1, 0, 1))
    bend = before - 2 * peak + after
    shift = np.where(bend < -1e-6, 0.5 * (before - after) / np.minimum(bend, -1e-6), 0.0)
    return _RATE / (best + np.clip(shift, -0.5, 0.5)), peak


def _accent(energy: Track, pitch: Track, voiced: Track, rate: float) -> Track:
    """Loudness and pitch of syllables against the speech around them."""
    speech: Track = np.clip((energy + 40) / 15, 0, 1)
    if speech.max(initial=0) <= 0:
        return np.zeros_like(energy)
    syllable = smooth(np.maximum(energy, -30) * speech, 0.045 * rate)
    around = smooth(syllable * speech, 0.8 * rate) / (smooth(speech, 0.8 * rate) + 0.05)
    rise = pitch - smooth(pitch, 0.8 * rate)
    score = (syllable - around) / 9 + 0.45 * smooth(rise * voiced, 0.05 * rate) / 3
    return np.asarray(np.clip(score, -1, 1.5) * smooth(speech, 0.05 * rate))


def smooth(track: NDArray[np.floating], sigma: float) -> Track:
    """Gaussian of `sigma` frames; the edges are held."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(track, reach, mode="edge")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"))
