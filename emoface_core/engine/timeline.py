# SPDX-License-Identifier: GPL-3.0-or-later
"""From the network's 50 frames a second to the scene's: frame t is the sound at t / fps."""

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.mel import NETWORK_RATE
from emoface_core.easing import smoothstep

Floats = NDArray[np.float32]

# A closure that both neighbouring frames miss by less than the first is left alone; from the second
# on, the nearer frame goes all the way to it. In between the pull grows smoothly, so that a tiny
# difference in the sound never makes a visible one in the motion. Metres.
_UNSEEN, _MISSED = 0.15e-3, 0.45e-3
_SHUT, _OPEN = 1.0e-3, 1.5e-3  # minima of the lip gap that count fully, and not at all, as closures
_FINE = 8  # evaluations of the gap between two network frames


def frame_count(seconds: float, fps: float) -> int:
    """Frames of a clip: round(seconds * fps), and at least one."""
    return max(1, round(seconds * fps))


def cubic(rows: Floats, positions: NDArray[np.float64]) -> Floats:
    """Evaluate curves (n, C), given at 0, 1, 2 …, at `positions`: (len(positions), C).

    Catmull and Rom's spline: through the given values, smooth in value and speed, and local: it
    needs one row before and two after a position. Beyond the ends the curve goes on straight.
    """
    before = 2 * rows[:1] - rows[1:2] if len(rows) > 1 else rows[:1]
    after = 2 * rows[-1:] - rows[-2:-1] if len(rows) > 1 else rows[-1:]
    padded = np.concatenate([before, rows, after, after])
    index = np.clip(np.floor(positions), 0, len(rows) - 1).astype(int)
    x = (positions - index)[:, None]
    weights = (
        ((-0.5 * x + 1.0) * x - 0.5) * x,
        (1.5 * x - 2.5) * x * x + 1.0,
        ((-1.5 * x + 2.0) * x + 0.5) * x,
        (0.5 * x - 0.5) * x * x,
    )
    result = weights[0].astype(np.float32) * padded[index]
    for step in (1, 2, 3):
        result += weights[step].astype(np.float32) * padded[index + step]
    return result


def rows_for(times: NDArray[np.float64], rows: int) -> tuple[int, int]:
    """First and last (exclusive) network frame that `cubic` needs at `times` seconds."""
    first = int(np.floor(times.min() * NETWORK_RATE)) - 1
    last = int(np.floor(times.max() * NETWORK_RATE)) + 3
    return max(0, min(first, rows - 2)), min(rows, last)


def frame_times(frames: int, fps: float) -> NDArray[np.float64]:
    """(frames,) seconds."""
    return np.arange(frames) / fps


def snap_to_closures(times: NDArray[np.float64], fps: float, gap: Floats) -> NDArray[np.float64]:
    """Move frames onto lip closures that fall between them.

    At 24 frames a second a short p or b may lie wholly between two frames, and the lips would never
    be seen shut. As an animator would, the nearer frame then shows the moment of closure, at most
    half a frame away. `gap` (N,) is the lips' gap at 50 a second, metres, 0 = shut as at rest.
    Returns the times, in order, each within half a frame of where it was.
    """
    if len(gap) < 3 or len(times) < 2:
        return times
    fine = np.arange((len(gap) - 1) * _FINE + 1) / _FINE
    heights = cubic(gap[:, None], fine)[:, 0]
    lowest = 1 + np.flatnonzero((heights[1:-1] < heights[:-2]) & (heights[1:-1] <= heights[2:]))
    lowest = lowest[heights[lowest] < _OPEN]
    # The parabola through three points finds the minimum between them.
    left, middle, right = heights[lowest - 1], heights[lowest], heights[lowest + 1]
    moments = (fine[lowest] + (left - right) / (2 * (left - 2 * middle + right)) / _FINE) / (
        NETWORK_RATE
    )
    nearest = np.clip(np.rint(moments * fps).astype(int), 0, len(times) - 1)
    lower = np.clip(np.floor(moments * fps).astype(int), 0, len(times) - 2)
    seen = cubic(gap[:, None], np.stack([lower, lower + 1]).ravel() / fps * NETWORK_RATE)
    lost = seen.reshape(2, -1).min(0) - middle
    pull = smoothstep((lost - _UNSEEN) / (_MISSED - _UNSEEN))
    pull = pull * smoothstep((_OPEN - middle) / (_OPEN - _SHUT))
    snapped = times.copy()
    # Where several closures want one frame, the strongest pull has it: it comes last.
    order = np.argsort(pull, kind="stable")
    frames, moments, pull = nearest[order], moments[order], pull[order]
    snapped[frames] = times[frames] + pull * np.clip(moments - times[frames], -0.5 / fps, 0.5 / fps)
    return snapped
