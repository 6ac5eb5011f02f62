# SPDX-License-Identifier: GPL-3.0-or-later
"""Resampling between any two whole rates, the same to the last bit however the sound is cut up."""

from collections.abc import Iterable, Iterator
from math import gcd

import numpy as np
from numpy.typing import NDArray

# Kernel: a sinc of 32 zero crossings a side under a Kaiser window, its cut-off a little below the
# lower of the two Nyquist frequencies: to 16 kHz it is flat to 0.01 dB up to 7 kHz, 0.2 dB down at
# 7.2 kHz, and 75 dB and more down beyond 8.3 kHz.
_ZERO_CROSSINGS = 32
_CUTOFF = 0.955
_KAISER_BETA = 8.5
_CHUNK = 8192  # about how many output samples are made at a time
_MAX_TABLE_PHASES = 1024
_INTERPOLATED_PHASES = 512


def _kernel(distance: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The low-pass kernel at `distance` input samples; `scale` = min(1, rate_out / rate_in)."""
    reach = distance * scale / _ZERO_CROSSINGS
    inside = np.sqrt(np.clip(1.0 - reach * reach, 0.0, None))
    window = np.where(np.abs(reach) < 1.0, np.i0(_KAISER_BETA * inside) / np.i0(_KAISER_BETA), 0.0)
    return scale * _CUTOFF * np.sinc(distance * scale * _CUTOFF) * window


class _Table:
    """Weights by phase: rows of `taps` weights, each row summing to one (no ripple on a constant).

    Up to 1024 phases are exact. Rates without a handy ratio take 512 phases, linearly interpolated
    (error below -90 dB); their positions are still exact, so that nothing drifts.
    `chunk` output samples are made at a time, always: a sum never depends on how sound is cut.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        divisor = gcd(rate_in, rate_out)
        self.up, self.down = rate_out // divisor, rate_in // divisor
        scale = min(1.0, rate_out / rate_in)
        self.half = int(np.ceil(_ZERO_CROSSINGS / scale)) + 1
        self.exact = self.up <= _MAX_TABLE_PHASES
        phases = self.up if self.exact else _INTERPOLATED_PHASES
        fractions = np.arange(phases + (not self.exact)) / phases
        offsets = np.arange(1 - self.half, self.half + 1)
        rows = _kernel(offsets[None, :] - fractions[:, None], scale)
        self.rows = (rows / rows.sum(1, keepdims=True)).astype(np.float32)
        self.chunk = _CHUNK
        if self.exact:
            # Whole periods side by side as one banded matrix: a product with it is several times
            # faster than gathering each output's own window.
            periods = -(-64 // self.up)
            self.group, self.step = periods * self.up, periods * self.down
            self.chunk = -(-_CHUNK // self.group) * self.group
            taps = 2 * self.half
            self.band = np.zeros((self.step + taps, self.group), np.float32)
            for output in range(self.group):
                first = output * self.down // self.up
                row = self.rows[output * self.down % self.up]
                self.band[first : first + taps, output] = row

    def convolve(self, held: NDArray[np.float32], start: int, first: int) -> NDArray[np.float32]:
        """Outputs first..first+chunk from `held`, whose first is input sample number `start`."""
        if self.exact:
            begin = first * self.down // self.up + 1 - self.half - start
            windows = np.lib.stride_tricks.sliding_window_view(held[begin:], len(self.band))
            windows = windows[:: self.step][: self.chunk // self.group]
            return (np.ascontiguousarray(windows) @ self.band).ravel()
        positions = np.arange(first, first + self.chunk, dtype=np.int64) * self.down
        whole, remainder = positions // self.up, positions % self.up
        windows = np.lib.stride_tricks.sliding_window_view(held, 2 * self.half)
        return np.einsum(
            "nt,nt->n", windows[whole + 1 - self.half - start], self._interpolated(remainder)
        )

    def _interpolated(self, remainder: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, taps) for positions of `remainder / up` between two input samples."""
        position = remainder * (_INTERPOLATED_PHASES / self.up)
        low = position.astype(np.int64)
        part = (position - low).astype(np.float32)[:, None]
        return self.rows[low] * (1 - part) + self.rows[low + 1] * part


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], rate_in: int, rate_out: int
) -> Iterator[NDArray[np.float32]]:
    """Resample a stream of mono blocks; output sample n is the sound at n / rate_out.

    The output has ceil(n_in * rate_out / rate_in) samples and depends on the sound alone, not on
    how it was cut: work is done in chunks that start at fixed places. Outside there is silence.
    Memory is bounded by the largest block.
    """
    if rate_in == rate_out:
        yield from blocks
        return
    table = _Table(rate_in, rate_out)
    # `held` starts at input sample `start`; before sample 0 and after the last lies silence.
    start, received, made = -table.half, 0, 0
    held: NDArray[np.float32] = np.zeros(table.half, np.float32)
    reach = table.chunk * table.down // table.up + 2 * table.half + 2  # inputs a chunk may touch

    def make() -> NDArray[np.float32]:
        nonlocal held, start, made
        chunk = table.convolve(held, start, made)
        made += table.chunk
        drop = made * table.down // table.up + 1 - table.half - start
        held, start = held[drop:], start + drop
        return chunk

    for block in blocks:
        received += len(block)
        held = np.concatenate([held, block.astype(np.float32, copy=False)])
        while len(held) >= reach:
            yield make()
    total = -(-received * table.up // table.down)
    while made < total:
        held = np.pad(held, (0, max(0, reach - len(held))))
        left = total - made
        yield make()[:left]


def resample(samples: NDArray[np.float32], rate_in: int, rate_out: int) -> NDArray[np.float32]:
    """A whole mono clip from `rate_in` to `rate_out`, as `resample_blocks` would."""
    if rate_in == rate_out:
        return samples.astype(np.float32, copy=False)
    chunks = list(resample_blocks([samples], rate_in, rate_out))
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
