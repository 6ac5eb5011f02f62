# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m emoface_core evaluate`: two animations compared, or the table of held-out speech."""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emoface_core.cli_animate import Parser
from emoface_core.errors import InputError
from emoface_core.evaluation.clips import Clip, paired, read_clip
from emoface_core.evaluation.metrics import pool, vertex_errors
from emoface_core.evaluation.regions import FLAME_LIP_MIDDLES, Regions, own_regions, read_regions
from emoface_core.evaluation.timing import (
    best_lag,
    lip_intensity,
    mean_temporal_misalignment,
)

if TYPE_CHECKING:
    from emoface_core.engine.interface import Engine

WHO = ("model", "told", "teacher", "loudness", "chance")
_LAG_SECONDS = 0.2

# name: (unit, factor, what it is, and where it is from)
FIGURES: Mapping[str, tuple[str, float, str]] = {
    "lve_sq_m2": ("1e-5 m²", 1e5, "LVE as papers print it: mean over frames of the worst lip "
                  "vertex's squared distance (CodeTalker; the “mm” of its tables are m²)"),
    "lve_sq_m2_by_clip": ("1e-5 m²", 1e5, "the same averaged over clips, not over all frames"),
    "lve_mm": ("mm", 1.0, "LVE, rooted: mean over frames of the worst lip vertex's distance"),
    "lve_centred_mm": ("mm", 1.0, "LVE as MeshTalk's: rooted, the lips' centroids laid together"),
    "eve_sq_m2": ("1e-5 m²", 1e5, "EVE as papers print it: the same over eyes and forehead"),
    "eve_mm": ("mm", 1.0, "EVE, rooted"),
    "mve_mm": ("mm", 1.0, "MVE: mean distance over all vertices and frames, not squared"),
    "fdd_m2": ("1e-5 m²", 1e5, "FDD: dynamics of the upper face, truth less prediction (signed)"),
    "fdd_abs_m2": ("1e-5 m²", 1e5, "FDD's size"),
    "mtm_ms": ("ms", 1.0, "MTM: mean |shift| of matched openings and closings of the lips"),
    "mtm_match_rate": ("", 1.0, "MTM's matched extrema as a share of the truth's"),
    "lip_lag_frames": ("frames", 1.0, "by how much the prediction's lips trail the truth's"),
    "lip_r": ("", 1.0, "correlation of the lips' distance at that lag"),
    "lip_intensity": ("mm/frame", 1e3, "how much the predicted lips move (SLCC's measure)"),
    "lip_intensity_truth": ("mm/frame", 1e3, "how much the true lips move"),
}  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Run the command; 0 when done. InputError for what cannot be compared."""
    options = _parser().parse_args(argv)
    if options.speech:
        return _speech(options)
    if options.words:
        return _words(options)
    if options.truth is None:
        raise InputError(
            "Give two files, PRED.npz and TRUTH.npz, or --speech with --data.",
            "See `python -m emoface_core evaluate --help`.",
        )
    regions = read_regions(options.regions) if options.regions else own_regions()
    if options.pred.is_dir() or options.truth.is_dir():
        return _folders(options, regions)
    figures = compare(read_clip(options.pred), read_clip(options.truth), regions)
    if options.json:
        plain = {
            k: None if isinstance(v, float) and math.isnan(v) else v for k, v in figures.items()
        }
        print(json.dumps(plain, indent=2))
    else:
        print(_text(figures))
    if options.report:
        from emoface_core.evaluation.report import write_comparison

        where = write_comparison(
            options.report, options.pred, options.truth, regions, _text(figures), options.audio
        )
        print(f"\nReport: {where}", file=sys.stderr)
    return 0


def compare(pred: Clip, truth: Clip, regions: Regions) -> dict[str, float | int | str]:
    """Every figure of one pair of clips, by the names of `FIGURES`, in metres and m² as stored."""
    errors = vertex_errors(pred, truth, regions)
    figures: dict[str, float | int | str] = dict(asdict(errors))
    pred_cut, truth_cut = paired(pred, truth)
    figures["fps"] = truth.fps
    figures["cut_frames"] = abs(pred.frames - truth.frames)
    figures["regions"] = regions.source
    if truth.offsets.shape[1] > max(FLAME_LIP_MIDDLES):
        mine, theirs = (_lip_curve(clip) for clip in (pred_cut, truth_cut))
        mistimed = mean_temporal_misalignment(mine, theirs, truth.fps)
        figures["mtm_ms"] = mistimed.milliseconds
        figures["mtm_match_rate"] = mistimed.match_rate
        lagged = best_lag(mine, theirs, max(1, round(_LAG_SECONDS * truth.fps)))
        figures["lip_lag_frames"] = lagged.lag
        figures["lip_r"] = lagged.r
    figures["lip_intensity"] = lip_intensity(pred_cut.vertices(regions.lips))
    figures["lip_intensity_truth"] = lip_intensity(truth_cut.vertices(regions.lips))
    return figures


def matched_files(pred: Path, truth: Path) -> list[tuple[Path, Path]]:
    """Pairs of files of two folders: NAME.npz or NAME_condition_X.npz with NAME.npz.

    The second form is what FaceFormer's and its followers' test loops write for a speaker that was
    not trained on: one prediction in the style of each that was, all of them counted.
    InputError if one of the folders lacks what the other has.
    """
    for folder in (pred, truth):
        if not folder.is_dir():
            raise InputError(f"“{folder}” is not a folder.", "Give two files, or two folders.")
    truths = {path.stem: path for path in sorted(truth.glob("*.npz"))}
    pairs = []
    for path in sorted(pred.glob("*.npz")):
        name = path.stem.split("_condition_")[0]
        if name not in truths:
            raise InputError(f"There is no truth “{name}.npz” for “{path.name}”.")
        pairs.append((path, truths[name]))
    missing = set(truths) - {found.stem for _, found in pairs}
    if missing or not pairs:
        example = f" (such as “{min(missing)}.npz”)" if missing else ""
        raise InputError(
            f"“{pred}” has no prediction for {len(missing)} of {len(truths)} clips{example}.",
            "A set without its hardest clips is another set: predict them all.",
        )
    return pairs


def compare_sets(
    pairs: Sequence[tuple[Path, Path]], regions: Regions
) -> tuple[dict[str, float | int | str], dict[str, dict[str, float | int | str]]]:
    """Figures of a set, and of each clip by its name.

    Vertex errors are pooled over frames as CodeTalker does, FDD and MTM averaged over clips (MTM:
    over those with a match, as published); `lve_sq_m2_by_clip` is the mean over clips instead.
    """
    clips, errors = {}, []
    for pred_path, truth_path in pairs:
        pred, truth = read_clip(pred_path), read_clip(truth_path)
        errors.append(vertex_errors(pred, truth, regions))
        clips[pred_path.stem] = compare(pred, truth, regions)
    first = next(iter(clips.values()))
    figures: dict[str, float | int | str] = dict(asdict(pool(errors)))
    figures |= {"fps": first["fps"], "regions": regions.source, "clips": len(clips)}
    figures["cut_frames"] = sum(int(clip["cut_frames"]) for clip in clips.values())
    figures["lve_sq_m2_by_clip"] = pool(errors, by_frames=False).lve_sq_m2
    for name in FIGURES:
        if name in first and name not in figures:
            values = np.array([float(clip[name]) for clip in clips.values()])
            figures[name] = float(np.nanmean(values)) if not np.isnan(values).all() else math.nan
    return figures, clips


def _folders(options: argparse.Namespace, regions: Regions) -> int:
    if options.report:
        raise InputError("A report shows one pair of files.", "Leave --report out, or give files.")
    figures, clips = compare_sets(matched_files(options.pred, options.truth), regions)
    if options.json:
        plain = {name: _or_none(value) for name, value in figures.items()}
        each = {k: {n: _or_none(v) for n, v in clip.items()} for k, clip in clips.items()}
        print(json.dumps({**plain, "each": each}, indent=2))
    else:
        print(f"{figures['clips']} clips. {_text(figures)}")
    return 0


def _or_none(value: float | int | str) -> float | int | str | None:
    return None if isinstance(value, float) and math.isnan(value) else value


def _lip_curve(clip: Clip) -> np.ndarray:
    middles = np.array(FLAME_LIP_MIDDLES)
    ends = clip.vertices(middles)
    return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)


def _text(figures: Mapping[str, float | int | str]) -> str:
    cut = f", the longer file cut by {figures['cut_frames']}" if figures["cut_frames"] else ""
    lines = [
        f"{figures['frames']} frames at {figures['fps']:g} fps{cut}; "
        f"regions of {figures['regions']}.",
        "",
    ]
    for name, (unit, factor, what) in FIGURES.items():
        if name in figures:
            value = float(figures[name]) * factor
            number = "–" if math.isnan(value) else f"{value:.4g}"
            lines.append(f"{name:20} {number:>10} {unit:9} {what}")
    return "\n".join(lines)


def _speech(options: argparse.Namespace) -> int:
    # Imported now: two files can be compared without what training needs.
    from emoface_core.evaluation.performers import Loudness, Model, OutOfStep, Performer, Teacher
    from emoface_core.evaluation.speech_report import SETS, speech_report
    from emoface_core.evaluation.speech_table import as_json, table

    if options.data is None:
        raise InputError("--speech needs --data DIR.", "Give the folder with speech/ and motion/.")
    sets = _names(options.sets, SETS, "set")
    who = _names(options.who, WHO, "performer")
    performers: list[Performer] = []
    teacher = Teacher(options.fps)
    others: dict[str, Performer] = {
        "teacher": teacher,
        "loudness": Loudness(options.fps),
        "chance": OutOfStep(teacher),
    }
    for name in who:
        if name in ("model", "told"):
            performers.append(Model(_engine(options), options.fps, told=name == "told"))
        else:
            performers.append(others[name])
    report = speech_report(
        options.data,
        performers,
        sets=sets,
        rhubarb=options.rhubarb,
        rhubarb_cache=options.rhubarb_cache,
        corpus=options.corpus,
        limit=options.limit,
        fps=options.fps,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if options.json:
        print(json.dumps(as_json(report), indent=2, ensure_ascii=False))
    else:
        print(table(report))
        print("\n".join(["", *report.notes]))
    if options.report:
        from emoface_core.evaluation.report import write_speech

        print(f"\nReport: {write_speech(options.report, report)}", file=sys.stderr)
    return 0


def _words(options: argparse.Namespace) -> int:
    """How far the words that a text finds are from the labelled ones."""
    from emoface_core.evaluation.speech_clips import corpus_clips, emodb_clips
    from emoface_core.evaluation.words import emodb_spoken, synthetic_spoken, word_errors

    if options.data is None:
        raise InputError("--words needs --data DIR.", "Give the folder with speech/ and motion/.")
    clips = emodb_clips(options.data, options.limit)
    sets = {"EmoDB": ((clip, emodb_spoken(clip.id[2:5], clip.spans)) for clip in clips)}
    if options.corpus is not None:
        made = corpus_clips(options.corpus, "synthetic", options.limit)
        sets["synthetic voices"] = ((clip, synthetic_spoken(clip)) for clip in made)
    engine = _engine(options)
    figures = {}
    for name, spoken in sets.items():
        errors = word_errors(spoken, engine)
        figures[name] = {
            "clips": errors.clips,
            "words": errors.words,
            "median_ms": 1000 * errors.percentile(50),
            "within_90_percent_ms": 1000 * errors.percentile(90),
            "signed_ms": 1000 * float(np.median(errors.seconds)),
            "refused": errors.refused,
        }
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    print("Starts and ends of words, found with their text, against the labels:")
    for name, found in figures.items():
        print(
            f"{name}: {found['words']} words in {found['clips']} clips; off by "
            f"{found['median_ms']:.0f} ms (median), {found['within_90_percent_ms']:.0f} ms (90 %); "
            f"{found['signed_ms']:+.0f} ms signed; {found['refused']} clips' text refused."
        )
    return 0


def _engine(options: argparse.Namespace) -> "Engine":
    from emoface_core.engine.choose import choose_engine

    return choose_engine(options.engine, options.device, options.model)


def _names(text: str, known: Sequence[str], kind: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InputError(
            f"There is no {kind} “{', '.join(unknown)}”.", f"Choose from {', '.join(known)}."
        )
    return names


def _parser() -> Parser:
    parser = Parser(
        prog="python -m emoface_core evaluate",
        description="Compare an animation with the true one; or, with --speech, print how well "
        "held-out recordings are spoken.",
        epilog="The definitions, with their sources and traps, stand in "
        "emoface_core/evaluation/metrics.py, timing.py, events.py and motion.py.",
        allow_abbrev=False,
    )
    parser.add_argument("pred", type=Path, nargs="?", help="the prediction, an OUT.npz or a folder")
    parser.add_argument("truth", type=Path, nargs="?", help="the truth, likewise")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--regions", type=Path, help="an .npz of index arrays lips, eye_region, forehead"
    )
    parser.add_argument("--report", type=Path, help="write a report with plots to this folder")
    parser.add_argument("--audio", type=Path, help="the sound, for the report's plots")
    speech = parser.add_argument_group("held-out speech")
    speech.add_argument("--speech", action="store_true", help="print the table of held-out speech")
    speech.add_argument("--words", action="store_true", help="print how exactly words are found")
    speech.add_argument("--data", type=Path, help="the folder that holds speech/ and motion/")
    speech.add_argument(
        "--sets",
        default="emodb,speechocean762,facegood,silence",
        help="which sets (%(default)s; with --corpus also prompts, dialogues, stamps, synthetic)",
    )
    speech.add_argument("--who", default=",".join(WHO), help="whose columns (%(default)s)")
    speech.add_argument("--rhubarb", type=Path, help="folder of npm's rhubarb-lip-sync-wasm")
    speech.add_argument("--rhubarb-cache", type=Path, help="a JSON file to keep its cues in")
    speech.add_argument("--corpus", type=Path, help="a corpus, for its held-out parts")
    speech.add_argument("--limit", type=int, help="only so many clips of each set, spread")
    speech.add_argument("--fps", type=float, default=50.0, help="frame rate (%(default)s)")
    speech.add_argument("--engine", default="auto", help="auto, onnx or torch")
    speech.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    speech.add_argument("--model", type=Path, help="another model's folder")
    return parser
