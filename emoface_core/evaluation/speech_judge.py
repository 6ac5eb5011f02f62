# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores performers on labelled clips, clip by clip, and adds up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from emoface_core.emotions import EMOTIONS
from emoface_core.evaluation import events, motion, timing
from emoface_core.evaluation.clips import Clip
from emoface_core.evaluation.emotion import clip_emotion
from emoface_core.evaluation.events import LIP_TEETH, Score
from emoface_core.evaluation.metrics import VertexErrors, vertex_errors
from emoface_core.evaluation.performers import Acted, Heard, Performer, Teacher
from emoface_core.evaluation.reader import VisemeReader, train_reader
from emoface_core.evaluation.regions import Regions, own_regions
from emoface_core.evaluation.speech_table import Shown
from emoface_core.evaluation.visemes import Confusion, score_visemes, speech_frames
from emoface_core.face.head import Head, load_head
from emoface_core.face.measures import jaw_opening, lip_gap, lip_teeth_gap
from emoface_core.training.speech_sets import EMODB_EMOTIONS as _LETTERS

EMODB_EMOTIONS = tuple(sorted(set(_LETTERS.values()), key=EMOTIONS.index))
# Gaps (metres) at which closures are scored as well: the figure should not hang on the threshold.
OTHER_THRESHOLDS = (0.0003, 0.0010)


@dataclass(slots=True)
class Tally:
    """What one performer did in one data set, clip by clip."""

    closures: Score = events.NOTHING
    at_thresholds: dict[float, Score] = field(default_factory=dict)
    loose: Score = events.NOTHING
    contacts: Score = events.NOTHING
    felt: dict[str, Score] = field(default_factory=dict)  # closures with an emotion at intensity 1
    visemes: Confusion | None = None  # as heard
    read: Confusion | None = None  # as seen by the lip reader
    silence: motion.Silence = field(default_factory=motion.Silence)
    jitter: motion.Jitter = field(default_factory=motion.Jitter)
    lags: list[float] = field(default_factory=list)  # ms after the taught jaw
    mistimed: list[timing.Mistiming] = field(default_factory=list)
    vertices: list[VertexErrors] = field(default_factory=list)
    loudness: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    felt_truth: list[str] = field(default_factory=list)
    felt_guess: list[str] = field(default_factory=list)


def taught_reader(clips: Iterable[Heard], fps: float, head: Head | None = None) -> VisemeReader:
    """A lip reader that learnt from the teacher's motion on labelled clips."""
    head = head or load_head()
    lips = own_regions(head).lips
    teacher = Teacher(fps, head)
    examples = []
    for heard in clips:
        acted = teacher.perform(heard)
        if acted is not None:
            examples.append(((head.vertices + acted.speech)[:, lips], heard.spans))
    return train_reader(examples, fps)


class SpeechJudge:
    """Scores performers on clips; holds the head and its regions."""

    def __init__(
        self,
        performers: Sequence[Performer],
        *,
        head: Head | None = None,
        emotions: bool = True,
        reader: VisemeReader | None = None,
    ) -> None:
        self.head = head or load_head()
        self._reader = reader
        self.regions: Regions = own_regions(self.head)
        self.performers = performers
        self._emotions = emotions

    def judge(
        self, clips: Iterable[Heard], shown: list[Shown] | None = None, show: int = 0
    ) -> tuple[dict[str, Tally], list[Heard]]:
        """A tally for each performer over labelled clips, and the clips.

        The first `show` are kept in `shown`.
        """
        tallies = {performer.name: Tally() for performer in self.performers}
        heard_all = []
        for heard in clips:
            heard_all.append(heard)
            taught = cache(lambda fps, heard=heard: Teacher(fps, self.head).perform(heard))
            keep = Shown(heard, 0.0) if shown is not None and len(shown) < show else None
            for performer in self.performers:
                acted = performer.perform(heard)
                if acted is not None:
                    self._score(tallies[performer.name], heard, acted, taught(acted.fps))
                    if keep is not None:
                        self._keep(keep, performer.name, acted)
            if keep is not None and shown is not None:
                shown.append(keep)
        return tallies, heard_all

    def _keep(self, keep: Shown, name: str, acted: Acted) -> None:
        vertices = self.head.vertices + acted.speech
        keep.fps = acted.fps
        keep.gaps[name] = 1000 * lip_gap(vertices, self.head)
        keep.jaws[name] = 1000 * jaw_opening(vertices, self.head)
        keep.speech[name] = acted.speech

    def _score(self, tally: Tally, heard: Heard, acted: Acted, taught: Acted | None) -> None:
        vertices = self.head.vertices + acted.speech
        gap, teeth = lip_gap(vertices, self.head), lip_teeth_gap(vertices, self.head)
        lips = vertices[:, self.regions.lips]
        spans, fps, frames = heard.spans, acted.fps, len(vertices)
        tally.closures += events.score_events(events.closure_runs(gap, fps), spans)
        tally.loose += events.score_events(events.closure_runs(gap, fps), spans, loose=True)
        for threshold in OTHER_THRESHOLDS:
            score = events.score_events(events.closure_runs(gap, fps, threshold), spans)
            tally.at_thresholds[threshold] = (
                tally.at_thresholds.get(threshold, events.NOTHING) + score
            )
        tally.contacts += events.score_events(
            events.contact_runs(teeth, gap, fps), spans, LIP_TEETH
        )
        if self._emotions and acted.layer is not None:
            for emotion in EMOTIONS:
                felt = lip_gap(vertices + acted.layer(emotion), self.head)
                score = events.score_events(events.closure_runs(felt, fps), spans)
                tally.felt[emotion] = tally.felt.get(emotion, events.NOTHING) + score
        silent = motion.silent_frames(spans, frames, fps)
        tally.silence += motion.silence(lips, gap, silent)
        tally.jitter += motion.jitter(lips, motion.vowel_frames(spans, frames, fps), fps)
        tally.loudness.append(timing.speech_intensity(heard.samples))
        tally.moved.append(timing.lip_intensity(lips))
        tally.speakers.append(heard.speaker)
        if acted.visemes is not None:
            seen = score_visemes(spans, acted.visemes, fps)
            tally.visemes = seen if tally.visemes is None else tally.visemes + seen
        if self._reader is not None:
            read = self._reader.score(lips, fps, spans)
            tally.read = read if tally.read is None else tally.read + read
        if acted.voice is not None and heard.emotion is not None:
            speaking = speech_frames(spans, len(acted.voice), 50.0)
            tally.felt_truth.append(heard.emotion)
            tally.felt_guess.append(clip_emotion(acted.voice, speaking, EMODB_EMOTIONS))
        if taught is not None:
            self._compare(tally, acted, taught, vertices)

    def _compare(
        self, tally: Tally, acted: Acted, taught: Acted, vertices: NDArray[np.floating]
    ) -> None:
        """Against what the teacher makes of the labels."""
        truth = self.head.vertices + taught.speech
        frames = min(len(truth), len(vertices))
        lag = timing.peak_lag(
            jaw_opening(vertices[:frames], self.head),
            jaw_opening(truth[:frames], self.head),
            round(0.2 * acted.fps),
        )
        if not np.isnan(lag):
            tally.lags.append(1000 * lag / acted.fps)
        tally.mistimed.append(
            timing.mean_temporal_misalignment(
                timing.lip_distance(vertices[:frames:2]),
                timing.lip_distance(truth[:frames:2]),
                acted.fps / 2,
            )
        )
        mine, theirs = (
            Clip(offsets[:frames], self.head.vertices, self.head.faces, acted.fps)
            for offsets in (acted.speech, taught.speech)
        )
        tally.vertices.append(vertex_errors(mine, theirs, self.regions))
