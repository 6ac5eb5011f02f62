# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m emoface_core animate`: a sound file to OUT.npz."""

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from emoface_core.emotions import AUTO, EMOTIONS
from emoface_core.errors import InputError


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line."""

    def error(self, message: str) -> NoReturn:
        """InputError instead of a page of usage."""
        raise InputError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


def parser() -> Parser:
    """The options of `animate`."""
    made = Parser(prog="python -m emoface_core animate", description=__doc__, allow_abbrev=False)
    made.add_argument("audio", type=Path, help="wav, flac, ogg, mp3 …")
    made.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.npz")
    made.add_argument(
        "--emotion",
        default=AUTO,
        help=f"{AUTO} (from the voice), {', '.join(EMOTIONS)}, or a mixture: happy=0.7,sad=0.3",
    )
    made.add_argument("--intensity", type=float, default=1.0, help="0 to 1.5 (1)")
    made.add_argument(
        "--preference", type=float, help="0 all voice, 1 all choice (1 if an emotion is chosen)"
    )
    made.add_argument("--fps", type=frame_rate, default=30.0, help="24, 29.97, 30000/1001 … (30)")
    made.add_argument("--start", type=float, default=0.0, help="seconds into the sound (0)")
    made.add_argument("--duration", type=float, help="seconds of it (to the end)")
    made.add_argument("--before", type=float, default=0.0, help="seconds felt before it (0)")
    made.add_argument("--after", type=float, default=0.0, help="seconds felt after it (0)")
    made.add_argument(
        "--text",
        default="",
        metavar="TEXT|FILE.txt",
        help="the words that are spoken, in any language in Latin, Greek or Cyrillic letters",
    )
    made.add_argument("--neutral", type=Path, metavar="MESH", help="another face: npz, ply or obj")
    made.add_argument("--engine", choices=("auto", "onnx", "torch"), default="auto")
    made.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    made.add_argument("--model", type=Path, help="folder of a trained model (the bundled one)")
    made.add_argument(
        "--no-snap",
        dest="snap",
        action="store_false",
        help="sample at t / fps exactly, even if a lip closure falls between two frames",
    )
    return made


def frame_rate(text: str) -> float:
    """A number or a fraction; 29.97, 23.976 and 59.94 stand for the exact rates of video."""
    try:
        value = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"“{text}” is not a frame rate") from None
    video = Fraction(round(value) * 1000, 1001)
    return float(video if abs(value - video) < Fraction(1, 200) else value)


def main(arguments: Sequence[str]) -> int:
    """Run the command; InputError for bad input."""
    options = parser().parse_args(arguments)
    out: Path = options.out
    if out.suffix != ".npz" or out.is_dir():
        raise InputError(f"“{out}” is no name for the result.", "Name a file that ends in .npz.")
    if not out.parent.is_dir():
        raise InputError(f"The folder “{out.parent}” does not exist.", "Create it first.")

    # Imported now, so that --help is quick.
    from emoface_core.engine.animate import AnimateOptions, animate
    from emoface_core.engine.choose import choose_engine
    from emoface_core.files import text_or_file

    chosen = AnimateOptions(
        emotion=options.emotion,
        intensity=options.intensity,
        preference=options.preference,
        fps=options.fps,
        start=options.start,
        duration=options.duration,
        before=options.before,
        after=options.after,
        text=text_or_file(options.text),
        neutral=options.neutral,
        snap_closures=options.snap,
        spool=out.parent,
    )
    show = _show if sys.stderr.isatty() else None
    engine = choose_engine(options.engine, options.device, options.model)
    with animate(options.audio, chosen, engine, show) as performance:
        performance.save(out, show)
        print(
            f"{out}: {performance.frames} frames at {performance.fps:g} fps, "
            f"{performance.seconds:.2f} s ({engine.info.name}, {engine.info.device})"
        )
    return 0


def _show(stage: str, done: int, total: int) -> None:
    share = 100 * done // max(total, 1)
    print(f"\r{stage:7} {share:3d} %", end="\r" if done < total else "\r\033[K", file=sys.stderr)
