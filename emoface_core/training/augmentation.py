# SPDX-License-Identifier: GPL-3.0-or-later
"""The same words by another voice, in another room, through another microphone.

Everything keeps the phones' times or says how they change. All is NumPy, takes its chance from the
generator it is given, and is quick enough to run beside training on one core.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import log

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.training.nonspeech import band_noise, coloured_noise
from emoface_core.training.phones import PhoneSpan

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AugmentOptions:
    """How often each change happens, and how far it goes."""

    resample: float = 0.6  # pitch, formants and tempo together: another head
    head_size: tuple[float, float] = (0.82, 1.22)
    stretch: float = 0.35  # tempo alone
    tempo: tuple[float, float] = (0.8, 1.3)
    pad: float = 0.3
    pad_seconds: tuple[float, float] = (0.1, 0.8)
    room: float = 0.3
    equaliser: float = 0.4
    telephone: float = 0.1
    noise: float = 0.6
    noise_snr_db: tuple[float, float] = (5.0, 45.0)
    babble: float = 0.08
    babble_snr_db: tuple[float, float] = (8.0, 25.0)
    mu_law: float = 0.08
    clip: float = 0.1
    level_db: tuple[float, float] = (-24.0, 6.0)


def augment(
    samples: Samples,
    spans: Sequence[PhoneSpan],
    rng: np.random.Generator,
    options: AugmentOptions | None = None,
) -> tuple[Samples, tuple[PhoneSpan, ...]]:
    """A variant of a clip (mono, 16 kHz) and its spans. Same generator state, same variant."""
    options = options or AugmentOptions()
    spans = tuple(spans)

    def happens(chance: float) -> bool:
        return bool(rng.random() < chance)

    if happens(options.resample):
        samples, spans = change_speed(samples, spans, _log_uniform(rng, options.head_size))
    if happens(options.stretch):
        samples, spans = stretch_time(samples, spans, _log_uniform(rng, options.tempo))
    if happens(options.pad):
        before, after = rng.uniform(*options.pad_seconds, size=2) * (rng.random(2) < 0.7)
        samples, spans = pad(samples, spans, before, after)
    samples = _through_air(
        samples,
        rng,
        room=happens(options.room),
        equaliser=happens(options.equaliser),
        telephone=happens(options.telephone),
    )
    if happens(options.babble):
        snr = float(rng.uniform(*options.babble_snr_db))
        samples = add_at_snr(samples, babble(samples, rng), snr)
    if happens(options.noise):
        snr = float(rng.uniform(*options.noise_snr_db))
        samples = add_at_snr(samples, _some_noise(len(samples), rng), snr)
    if happens(options.mu_law):
        samples = mu_law(samples)
    if happens(options.clip):
        samples = clip(samples, float(rng.uniform(0.15, 0.8)))
    gain = np.float32(10 ** (rng.uniform(*options.level_db) / 20))
    return np.clip(samples * gain, -1, 1).astype(np.float32, copy=False), spans


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(log(bounds[0]), log(bounds[1]))))


def scale_spans(spans: Sequence[PhoneSpan], factor: float) -> tuple[PhoneSpan, ...]:
    """Spans with all times multiplied."""
    return tuple(
        replace(
            span,
            start=span.start * factor,
            end=span.end * factor,
            release=None if span.release is None else span.release * factor,
        )
        for span in spans
    )


def shift_spans(spans: Sequence[PhoneSpan], seconds: float) -> tuple[PhoneSpan, ...]:
    """Spans that much later."""
    return tuple(
        replace(
            span,
            start=span.start + seconds,
            end=span.end + seconds,
            release=None if span.release is None else span.release + seconds,
        )
        for span in spans
    )


def change_speed(
    samples: Samples, spans: Sequence[PhoneSpan], factor: float
) -> tuple[Samples, tuple[PhoneSpan, ...]]:
    """Play `factor` times as fast: pitch and formants rise with it. Four-point interpolation."""
    count = max(1, round(len(samples) / factor))
    position = np.arange(count, dtype=np.float64) * factor
    index = position.astype(np.int64)
    t = (position - index).astype(np.float32)
    padded = np.pad(samples, (1, 4))
    index = np.minimum(index, len(samples))
    before, here, after, later = (padded[index + k] for k in range(4))
    # Catmull-Rom: passes through the samples, smooth between them.
    slope_here, slope_after = (after - before) * 0.5, (later - here) * 0.5
    square = t * t
    cube = square * t
    result = (
        (2 * cube - 3 * square + 1) * here
        + (cube - 2 * square + t) * slope_here
        + (3 * square - 2 * cube) * after
        + (cube - square) * slope_after
    )
    return result.astype(np.float32), scale_spans(spans, 1 / factor)


_WINDOW = 512
_HOP = _WINDOW // 2
_SEARCH = 160  # samples to either side: a period down to 100 Hz is found within them


def stretch_time(
    samples: Samples, spans: Sequence[PhoneSpan], factor: float
) -> tuple[Samples, tuple[PhoneSpan, ...]]:
    """`factor` times as long at the same pitch, by overlapping pieces that match (WSOLA).

    Verhelst & Roelands 1993. Times are right to within the search of 10 ms.
    """
    if len(samples) < 4 * _WINDOW:
        return samples, tuple(spans)
    count = max(1, round(len(samples) * factor))
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)
    margin = _WINDOW + _SEARCH
    padded = np.pad(samples, (margin, 2 * margin + _WINDOW))
    pieces = count // _HOP + 2
    output = np.zeros((pieces + 1) * _HOP, np.float32)
    wanted = padded[margin - _HOP : margin - _HOP + _WINDOW]
    for piece in range(pieces):
        at = margin - _HOP + min(round(piece * _HOP / factor), len(samples) + _HOP)
        if piece:
            # Every second sample is plenty to find where two waves agree.
            around = padded[at - _SEARCH : at + _SEARCH + _WINDOW : 2]
            at += 2 * int(np.argmax(np.correlate(around, wanted[::2], "valid"))) - _SEARCH
        output[piece * _HOP : piece * _HOP + _WINDOW] += window * padded[at : at + _WINDOW]
        wanted = padded[at + _HOP : at + _HOP + _WINDOW]
    return output[_HOP : _HOP + count], scale_spans(spans, count / len(samples))


def pad(
    samples: Samples, spans: Sequence[PhoneSpan], before: float, after: float
) -> tuple[Samples, tuple[PhoneSpan, ...]]:
    """Digital silence before and after (seconds), as spans of silence."""
    first, last = round(before * SAMPLE_RATE), round(after * SAMPLE_RATE)
    seconds = len(samples) / SAMPLE_RATE
    moved = shift_spans(spans, first / SAMPLE_RATE)
    if first:
        moved = (PhoneSpan("sil", 0.0, first / SAMPLE_RATE), *moved)
    if last:
        end = first / SAMPLE_RATE + seconds
        moved = (*moved, PhoneSpan("sil", end, end + last / SAMPLE_RATE))
    return np.pad(samples, (first, last)), moved


def _through_air(
    samples: Samples,
    rng: np.random.Generator,
    *,
    room: bool,
    equaliser: bool,
    telephone: bool,
) -> Samples:
    """Room, microphone and line in one product of spectra."""
    if not (room or equaliser or telephone):
        return samples
    response = room_response(rng) if room else np.zeros(1, np.float32)
    size = _fast_length(len(samples) + len(response))
    spectrum = np.fft.rfft(samples, size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    if room:
        spectrum *= np.fft.rfft(response, size)
    if equaliser:
        # A smooth curve through random gains at six places, and a tilt.
        places = np.array([60.0, 200.0, 600.0, 1800.0, 4000.0, 8000.0])
        gains_db = rng.normal(0, 4, len(places)) + rng.uniform(-2.5, 2.5) * np.log2(places / 700)
        grid = np.geomspace(30, 8000, 64)
        shape = 10 ** (np.interp(np.log(grid), np.log(places), gains_db) / 20)
        spectrum *= np.interp(hz, grid, shape)
    if telephone:
        low, high = rng.uniform(150, 350), rng.uniform(3000, 3800)
        with np.errstate(divide="ignore"):
            spectrum *= 1 / np.sqrt(1 + (low / hz) ** 6) / np.sqrt(1 + (hz / high) ** 16)
    result = np.fft.irfft(spectrum, size)[: len(samples)]
    return result.astype(np.float32)


def _fast_length(count: int) -> int:
    """The next length that the FFT likes: 2^a times 1, 3, 5 or 9 (over 8)."""
    power = 1 << max(4, (count - 1).bit_length())
    return min(n for n in (power * 9 // 16, power * 5 // 8, power * 3 // 4, power) if n >= count)


def room_response(rng: np.random.Generator) -> Samples:
    """An impulse response: the direct sound at once, a few echoes, a tail that decays.

    Reverberation times of 0.1 to 0.7 s; the direct sound stays the strongest, so that what is
    heard is still when it is said.
    """
    reverberation = _log_uniform(rng, (0.1, 0.7))
    count = int(reverberation * SAMPLE_RATE * 0.8)
    t = np.arange(count) / SAMPLE_RATE
    tail = rng.standard_normal(count) * 10 ** (-3 * t / reverberation)
    tail[: int(rng.uniform(0.002, 0.015) * SAMPLE_RATE)] = 0.0
    # Ratio of direct to reverberant energy between -2 and 15 dB.
    tail *= 10 ** (-rng.uniform(-2, 15) / 20) / max(float(np.sqrt(np.sum(tail**2))), 1e-9)
    for _ in range(int(rng.integers(0, 5))):
        tail[int(rng.integers(16, max(17, min(count, 640))))] += rng.uniform(-0.35, 0.35)
    tail[0] = 1.0
    return tail.astype(np.float32)


def add_at_snr(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise so that the clip's active parts stand `snr_db` above it."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    power = np.mean(frames * frames, axis=1) if len(frames) else np.zeros(1)
    signal = float(np.mean(power[power >= 0.05 * power.max()])) if power.max() > 0 else 1e-6
    noise_power = float(np.mean(noise * noise))
    if noise_power <= 0:
        return samples
    return samples + noise * np.float32(np.sqrt(signal / noise_power * 10 ** (-snr_db / 10)))


def babble(samples: Samples, rng: np.random.Generator) -> Samples:
    """A murmur of several voices, made of the clip itself: turned round, moved, and sped up."""
    result = np.zeros_like(samples)
    for _ in range(int(rng.integers(3, 7))):
        step = rng.uniform(0.8, 1.25)
        index = (np.arange(len(samples)) * step + rng.integers(len(samples))).astype(np.int64)
        result += samples[::-1][index % len(samples)] * np.float32(rng.uniform(0.4, 1))
    return result


@cache
def _noise_bank() -> tuple[Samples, ...]:
    """Twenty seconds each of some noises, the same in every run."""
    rng = np.random.default_rng(20)
    count = 20 * SAMPLE_RATE
    noises = [coloured_noise(count, slope, rng) for slope in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)]
    noises += [band_noise(count, low, high, rng) for low, high in ((100, 500), (500, 2500))]
    t = np.arange(count) / SAMPLE_RATE
    for base in (50.0, 60.0):
        hum = sum(np.sin(2 * np.pi * base * k * t + k) / k for k in range(1, 12))
        noises.append((0.7 * hum + 0.2 * noises[2]).astype(np.float32))
    # Noise that comes and goes at the pace of syllables, and at that of traffic.
    for pace in (4.0, 0.3):
        swell = np.exp(0.8 * coloured_noise(int(20 * pace * 2) + 2, 1.0, rng, rate=8))
        envelope = np.interp(t, np.linspace(0, 20, len(swell)), swell)
        noises.append((noises[3] * envelope).astype(np.float32))
    return tuple(noises)


def _some_noise(count: int, rng: np.random.Generator) -> Samples:
    bank = _noise_bank()
    noise = bank[int(rng.integers(len(bank)))]
    start = int(rng.integers(len(noise)))
    return np.resize(np.roll(noise, -start) if start + count > len(noise) else noise[start:], count)


def mu_law(samples: Samples) -> Samples:
    """Eight-bit mu-law (ITU-T G.711's curve), as telephones and old files have it."""
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    if peak == 0:
        return samples
    scaled = samples / np.float32(peak)
    coded = np.round(np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log(256) * 127) / 127
    decoded = np.sign(coded) * (np.exp(np.abs(coded) * np.float32(np.log(256))) - 1) / 255
    return (decoded * peak).astype(np.float32)


def clip(samples: Samples, share: float) -> Samples:
    """Cut off what exceeds `share` of the peak, as an overdriven microphone does."""
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    return np.clip(samples, -share * peak, share * peak)
