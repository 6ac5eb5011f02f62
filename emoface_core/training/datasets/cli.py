# SPDX-License-Identifier: GPL-3.0-or-later
"""`datasets inspect KIND FOLDER`: is it all there? `datasets flame MODEL.pkl -o FLAME.npz`."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from emoface_core.audio.files import open_audio
from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.face.flame import convert_flame
from emoface_core.training.datasets.clips import SPLITS, ClipSet
from emoface_core.training.datasets.source import check_lengths, open_clips

KINDS = ("vocaset", "ravdess", "mead", "folder")
_SPLIT_WORDS = {"train": "training", "held_out": "validation", "test": "test"}
_LISTED = 10


def main(arguments: list[str]) -> int:
    """Run a subcommand; 0, or 2 where the folder is not fit to train on."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser("inspect", help="look at a folder of captured speech")
    inspect.add_argument("kind", choices=KINDS)
    inspect.add_argument("folder", type=Path)
    inspect.add_argument("--flame", default="", metavar="FLAME.npz", help="a converted FLAME model")
    inspect.add_argument("--all", action="store_true", help="read every motion, not one a split")
    flame = commands.add_parser("flame", help="convert FLAME's own model file, without running it")
    flame.add_argument("model", type=Path, help="generic_model.pkl, flame2023.pkl or an .npz")
    flame.add_argument("-o", "--out", type=Path, required=True, metavar="FLAME.npz")
    options = parser.parse_args(arguments)
    if options.command == "flame":
        made = convert_flame(options.model, options.out)
        sys.stdout.write(
            f"{options.out}: {len(made.shapes)} shapes, {len(made.expressions)} expressions.\n"
        )
        return 0
    clips = open_clips(options.kind, options.folder, options.flame)
    rates, faults = _read(clips, everything=options.all)
    sys.stdout.write("\n".join([*_counts(clips), *rates, *_lists(clips), *faults]) + "\n")
    ready = clips.of("train") and clips.of("held_out") and not clips.missing and not faults
    sys.stdout.write("Ready to train.\n" if ready else "Not ready to train.\n")
    return 0 if ready else 2


def _counts(clips: ClipSet) -> Iterator[str]:
    for split in SPLITS:
        some = clips.of(split)
        if not some:
            yield f"{_SPLIT_WORDS[split]}: no clips"
            continue
        hours = sum(open_audio(clip.sound).seconds for clip in some) / 3600
        speakers = {clip.speaker for clip in some}
        said = f"{len(some)} clips, {len(speakers)} speakers, {hours:.2f} h"
        counts = Counter(EMOTIONS[clip.emotion] for clip in some if clip.emotion >= 0)
        feelings = ", ".join(f"{name} {counts[name]}" for name in EMOTIONS if counts[name])
        yield f"{_SPLIT_WORDS[split]}: {said}" + (f"; {feelings}" if feelings else "")
    takes = Counter(clip.content for clip in clips.of("train") if clip.content is not None)
    paired = sum(count for count in takes.values() if count > 1)
    yield f"clips with a partner of the same content: {paired}"
    yield f"styles (speakers to train on): {len(clips.speakers)}"


def _lists(clips: ClipSet) -> Iterator[str]:
    for what, names in (("missing", clips.missing), ("passed over", clips.unused)):
        if names:
            yield f"{what}: {len(names)}"
            yield from (f"  {name}" for name in names[:_LISTED])
            if len(names) > _LISTED:
                yield f"  … and {len(names) - _LISTED} more"


def _read(clips: ClipSet, *, everything: bool) -> tuple[list[str], list[str]]:
    """The frame rates found in the motion, and what is wrong with it, a line each."""
    rates: Counter[float] = Counter()
    faults: list[str] = []
    for split in SPLITS:
        for clip in clips.of(split) if everything else clips.of(split)[:1]:
            try:
                motion = clips.read(clip)
                check_lengths(clip, open_audio(clip.sound).seconds, motion.seconds)
                rates[motion.fps] += 1
            except InputError as error:
                faults.append(f"unreadable: {error}")
    found = ", ".join(f"{rate:g} fps" for rate in sorted(rates))
    return ([f"motion: {found} ({rates.total()} files read)"] if found else []), faults
