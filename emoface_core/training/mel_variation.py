# SPDX-License-Identifier: GPL-3.0-or-later
"""Other throats, rooms and noises, made of the features alone, anew for every batch.

Cheap enough to never repeat: all works on whole batches of log-mel features, frame by frame, so
that what is heard stays where it is said.
"""

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.mel import (
    DEVIATION,
    FLOOR,
    HIGH_HZ,
    LOW_HZ,
    MEAN,
    N_MELS,
    hz_to_mel,
    mel_to_hz,
)

WARP = 0.12  # of the frequency, either way
EQUALISER_DB, LEVEL_DB = 6.0, 4.0
NOISY, SNR_DB = 0.45, (5.0, 35.0)
BANDS, TIMES = (2, 12), (2, 6)  # how many are hidden, and how many bins or frames at the most
_STRAIGHT = 0.7  # of the range, where the warp is in proportion; the rest makes up for it


def vary_mel(mel: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Log-mel features (B, 2N, 80) as another voice, microphone and room would have them.

    Warped along frequency as by a longer or shorter throat (Jaitly & Hinton 2013), equalised,
    louder or softer, with noise in part of them; then masked (SpecAugment, Park et al. 2019).
    """
    size = len(mel)
    warps = np.stack([_warp(1 + rng.uniform(-WARP, WARP)) for _ in range(size)])
    # Features are (log10(power + floor) - mean) / deviation.
    power = np.exp((np.matmul(mel, warps) * DEVIATION + MEAN) * np.float32(np.log(10)))
    power -= np.float32(FLOOR)
    np.maximum(power, 0, out=power)
    gains = _smooth(rng, size, EQUALISER_DB) + rng.uniform(-LEVEL_DB, LEVEL_DB, (size, 1))
    power *= (10 ** (gains[:, None] / 10)).astype(np.float32)
    for row in np.flatnonzero(rng.random(size) < NOISY):
        _add_noise(power[row], rng)
    power += np.float32(FLOOR)
    varied = (np.log10(power) - np.float32(MEAN)) * np.float32(1 / DEVIATION)
    for clip in varied:
        _mask(clip, rng)
    return varied


def _warp(factor: float) -> NDArray[np.float32]:
    """(80, 80) takes each band from the frequency `factor` times as high; the ends stay."""
    low, high = hz_to_mel(LOW_HZ), hz_to_mel(HIGH_HZ)
    places = np.linspace(low, high, N_MELS + 2)[1:-1]
    bend = _STRAIGHT * HIGH_HZ / max(factor, 1.0)
    hz = np.interp(mel_to_hz(places), [0, bend, HIGH_HZ], [0, bend * factor, HIGH_HZ])
    band = np.clip((hz_to_mel(hz) - places[0]) / (places[1] - places[0]), 0, N_MELS - 1)
    lower = np.minimum(band.astype(int), N_MELS - 2)
    share = band - lower
    matrix = np.zeros((N_MELS, N_MELS), np.float32)
    columns = np.arange(N_MELS)
    matrix[lower, columns] = 1 - share
    matrix[lower + 1, columns] = share
    return matrix


def _smooth(rng: np.random.Generator, size: int, most_db: float) -> NDArray[np.float64]:
    """(size, 80) curves through random gains in dB at six places."""
    gains = rng.uniform(-most_db, most_db, (size, 6))
    at = np.linspace(0, 5, N_MELS)
    left = np.minimum(at.astype(int), 4)
    share = 0.5 - 0.5 * np.cos(np.pi * (at - left))
    return gains[:, left] * (1 - share) + gains[:, left + 1] * share


def _add_noise(power: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Steady noise of some colour below the loud half of a clip's frames (2N, 80), in place."""
    loudness = power.mean(axis=1)
    signal = float(loudness[loudness >= np.median(loudness)].mean())
    slope = rng.uniform(-25, 5) * np.linspace(0, 1, N_MELS)  # dB: mostly darker than white
    colour = 10 ** ((_smooth(rng, 1, EQUALISER_DB)[0] + slope) / 10)
    level = signal * 10 ** (-rng.uniform(*SNR_DB) / 10) / colour.mean()
    # Power of noise varies exponentially; windows that overlap share half of it.
    waver = rng.standard_exponential((len(power) + 1, N_MELS), np.float32)
    power += (waver[1:] + waver[:-1]) * (0.5 * level * colour).astype(np.float32)


def _mask(clip: NDArray[np.float32], rng: np.random.Generator) -> None:
    hidden = clip.mean()
    for _ in range(BANDS[0]):
        low, width = int(rng.integers(N_MELS)), int(rng.integers(0, BANDS[1] + 1))
        clip[:, low : low + width] = hidden
    for _ in range(TIMES[0]):
        start, length = int(rng.integers(len(clip))), int(rng.integers(0, TIMES[1] + 1))
        clip[start : start + length] = hidden
