# SPDX-License-Identifier: GPL-3.0-or-later
"""Closures and contacts: which runs count, and how they are matched."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoface_core.evaluation.events import (
    CLOSURE,
    LIP_TEETH,
    Event,
    Score,
    closure_runs,
    contact_runs,
    labelled_events,
    runs_below,
    score_events,
)
from emoface_core.training.phones import PhoneSpan


def spans(text):
    """'sil .2 a .1 b .1' -> spans one after another; 'b .1/.06' is released after 0.06 s."""
    found, at = [], 0.0
    words = text.split()
    for phone, length in zip(words[::2], words[1::2], strict=True):
        whole, _, shut = length.partition("/")
        release = at + float(shut) if shut else None
        found.append(PhoneSpan(phone, at, at + float(whole), release))
        at += float(whole)
    return found


def ends(events):
    return [(round(e.start, 4), round(e.end, 4)) for e in events]


def test_labels_end_at_the_release_and_neighbours_are_one():
    said = spans("sil .2 a .1 p .1/.06 a .1 b .1/.08 m .1 a .1 b .05 a .1")
    assert ends(labelled_events(said)) == [(0.3, 0.36), (0.5, 0.7), (0.8, 0.85)]


def test_a_stop_labelled_from_its_burst_is_a_moment():
    assert ends(labelled_events([PhoneSpan("p", 0.5, 0.6, 0.5)])) == [(0.5, 0.51)]


def test_edges_are_between_frames():
    gap = np.array([1, 1, -1, -1, 1, 3, -1.0])
    assert ends(runs_below(gap, 10, 0.0)) == [(0.15, 0.35), (0.575, 0.6)]
    assert ends(runs_below(np.full(5, -1.0), 10, 0.0)) == [(0.0, 0.4)]
    assert runs_below(np.ones(5), 10, 0.0) == []


def test_shut_lips_are_no_lip_to_teeth_contact():
    lips = np.array([5, 5, 0, 0, 0, 5, 5, 5, 5, 5, 5]) / 1000
    teeth = np.array([9, 9, 0, 0, 0, 9, 9, 0, 0, 9, 9]) / 1000
    assert len(closure_runs(lips, 50)) == 1
    found = contact_runs(teeth, lips, 50)
    assert len(found) == 1
    assert 0.12 < found[0].start < 0.14
    # Lips that part from an m pass by the teeth: too short for an f, or hardly apart.
    assert contact_runs(np.array([9, 0.9, 9]) / 1000, np.full(3, 0.005), 50) == []
    assert contact_runs(np.zeros(9), np.full(9, 0.0008), 50) == []


SAID = spans("sil .3 a .1 m .1 a .2 p .1/.06 a .1 sil .3")  # m .4-.5, p .7-.76, speech .3-.9


@pytest.mark.parametrize(
    ("runs", "matched", "predicted"),
    [
        ([(0.40, 0.50), (0.70, 0.76)], 2, 2),
        ([(0.39, 0.43), (0.70, 0.76)], 2, 2),  # its middle is 40 ms before that of the m
        ([(0.38, 0.43), (0.70, 0.76)], 1, 2),  # 45 ms before
        ([(0.42, 0.44), (0.46, 0.48)], 1, 2),  # opened in the middle of the m
        ([(0.0, 1.2)], 0, 1),  # always shut: the middle of speech is no closure
        ([(0.40, 0.76)], 0, 1),  # never opened between: nor is theirs
        ([(0.0, 0.33), (0.86, 1.2)], 0, 0),  # shut at pauses, 40 ms into speech at most
        ([(0.0, 0.35)], 0, 1),  # too long into speech
        ([(0.0, 0.2), (1.0, 1.2)], 0, 0),  # silence only
        ([], 0, 0),
    ],
)
def test_matching(runs, matched, predicted):
    found = score_events([Event(*run) for run in runs], SAID)
    assert (found.matched, found.predicted, found.labelled) == (matched, predicted, 2)


def test_loose_matching_forgives_length():
    runs = [Event(0.34, 0.38), Event(0.70, 0.76)]  # 40 ms before the m begins
    assert score_events(runs, SAID).matched == 1
    assert score_events(runs, SAID, loose=True).matched == 2
    assert score_events([Event(0.33, 0.38)], SAID, loose=True).matched == 0


def test_closures_next_to_pauses_count():
    said = spans("sil .3 p .1/.08 a .2 m .1 sil .3")
    found = score_events([Event(0.0, 0.38), Event(0.6, 1.0)], said)
    assert (found.matched, found.predicted, found.labelled) == (2, 2, 2)
    assert found.starts == ()  # the pauses cut both: no edges to time


def test_what_is_neither_needed_nor_wrong():
    said = spans("sil .2 a .2 β .1 a .2 m .1 a .2")
    assert score_events([Event(0.42, 0.48)], said).predicted == 0
    assert score_events([Event(0.72, 0.78)], said, LIP_TEETH).predicted == 0
    assert score_events([Event(0.25, 0.30)], said).predicted == 1


def test_timing_of_matches():
    found = score_events([Event(0.41, 0.53), Event(0.69, 0.75)], SAID)
    assert found.starts == pytest.approx((0.01, -0.01))
    assert found.ends == pytest.approx((0.03, -0.01))


def test_scores():
    score = Score(3, 4, 6) + Score(1, 1, 2)
    assert (score.precision, score.recall, score.f1) == (0.8, 0.5, pytest.approx(8 / 13))
    assert math.isnan(Score(0, 0, 0).f1)
    assert Score(0, 0, 3).f1 == 0


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 8)), max_size=6),
    st.lists(st.integers(0, 60), max_size=6, unique=True),
)
def test_matching_is_one_to_one_and_the_most_possible(raw, starts):
    labels = [PhoneSpan("m", s / 10, s / 10 + 0.05) for s in sorted(starts)]
    said, at = [], 0.0
    for label in labels:
        said += [PhoneSpan("a", at, label.start), label] if label.start > at else [label]
        at = label.end
    said.append(PhoneSpan("a", at, 10.0))
    runs = [Event(s / 10 + 0.01, s / 10 + 0.01 + n / 100) for s, n in raw]
    found = score_events(runs, said, CLOSURE, 0.04)
    want = labelled_events(said)
    fits = [
        [k for k, e in enumerate(want) if abs(e.middle - r.middle) <= 0.04 + 1e-9] for r in runs
    ]

    def most(i, used):
        if i == len(fits):
            return 0
        skip = most(i + 1, used)
        return max([skip] + [1 + most(i + 1, used | {k}) for k in fits[i] if k not in used])

    assert found.matched == most(0, frozenset())
    assert found.predicted == len(runs)
