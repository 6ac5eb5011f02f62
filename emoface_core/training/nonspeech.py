# SPDX-License-Identifier: GPL-3.0-or-later
"""Sounds that are no speech, made here: silence, rooms, breath, hum, knocks, music-like tones.

A face listens to all of them with its lips at rest.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE


def coloured_noise(
    count: int, slope: float, rng: np.random.Generator, rate: int = SAMPLE_RATE
) -> NDArray[np.float32]:
    """Noise of mean square one whose power falls as frequency to the `slope` (0 white, 1 pink)."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.maximum(np.fft.rfftfreq(count, 1 / rate), 30.0)
    noise = np.fft.irfft(spectrum * hz ** (-slope / 2), count)
    return (noise / max(float(noise.std()), 1e-12)).astype(np.float32)


def band_noise(
    count: int, low_hz: float, high_hz: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Noise of mean square one between two frequencies, with soft edges."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    shape = 1 / (1 + (low_hz / np.maximum(hz, 1.0)) ** 4) / (1 + (hz / high_hz) ** 4)
    noise = np.fft.irfft(spectrum * shape, count)
    return (noise / max(float(noise.std()), 1e-12)).astype(np.float32)


def _decibels(value: float) -> np.float32:
    return np.float32(10 ** (value / 20))


def _silence(count: int, _rng: np.random.Generator) -> NDArray[np.float32]:
    return np.zeros(count, np.float32)


def _room(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    return coloured_noise(count, rng.uniform(0, 2), rng) * _decibels(rng.uniform(-78, -35))


def _hum(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    t = np.arange(count) / SAMPLE_RATE
    base = float(rng.choice([50.0, 60.0, 100.0, 120.0, 400.0]))
    waves = [
        rng.uniform(0.1, 1) / k * np.sin(2 * np.pi * (base * k * t + rng.random()))
        for k in range(1, 9)
    ]
    hum = np.sum(waves, axis=0).astype(np.float32)
    return hum * _decibels(rng.uniform(-60, -28)) + _room(count, rng) * np.float32(0.5)


def _breath(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    sound = _room(count, rng) * np.float32(0.2)
    at = int(rng.uniform(0.1, 0.8) * SAMPLE_RATE)
    while at < count:
        length = int(rng.uniform(0.25, 1.1) * SAMPLE_RATE)
        low = rng.uniform(200, 900)
        puff = band_noise(length, low, low * rng.uniform(3, 9), rng)
        phase = np.linspace(0, 1, length)
        envelope = np.sin(np.pi * phase ** rng.uniform(0.6, 1.6)) ** 1.5
        puff = puff * envelope.astype(np.float32) * _decibels(rng.uniform(-55, -30))
        part = sound[at : at + length]
        part += puff[: len(part)]
        at += length + int(rng.uniform(0.4, 2.0) * SAMPLE_RATE)
    return sound


def _knocks(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    sound = _room(count, rng) * np.float32(0.3)
    for _ in range(int(rng.integers(1, 8))):
        length = int(rng.uniform(0.02, 0.3) * SAMPLE_RATE)
        t = np.arange(length) / SAMPLE_RATE
        low = rng.uniform(60, 1500)
        knock = band_noise(length, low, low * rng.uniform(2, 12), rng)
        knock = knock * np.exp(-t / rng.uniform(0.005, 0.06)).astype(np.float32)
        at = int(rng.integers(0, max(1, count - length)))
        part = sound[at : at + length]
        part += (knock * _decibels(rng.uniform(-40, -12)))[: len(part)]
    return sound


def _music(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    sound = np.zeros(count, np.float32)
    scale = 110.0 * 2 ** (rng.integers(0, 12) / 12) * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11]) / 12)
    beat = int(rng.uniform(0.18, 0.6) * SAMPLE_RATE)
    bright = rng.uniform(0.8, 2.5)
    for at in range(0, count, beat):
        for _ in range(int(rng.integers(1, 4))):
            length = min(count - at, int(beat * rng.uniform(0.8, 3)))
            t = np.arange(length) / SAMPLE_RATE
            pitch = float(rng.choice(scale)) * 2.0 ** rng.integers(0, 3)
            tone = sum(
                np.sin(2 * np.pi * pitch * k * t) / k**bright
                for k in range(1, 1 + int(min(10, 7600 // pitch)))
            )
            attack = 1 - np.exp(-t / rng.uniform(0.002, 0.05))
            sound[at : at + length] += (tone * attack * np.exp(-t / rng.uniform(0.1, 1))).astype(
                np.float32
            )
        if rng.random() < 0.5:  # a drum
            length = min(count - at, beat)
            hit = band_noise(length, 200, 5000, rng) if length > 8 else np.zeros(length)
            sound[at : at + length] += hit * np.exp(-np.arange(length) / 700).astype(np.float32)
    return sound / max(float(sound.std()), 1e-9) * _decibels(rng.uniform(-45, -18))


KINDS: dict[str, Callable[[int, np.random.Generator], NDArray[np.float32]]] = {
    "silence": _silence,
    "room": _room,
    "hum": _hum,
    "breath": _breath,
    "knocks": _knocks,
    "music": _music,
}
_SHARES = (0.08, 0.27, 0.1, 0.25, 0.12, 0.18)


def make(rng: np.random.Generator) -> tuple[str, NDArray[np.float32]]:
    """A kind and 2 to 8 seconds of it, mono at 16 kHz."""
    kind = str(rng.choice(list(KINDS), p=_SHARES))
    count = int(rng.uniform(2, 8) * SAMPLE_RATE)
    return kind, np.clip(KINDS[kind](count, rng), -1, 1).astype(np.float32)
