# SPDX-License-Identifier: GPL-3.0-or-later
"""How loud the speech of a clip is, and the gain that brings it to the level the model knows."""

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE

TARGET_DB = -23.0
MAX_GAIN_DB = 30.0
_BLOCK = SAMPLE_RATE * 30 // 1000
_LOWEST_DB, _HIGHEST_DB, _STEP_DB = -120.0, 220.0, 0.25
_SILENCE_DB = -70.0  # absolute gate
_BELOW_MEAN_DB = 12.0  # relative gate, after ITU-R BS.1770-4, with speech's longer pauses in mind
# Steady noise varies by some 2 dB between blocks, speech by 15 and more.
_STEADY_DB, _GAIN_PER_SPREAD = 5.0, 3.0


class LevelMeter:
    """Measures a sound of any length, given in pieces, in constant memory.

    The level is the mean energy of 30 ms blocks that pass an absolute and a relative gate.
    """

    def __init__(self) -> None:
        bins = round((_HIGHEST_DB - _LOWEST_DB) / _STEP_DB)
        self._counts = np.zeros(bins, np.int64)
        self._energy = np.zeros(bins)
        self._rest = np.zeros(0, np.float32)
        self.samples = 0

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples (mono, 16 kHz)."""
        self.samples += len(samples)
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // _BLOCK * _BLOCK
        self._rest = joined[whole:]
        self._take(joined[:whole].reshape(-1, _BLOCK))

    def _take(self, blocks: NDArray[np.float32]) -> None:
        energy = np.mean(blocks.astype(np.float64) ** 2, axis=1)
        level = 10 * np.log10(np.maximum(energy, 1e-12))
        index = np.clip((level - _LOWEST_DB) / _STEP_DB, 0, len(self._counts) - 1).astype(int)
        np.add.at(self._counts, index, 1)
        np.add.at(self._energy, index, energy)

    def gain(self) -> float:
        """The factor for what was added: brings active speech to -23 dB below full scale.

        Silence and steady noise are not raised: the gain is 1 if nothing passes -70 dB, at most
        +30 dB, and no more than the spread between active and quiet blocks speaks for.
        """
        counts, energy = self._counts.copy(), self._energy.copy()
        if self.samples < _BLOCK and len(self._rest):  # shorter than a block: it is the block
            meter = LevelMeter()
            meter._take(self._rest[None, :])
            counts, energy = meter._counts, meter._energy
        levels = _LOWEST_DB + _STEP_DB * np.arange(len(counts))
        heard = levels >= _SILENCE_DB
        if not counts[heard].any():
            return 1.0
        mean_db = 10 * np.log10(energy[heard].sum() / counts[heard].sum())
        active = heard & (levels >= mean_db - _BELOW_MEAN_DB - _STEP_DB)
        active_db = 10 * np.log10(energy[active].sum() / counts[active].sum())
        gain_db = min(TARGET_DB - active_db, MAX_GAIN_DB)
        if gain_db > 0:
            share = np.cumsum(counts * heard) / counts[heard].sum()
            quiet_db = levels[np.searchsorted(share, 0.1)]
            spread = active_db - quiet_db
            gain_db = min(gain_db, max(0.0, (spread - _STEADY_DB) * _GAIN_PER_SPREAD))
        return float(10 ** (gain_db / 20))


def level_gain(samples: NDArray[np.float32]) -> float:
    """The gain of a whole clip; see `LevelMeter.gain`."""
    meter = LevelMeter()
    meter.add(samples)
    return meter.gain()
