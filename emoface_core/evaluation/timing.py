# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the mouth moves when, and as much as, it should: MTM, SLCC, and lags of curves.

MTM and SLCC are from Chae-Yeon et al., "Perceptually Accurate 3D Talking Head Generation" (CVPR
2025, arXiv 2503.20308), and are computed as its code does, written anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emoface_core.evaluation.regions import FLAME_LIP_MIDDLES

MTM_SIGMA = 2.0  # frames, whatever the frame rate: the smoothing of the published code
# The full alignment costs T² in time and memory. Longer clips are cut into parts of this length.
MTM_LONGEST = 1500


@dataclass(frozen=True, slots=True)
class Mistiming:
    """MTM of one clip. `deltas` |i - j| in frames for each matched pair of extrema.

    `frames` is their mean, `milliseconds` the same in time; both NaN when nothing matched.
    `extrema` is how many the truth has, so that `match_rate` shows a mouth that stands still: the
    published average silently drops clips without a match, and a dead mouth has none.
    """

    deltas: tuple[int, ...]
    extrema: int
    fps: float

    @property
    def frames(self) -> float:
        """Mean of `deltas`."""
        return float(np.mean(self.deltas)) if self.deltas else float("nan")

    @property
    def milliseconds(self) -> float:
        """Mean of `deltas` in ms."""
        return 1000 * self.frames / self.fps

    @property
    def match_rate(self) -> float:
        """Matched pairs per extremum of the truth; about 1 when all is well."""
        return len(self.deltas) / self.extrema if self.extrema else float("nan")


def mean_temporal_misalignment(
    pred: NDArray[np.floating], truth: NDArray[np.floating], fps: float
) -> Mistiming:
    """MTM of two curves of lip distance, (T,) each at `fps`.

    The published recipe: d(t) = |x(t, upper) - x(t, lower)| of the middle vertices of the lips
    (FLAME 3531 and 3504); a Gaussian of sigma 2 *frames*; dynamic time warping of the first
    differences (the first is 0), cost |.|, the whole matrix; then every pair (i, j) of the path
    counts where i and j are extrema of the same kind of the smoothed *distance* (its peaks and
    valleys without any threshold; the paper's words say: of the derivative) and j lies between the
    truth's neighbouring extrema. MTM is the mean of |i - j|.

    The published code also takes every second frame of the truth (VOCASET at 60 fps against
    predictions at 30). Here both are at one rate. It shows neither lead nor lag, only distance; see
    `best_lag` for the sign.
    """
    deltas: list[int] = []
    extrema = 0
    frames = min(len(pred), len(truth))
    parts = max(1, -(-frames // MTM_LONGEST))
    bounds = np.linspace(0, frames, parts + 1).astype(int)
    for start, stop in pairwise(bounds):
        found, there = _mistimed(pred[start:stop], truth[start:stop])
        deltas += found
        extrema += there
    return Mistiming(tuple(deltas), extrema, fps)


def _mistimed(pred: NDArray, truth: NDArray) -> tuple[list[int], int]:
    pred_smooth, truth_smooth = smooth(pred, MTM_SIGMA), smooth(truth, MTM_SIGMA)
    kinds_truth, kinds_pred = extrema_of(truth_smooth), extrema_of(pred_smooth)
    order = sorted(kinds_truth)
    place = {frame: k for k, frame in enumerate(order)}
    deltas = []
    for i, j in warp(_differences(truth_smooth), _differences(pred_smooth)):
        if i in kinds_truth and kinds_pred.get(j) == kinds_truth[i]:
            k = place[i]
            before = order[k - 1] if k else 0
            after = order[k + 1] if k + 1 < len(order) else len(truth) - 1
            if before <= j <= after:
                deltas.append(abs(i - j))
    return deltas, len(order)


def _differences(curve: NDArray) -> NDArray:
    return np.diff(curve, prepend=curve[:1])


def smooth(curve: NDArray[np.floating], sigma: float) -> NDArray[np.float64]:
    """A Gaussian over frames, cut at 4 sigma, the ends mirrored (edge frame twice)."""
    reach = int(4 * sigma + 0.5)
    at = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (at / sigma) ** 2)
    padded = np.pad(np.asarray(curve, np.float64), reach, mode="symmetric")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def extrema_of(curve: NDArray[np.floating]) -> dict[int, int]:
    """Frame -> +1 (peak) or -1 (valley). A flat top counts once, at its middle; ends never."""
    found: dict[int, int] = {}
    steps = np.sign(np.diff(curve)).astype(int)
    last, since = 0, 0
    for frame, step in enumerate(steps):
        if step == 0:
            continue
        if last and step != last:
            found[(since + 1 + frame) // 2] = last
        last, since = step, frame
    return found


def warp(a: NDArray[np.floating], b: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Dynamic time warping: the cheapest monotonous path of (i, j), by |a[i] - b[j]|.

    Where several are as cheap, a diagonal step is preferred, then one along a.
    """
    n, m = len(a), len(b)
    cost = np.abs(np.asarray(a, np.float64)[:, None] - np.asarray(b, np.float64)[None, :])
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, n + m + 1):  # every cell of an antidiagonal at once
        row = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        col = diagonal - row
        best = np.minimum(total[row - 1, col], total[row, col - 1])
        total[row, col] = cost[row - 1, col - 1] + np.minimum(best, total[row - 1, col - 1])
    path = []
    i, j = n, m
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        step = int(np.argmin((total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])))
        i -= step != 2
        j -= step != 1
    return path[::-1]


# --- SLCC: do louder words open the mouth more? ---------------------------------------------------


def speech_intensity(samples: NDArray) -> float:
    """Root mean square of a clip's samples, (n,) or (n, channels) averaged first.

    The published script squares int16 samples of mono files as they come, which overflows
    (300 squared comes out as 24464); here they become floats first.
    """
    values = np.asarray(samples, np.float64)
    if values.ndim == 2:
        values = values.mean(axis=1)
    return float(np.sqrt(np.mean(values**2)))


def lip_intensity(lips: NDArray[np.floating]) -> float:
    """Root mean square over t of mean over v of |x(t+1, v) - x(t, v)|; `lips` (T, R, 3) metres.

    Metres a *frame*: there is no division by the frame's length in the published code, so values
    compare at one frame rate only.
    """
    steps = np.linalg.norm(np.diff(np.asarray(lips, np.float64), axis=0), axis=2).mean(axis=1)
    return float(np.sqrt(np.mean(steps**2))) if len(steps) else 0.0


def speech_lip_correlation(
    speech: Sequence[float], lips: Sequence[float], speakers: Sequence[str]
) -> float:
    """SLCC: Pearson's r over clips of speech intensity and lip intensity, each as z-scores within
    its speaker (deviation with n - 1). NaN with fewer than two clips that can be scored.

    Report it beside the truth's own r: nearer to that is better, not higher.
    A speaker with one clip, or whose clips do not vary, has no z-score and is left out.
    """
    loud, moved = [], []
    for speaker in sorted(set(speakers)):
        mine = [k for k, name in enumerate(speakers) if name == speaker]
        pair = np.array([[speech[k] for k in mine], [lips[k] for k in mine]], np.float64)
        if len(mine) < 2 or not np.all(pair.std(axis=1) > 0):
            continue
        scores = (pair - pair.mean(axis=1, keepdims=True)) / pair.std(axis=1, ddof=1, keepdims=True)
        loud.append(scores[0])
        moved.append(scores[1])
    if not loud:
        return float("nan")
    return correlation(np.concatenate(loud), np.concatenate(moved))


# --- Correlation and lag --------------------------------------------------------------------------


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson's r; NaN if one of the curves is constant."""
    x = np.asarray(a, np.float64) - np.mean(a)
    y = np.asarray(b, np.float64) - np.mean(b)
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size > 1e-15 else float("nan")


@dataclass(frozen=True, slots=True)
class Lagged:
    """A correlation `r` at `lag` frames: positive when the first curve trails the second."""

    lag: int
    r: float


def best_lag(a: NDArray[np.floating], b: NDArray[np.floating], most: int) -> Lagged:
    """The highest correlation of a[t + lag] with b[t] over lags from -most to +most frames.

    Ties go to the smallest lag. NaN (at lag 0) if a curve is constant or too short.
    """
    best = Lagged(0, float("nan"))
    for lag in sorted(range(-most, most + 1), key=abs):
        r = _at_lag(a, b, lag)
        if not np.isnan(r) and (np.isnan(best.r) or r > best.r + 1e-12):
            best = Lagged(lag, r)
    return best


def _at_lag(a: NDArray[np.floating], b: NDArray[np.floating], lag: int) -> float:
    start, stop = max(0, -lag), min(len(a), len(b)) - max(0, lag)
    return (
        correlation(a[start + lag : stop + lag], b[start:stop])
        if stop - start >= 3
        else float("nan")
    )


def peak_lag(a: NDArray[np.floating], b: NDArray[np.floating], most: int) -> float:
    """By how many frames `a` trails `b`, between frames too: the top of a parabola through the best
    whole lag and its neighbours (all within ±`most`). NaN as in `best_lag`.
    """
    best = best_lag(a, b, most)
    if np.isnan(best.r):
        return float("nan")
    around = [_at_lag(a, b, best.lag + step) for step in (-1, 0, 1)]
    bend = around[0] - 2 * around[1] + around[2]
    if abs(best.lag) == most or np.isnan(bend) or bend >= 0:
        return float(best.lag)
    return best.lag + 0.5 * (around[0] - around[2]) / bend


def lip_distance(vertices: NDArray[np.floating]) -> NDArray[np.float64]:
    """(T,) metres between the middles of FLAME's lips, as MTM has it; `vertices` (T, 5023, 3)."""
    upper, lower = FLAME_LIP_MIDDLES
    return np.linalg.norm(vertices[:, upper].astype(np.float64) - vertices[:, lower], axis=1)
