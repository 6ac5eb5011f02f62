# SPDX-License-Identifier: GPL-3.0-or-later
"""The likeliest way through known states, against every way there is."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_core.errors import InputError
from emoface_core.forced_alignment import SKIPPED, align


def best_of_all(scores, columns, optional):
    """The best total by trying each choice of states and each choice of borders."""
    frames, count = len(scores), len(columns)
    best = -np.inf
    for kept in range(1, count + 1):
        for states in combinations(range(count), kept):
            if any(not optional[s] and s not in states for s in range(count)):
                continue
            for borders in combinations(range(1, frames), kept - 1):
                ends = [0, *borders, frames]
                total = sum(
                    scores[ends[i] : ends[i + 1], columns[s]].sum() for i, s in enumerate(states)
                )
                best = max(best, total)
    return best


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31), st.lists(st.booleans(), max_size=5)
)
def test_no_other_way_is_better(frames, count, seed, flags):
    optional = np.array((flags + [False] * count)[:count])
    made = np.random.default_rng(seed)
    scores = made.normal(size=(frames, 3))
    columns = made.integers(0, 3, count)
    if (~optional).sum() > frames:
        with pytest.raises(InputError, match="longer than"):
            align(scores, columns, optional)
        return
    spans, mean = align(scores, columns, optional)
    assert mean * frames == pytest.approx(best_of_all(scores, columns, optional))
    spoken = spans[spans[:, 0] != SKIPPED]
    assert spoken[0, 0] == 0 and spoken[-1, 1] == frames
    np.testing.assert_array_equal(spoken[1:, 0], spoken[:-1, 1])
    assert all(optional[s] or spans[s, 0] != SKIPPED for s in range(count))
    total = sum(scores[a:b, columns[s]].sum() for s, (a, b) in enumerate(spans) if a != SKIPPED)
    assert total == pytest.approx(mean * frames)


def test_nothing_to_align_is_refused():
    with pytest.raises(InputError, match="longer than"):
        align(np.zeros((0, 2)), np.array([0]), np.array([True]))
    with pytest.raises(InputError, match="longer than"):
        align(np.zeros((4, 2)), np.array([], int), np.array([], bool))
