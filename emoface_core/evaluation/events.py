# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the lips shut on p, b, m, and meet the teeth on f, v? Events, and how they are scored.

An *event* is an interval. In the labels it is the time the lips (or lip and teeth) must touch: for
m, f, v the phone, for p and b the closure, up to the release where the labels mark it. Touching
events with nothing between (the b and m of German "habm") are one: the lips need not part.

In a mesh it is a run of frames whose gap is below a threshold, with its ends where the straight
line between two frames crosses it; so it contains a minimum of the gap. Rhubarb's cues are events
as they stand: A is shut lips, G the lower lip at the teeth.

How they are scored, the same for everybody:

* Silence is not judged: lips may shut at a pause, and should. Runs are cut to where the labels say
  speech. What is left of a run that was cut by a pause, and lies wholly within the tolerance of
  that pause, is no event: shutting a little early or opening a little late is no false closure.
  Where it does meet a labelled closure (an m before a pause) it counts as found.
* A run and a label match when their *middles* are within `tolerance` (40 ms) of each other. One run
  matches one label, as many as possible. Lips that are always shut thus score one hit in an
  utterance at most. (`loose`: the run's middle within 40 ms of the labelled interval, which
  forgives a closure that lasts too long or too short.)
* Some phones neither need nor forbid the contact: a run whose middle lies in one of them and
  matches nothing is dropped. They are β for closures (a b that is spoken without shutting) and the
  bilabials for lip and teeth (with shut lips the lower lip is beside the teeth as well).
* precision = matched / runs, recall = matched / labels, F1 = their harmonic mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.training.phones import BILABIALS, LABIODENTALS, SILENCE, PhoneSpan

TOLERANCE = 0.040  # seconds

# The inner lips' gap (metres) below which the mouth counts as shut, and the lower lip's distance
# from the upper teeth below which they count as touching. Fixed before any model was scored.
SHUT = 0.0005
TOUCH = 0.0012
# In an f the lower lip is at the teeth and the upper lip clear of it, for a while. On its way from
# or to a p, b or m the lower lip passes by the teeth too: shorter, or with the lips hardly apart.
APART = 0.0010
SHORTEST_TOUCH = 0.020  # seconds


@dataclass(frozen=True, slots=True)
class Event:
    """A contact from `start` to `end`, seconds."""

    start: float
    end: float

    @property
    def middle(self) -> float:
        """Seconds."""
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class Kind:
    """What is scored: the `phones` that need the contact, and those that allow it."""

    name: str
    phones: frozenset[str]
    allowed: frozenset[str]


CLOSURE = Kind("lips shut on p, b, m", BILABIALS, frozenset("β"))
LIP_TEETH = Kind("lip to teeth on f, v", LABIODENTALS, BILABIALS | {"β"})


@dataclass(frozen=True, slots=True)
class Score:
    """Counts, and the timing of what matched.

    `starts` and `ends`: seconds by which the matched runs begin and end after their labels.
    """

    matched: int
    predicted: int
    labelled: int
    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()

    @property
    def precision(self) -> float:
        """Matched per predicted; NaN with none predicted."""
        return self.matched / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """Matched per labelled; NaN with none labelled."""
        return self.matched / self.labelled if self.labelled else float("nan")

    @property
    def f1(self) -> float:
        """2 matched / (predicted + labelled); NaN when there is neither."""
        total = self.predicted + self.labelled
        return 2 * self.matched / total if total else float("nan")

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.matched + other.matched,
            self.predicted + other.predicted,
            self.labelled + other.labelled,
            self.starts + other.starts,
            self.ends + other.ends,
        )


NOTHING = Score(0, 0, 0)


def labelled_events(spans: Sequence[PhoneSpan], kind: Kind = CLOSURE) -> list[Event]:
    """The events that the labels ask for, in order."""
    events: list[Event] = []
    open_until = -1.0  # the end of the last one's phone: what starts there continues it
    for span in spans:
        if span.phone not in kind.phones:
            continue
        end = span.end if span.release is None else min(span.release, span.end)
        end = max(end, min(span.start + 0.01, span.end))  # labelled from its burst on: a moment
        if events and span.start <= open_until + 1e-6:
            events[-1] = Event(events[-1].start, end)
        else:
            events.append(Event(span.start, end))
        open_until = span.end
    return events


def runs_below(gap: NDArray[np.floating], rate: float, threshold: float) -> list[Event]:
    """Where a curve (N,), sampled at i / rate s, is below `threshold`: edges by interpolation."""
    values = np.asarray(gap, np.float64) - threshold
    below = values < 0
    edges = np.flatnonzero(below[1:] != below[:-1])
    times = (edges + values[edges] / (values[edges] - values[edges + 1])) / rate
    if len(below) and below[0]:
        times = np.concatenate([[0.0], times])
    if len(below) and below[-1]:
        times = np.concatenate([times, [(len(below) - 1) / rate]])
    return [Event(float(a), float(b)) for a, b in zip(times[::2], times[1::2], strict=True)]


def closure_runs(
    lip_gap: NDArray[np.floating], rate: float, threshold: float = SHUT
) -> list[Event]:
    """Shut lips: runs of `lip_gap` (N,) metres below `threshold`."""
    return runs_below(lip_gap, rate, threshold)


def contact_runs(
    teeth_gap: NDArray[np.floating],
    lip_gap: NDArray[np.floating],
    rate: float,
    threshold: float = TOUCH,
) -> list[Event]:
    """Lower lip at the upper teeth: `teeth_gap` (N,) below `threshold` while the lips are apart by
    `APART` or more, for `SHORTEST_TOUCH` or longer."""
    # One curve that is below zero only where both hold, so that edges can be interpolated.
    both = np.maximum(np.asarray(teeth_gap) - threshold, APART - np.asarray(lip_gap))
    return [run for run in runs_below(both, rate, 0.0) if run.end - run.start >= SHORTEST_TOUCH]


def score_events(
    predicted: Sequence[Event],
    spans: Sequence[PhoneSpan],
    kind: Kind = CLOSURE,
    tolerance: float = TOLERANCE,
    *,
    loose: bool = False,
) -> Score:
    """Score runs against labels as the module says. Spans are in order and cover the clip."""
    labels = labelled_events(spans, kind)
    runs = _in_speech(predicted, spans)
    taken: dict[int, int] = {}  # label -> run
    reach = tolerance + 1e-9  # exactly 40 ms is within 40 ms
    # Runs in order of their middles, each to the unmatched label that ends first: no other way of
    # matching points to intervals one to one matches more.
    order = sorted(range(len(runs)), key=lambda k: runs[k][0].middle)
    for k in order:
        middle = runs[k][0].middle
        fitting = [
            i
            for i, label in enumerate(labels)
            if i not in taken and _apart(middle, label, loose=loose) <= reach
        ]
        if fitting:
            taken[min(fitting, key=lambda i: labels[i].end)] = k
    matched = set(taken.values())
    counted = sum(
        k in matched or not (at_pause <= reach or _allowed(run, spans, kind))
        for k, (run, at_pause) in enumerate(runs)
    )
    pairs = [(runs[k], labels[i]) for i, k in taken.items()]
    # A run that a pause cut has no edge of its own there.
    clean = [(run, label) for (run, at_pause), label in pairs if at_pause == np.inf]
    return Score(
        matched=len(taken),
        predicted=counted,
        labelled=len(labels),
        starts=tuple(run.start - label.start for run, label in clean),
        ends=tuple(run.end - label.end for run, label in clean),
    )


def _apart(moment: float, label: Event, *, loose: bool) -> float:
    if loose:
        return max(label.start - moment, moment - label.end, 0.0)
    return abs(moment - label.middle)


def _in_speech(events: Sequence[Event], spans: Sequence[PhoneSpan]) -> list[tuple[Event, float]]:
    """The parts of `events` in speech, each with how far it reaches from the pause that cut it
    (infinity if none did), seconds."""
    stretches: list[Event] = []
    for span in spans:
        if span.phone == SILENCE:
            continue
        if stretches and span.start <= stretches[-1].end + 1e-6:
            stretches[-1] = Event(stretches[-1].start, span.end)
        else:
            stretches.append(Event(span.start, span.end))
    parts = []
    for event in events:
        for speech in stretches:
            start, end = max(event.start, speech.start), min(event.end, speech.end)
            if end > start:
                cut = event.start < speech.start or event.end > speech.end
                parts.append((Event(start, end), end - start if cut else np.inf))
    return parts


def _allowed(run: Event, spans: Sequence[PhoneSpan], kind: Kind) -> bool:
    return any(span.phone in kind.allowed and span.start <= run.middle < span.end for span in spans)
