# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each state of a known sequence is spoken: Viterbi over the frames of a recording."""

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError

_NEVER = -1e30
SKIPPED = -1


def align(
    scores: NDArray[np.floating], columns: NDArray[np.integer], optional: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], float]:
    """The likeliest way through the states in their order, each spoken for a frame or more.

    `scores` (N, U) are log-probabilities of U kinds of sound at N frames; state s of S sounds as
    kind `columns[s]`, and may be left out where `optional[s]`. Returns the spans (S, 2) as first
    and last frame + 1 (both SKIPPED for what is left out; together they cover the N frames), and
    the path's mean log-probability a frame. InputError if there are fewer frames than states that
    must be spoken, or nothing at all.
    """
    frames, count = len(scores), len(columns)
    if not count or frames < max(1, int((~optional).sum())):
        raise InputError(
            "The text is longer than the recording has time for.",
            "Give the words that are spoken in it.",
        )
    longest = _longest_run(optional)
    # came[n, s]: by how many states the best path stepped forward when it came to s at frame n.
    came = np.zeros((frames, count), np.uint8 if longest < 255 else np.uint16)
    best = np.full(count, _NEVER)
    # Everything up to the first state that must be spoken can be the first that is.
    first = int(np.argmin(optional)) if not optional.all() else count - 1
    best[: first + 1] = scores[0][columns[: first + 1]]
    for frame in range(1, frames):
        entering, step = _entering(best, optional, longest)
        moves = entering > best
        came[frame] = np.where(moves, step, 0)
        best = np.where(moves, entering, best) + scores[frame][columns]
    last = _last_states(optional)
    state = int(last[np.argmax(best[last])])
    if best[state] <= _NEVER / 2:
        raise InputError("The text does not fit the recording.", "Give the words spoken in it.")
    total = float(best[state])
    spans = np.full((count, 2), SKIPPED, np.int64)
    end = frames
    for frame in range(frames - 1, -1, -1):
        if frame == 0 or came[frame, state]:
            spans[state] = frame, end
            end = frame
            state -= int(came[frame, state])
    return spans, total / frames


def _entering(
    best: NDArray[np.float64], optional: NDArray[np.bool_], longest: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The best way into each state from an earlier one, and how many states back that is."""
    came = np.concatenate([[_NEVER], best[:-1]])
    step = np.ones(len(best), np.int64)
    passable = np.concatenate([[False], optional[:-1]])  # the state before may be left out
    for _ in range(longest):
        over = np.concatenate([[_NEVER], came[:-1]])
        better = passable & (over > came)
        step = np.where(better, np.concatenate([[0], step[:-1]]) + 1, step)
        came = np.where(better, over, came)
    return came, step


def _longest_run(optional: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], optional.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _last_states(optional: NDArray[np.bool_]) -> NDArray[np.int64]:
    """States after which all may be left out."""
    must = np.flatnonzero(~optional)
    return np.arange(must[-1] if len(must) else 0, len(optional))
