# SPDX-License-Identifier: GPL-3.0-or-later
"""Log-mel features: what the bundled model hears, the same in training and in the engine."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE

FEATURE_RATE = 100  # mel frames a second
NETWORK_RATE = 50  # frames a second of the network: every second mel frame
N_MELS = 80
HOP = SAMPLE_RATE // FEATURE_RATE
WINDOW = 400
N_FFT = 512
MEL_MARGIN = WINDOW // 2  # samples a frame reaches to either side of its centre
LOW_HZ, HIGH_HZ = 20.0, 7600.0

FLOOR = 1e-6  # of full scale squared: 60 dB down, above the noise of quiet rooms and of 8 bits
# Over levelled speech log10(power + floor) has about this mean and deviation.
MEAN, DEVIATION = -4.4, 1.4
_BATCH = 512  # frames at a time: what they need stays in the cache


def network_frames(seconds: float) -> int:
    """Frames of the network, 50 a second, that cover `seconds`; the last is beyond the end."""
    # The tolerance only absorbs rounding: lengths are whole samples, 1/320 of a frame apart.
    return int(np.floor(seconds * NETWORK_RATE + 1e-4)) + 2


def mel_frames(n_samples: int) -> int:
    """Mel frames for a clip of `n_samples`: twice the network's frames."""
    return 2 * network_frames(n_samples / SAMPLE_RATE)


def log_mel(samples: NDArray[np.float32], gain: float = 1.0) -> NDArray[np.float32]:
    """(mel_frames(len(samples)), 80) float32 of a mono clip at 16 kHz, multiplied by `gain`.

    Frame j is centred at j / 100 s; outside the clip there is silence. See `log_mel_window`.
    """
    return log_mel_window(samples, 0, 0, mel_frames(len(samples)), gain)


def log_mel_window(
    samples: NDArray[np.float32], offset: int, first: int, count: int, gain: float = 1.0
) -> NDArray[np.float32]:
    """Mel frames first..first+count of a long clip, given the piece that starts at sample `offset`.

    Bit for bit what `log_mel` of the whole gives, as long as the piece reaches `MEL_MARGIN` samples
    beyond the centres (first * 160 and (first + count - 1) * 160) or the clip ends there: samples
    outside the piece count as silence. 512-point power spectrum of a 400-sample Hann window,
    80 triangular bands of height one on Slaney's mel scale from 20 to 7600 Hz, power relative to
    full scale, log10, then a fixed shift and scale.
    """
    begin = first * HOP - MEL_MARGIN - offset
    end = begin + (count - 1) * HOP + WINDOW
    piece = samples[max(begin, 0) : max(end, 0)].astype(np.float32, copy=False)
    piece = np.pad(piece, (max(-begin, 0), 0))[: end - begin]
    piece = np.pad(piece, (0, end - begin - len(piece))) * np.float32(gain)
    frames = np.lib.stride_tricks.sliding_window_view(piece, WINDOW)[::HOP]
    result = np.empty((count, N_MELS), np.float32)
    for start in range(0, count, _BATCH):
        result[start : start + _BATCH] = _frames_to_mel(frames[start : start + _BATCH])
    return result


def _frames_to_mel(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    window, rising, falling, edges = _tables()
    spectrum = np.fft.rfft(frames * window, N_FFT, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)[:, : len(rising)]
    # A triangle is the rising part of one segment between centres and the falling part of the
    # next. Sums run along each row alone, so that a frame never depends on its neighbours.
    up = np.add.reduceat(power * rising, edges, axis=1)
    down = np.add.reduceat(power * falling, edges, axis=1)
    mel = up[:, :-1] + down[:, 1:]
    return (np.log10(mel + np.float32(FLOOR)) - np.float32(MEAN)) * np.float32(1 / DEVIATION)


@cache
def _tables() -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """The window, each bin's rising and falling weight, and the first bin of each segment."""
    # Scaled so that white noise of mean square p has power p in every bin.
    window = np.hanning(WINDOW + 1)[:-1]
    window = (window / np.sqrt(np.sum(window**2))).astype(np.float32)
    centres = mel_to_hz(np.linspace(hz_to_mel(LOW_HZ), hz_to_mel(HIGH_HZ), N_MELS + 2))
    bins = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    edges = np.searchsorted(bins, centres)
    used = int(edges[-1])
    segment = np.searchsorted(centres, bins[:used], side="right") - 1
    inside = segment >= 0
    segment = np.clip(segment, 0, N_MELS)
    rising = (bins[:used] - centres[segment]) / (centres[segment + 1] - centres[segment])
    rising = np.where(inside, rising, 0.0)
    falling = np.where(inside, 1.0 - rising, 0.0)
    return window, rising.astype(np.float32), falling.astype(np.float32), edges[:-1].astype(int)


def hz_to_mel(hz: float | NDArray) -> NDArray:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""
    hz = np.asarray(hz, float)
    return np.where(
        hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1) / 1000) / np.log(6.4)
    )


def mel_to_hz(mel: float | NDArray) -> NDArray:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mel, float)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
