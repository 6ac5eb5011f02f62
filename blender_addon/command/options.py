# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the command line, and what is made of them."""

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import NoReturn

from emoface_core.emotions import AUTO, EMOTIONS
from emoface_core.errors import InputError

from ..work.session import Engine, chosen_engine
from . import jobs
from .jobs import BakeJob


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """InputError, not an exit in the middle of Blender."""
        raise InputError(f"{message[:1].upper()}{message[1:]}.", "See --help.")


def parser() -> argparse.ArgumentParser:
    """The options of `bake`."""
    made = _Parser(
        prog="emoface bake",
        description="Animate faces from sounds, as shape keys on the timeline.",
        epilog="Exit codes: 0 all is done, 2 something in the input is wrong, 1 a fault of ours.",
        allow_abbrev=False,
    )
    sound = made.add_mutually_exclusive_group()
    sound.add_argument("--audio", metavar="FILE", help="a sound file, or a film with sound")
    sound.add_argument(
        "--strip",
        metavar="NAME",
        action="append",
        help="a sound strip of the sequencer; given again: others that the same face speaks",
    )
    sound.add_argument(
        "--all",
        action="store_true",
        default=None,
        help="every sound strip, each to the face that its name or its channel's says; "
        "with --object only that face's",
    )
    made.add_argument("--object", metavar="NAME", help="the face; not needed if there is only one")
    made.add_argument(
        "--make-local",
        action="store_true",
        default=None,
        help="give a linked character's face a mesh of this file's own, so that it can be baked",
    )
    made.add_argument(
        "--text",
        metavar="TEXT|FILE.txt",
        help="the words that are spoken: they are listed, and help the lips",
    )
    made.add_argument("--preset", metavar="FILE", help="a preset of the panel: emotion and style")
    made.add_argument("--emotion", help=f"{AUTO} (from the voice), {', '.join(EMOTIONS)}")
    made.add_argument("--intensity", type=float, metavar="F", help="0 to 1.5 (1)")
    made.add_argument("--preference", type=float, metavar="F", help="0 all voice, 1 all choice (1)")
    made.add_argument(
        "--eyes",
        action="store_true",
        default=None,
        help="blink and look about, too, as the face's panel says; without it the eyes do only "
        "what speech and emotion make them do, or what the preset says",
    )
    made.add_argument(
        "--into",
        metavar="nla|action",
        help="play in NLA tracks, one for each layer, or as the shape keys' active Action; without "
        "it as chosen in the panel, which is nla at first",
    )
    made.add_argument("--fps", type=float, metavar="F", help="give the scene this frame rate first")
    made.add_argument("--start-frame", type=int, metavar="N", help="where the sound file begins")
    made.add_argument(
        "--feel-before", type=int, metavar="N", help="frames felt before the sound (0)"
    )
    made.add_argument("--feel-after", type=int, metavar="N", help="frames felt after it (0)")
    made.add_argument("--open", metavar="FILE.blend", help="open this file first")
    made.add_argument("--save", metavar="FILE.blend", help="save the result here")
    made.add_argument(
        "--jobs", metavar="FILE", help="several jobs: a .json list of such options, or a .csv table"
    )
    made.add_argument(
        "--part",
        metavar="I/N",
        help="only the Ith of N parts of the list; jobs on one file stay together",
    )
    made.add_argument(
        "--results",
        metavar="FOLDER",
        help="write a result file for each job here, and leave out what is done and unchanged",
    )
    made.add_argument("--again", action="store_true", help="do also what is done")
    made.add_argument("--engine", choices=("auto", "onnx", "torch"))
    made.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    made.add_argument("--python", metavar="FILE", help="the Python that has the engine's packages")
    return made


def jobs_of(options: argparse.Namespace) -> list[BakeJob]:
    """The jobs of the list, or the one of the command line. InputError names what is wrong."""
    names = [field.name for field in fields(BakeJob)]
    given = {k: v for k in names if (v := getattr(options, k, None)) is not None}
    if "strip" in given:
        given["strip"] = tuple(given["strip"])
    common = BakeJob(**given)
    if options.jobs is not None:
        return jobs.read_list(Path(options.jobs), common)
    jobs.check(common)
    return [common]


def engine_of(options: argparse.Namespace) -> Engine:
    """The engine of the preferences, with what the options change. InputError for a wrong one."""
    engine = chosen_engine()
    if options.python is not None and not Path(options.python).is_file():
        raise InputError(f"There is no Python “{options.python}”.", "Check --python.")
    given = {
        name: value
        for name in ("engine", "device", "python")
        if (value := getattr(options, name)) is not None
    }
    return replace(engine, **given)
