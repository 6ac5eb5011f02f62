# SPDX-License-Identifier: GPL-3.0-or-later
"""3D-RAVDESS, the paper's emotional set, as anybody may remake it from RAVDESS's videos.

Files keep RAVDESS's names, modality-vocal-emotion-intensity-statement-repetition-actor, wherever in
the folder they are: sounds, and motion at 30 fps as vertices (.npy, .npz; with `templates.npz` or
`templates.pkl` by actor) or FLAME's parameters (.npz). Actors 1 to 20 train, 21 and 22 validate, 23
and 24 test. Clips of one actor, statement and repetition in two emotions are the paper's pairs.
"""

import re
from pathlib import Path

from numpy.typing import NDArray

from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.face.flame import Flame
from emoface_core.training.datasets.clips import (
    SOUNDS,
    Clip,
    ClipSet,
    Split,
    files_below,
    without_motion,
)
from emoface_core.training.datasets.motion import Motion, read_motion
from emoface_core.training.datasets.vocaset import read_templates

FPS = 30.0
LEVELS = 2  # normal, strong
SPEECH = "01"  # the vocal channel; 02 is song
_NAME = re.compile(r"\d\d(-\d\d){6}")
_LIMITS = {"emotion": 8, "intensity": 2, "statement": 2, "repetition": 2, "actor": 24}


def open_ravdess(folder: Path, flame: Flame | None = None) -> ClipSet:
    """The clips of a 3D-RAVDESS folder. InputError if a name is none of RAVDESS's."""
    sounds = _by_name(files_below(folder, SOUNDS))
    motions = _by_name(
        [p for p in files_below(folder, (".npy", ".npz")) if not p.stem.startswith("template")]
    )
    has_templates = any((folder / f"templates.{ending}").is_file() for ending in ("npz", "pkl"))
    templates = _by_actor(read_templates(folder)) if has_templates else {}
    clips, missing, unused = [], [], list(without_motion(sounds, motions))
    for name, path in motions.items():
        vocal, emotion, intensity, statement, repetition, actor = name.split("-")
        if vocal != SPEECH:
            unused.append(f"{path.name}: song")
            continue
        if name not in sounds:
            missing.append(f"{path.stem}.wav")
            continue
        clip = Clip(
            path.stem,
            sounds[name],
            path,
            actor,
            _split(int(actor)),
            emotion=int(emotion) - 1,  # RAVDESS's order is ours
            level=int(intensity) - 1,
            levels=LEVELS,
            content=(actor, statement, repetition),
        )
        clips.append(clip)

    def read(clip: Clip) -> Motion:
        return read_motion(clip.motion, FPS, template=templates.get(clip.speaker), flame=flame)

    return ClipSet("ravdess", tuple(clips), read, tuple(missing), tuple(unused))


def _by_name(paths: list[Path]) -> dict[str, Path]:
    """Paths by RAVDESS's name without its modality: sound and video of a take share the rest."""
    found: dict[str, Path] = {}
    for path in paths:
        if not _NAME.fullmatch(path.stem) or not _possible(path.stem):
            raise InputError(
                f"“{path.name}” is not named as RAVDESS's files are, such as 03-01-05-02-01-01-12.",
                "The parts are: modality, vocal channel, emotion, intensity, statement, repetition,"
                " actor. Give the file its name back, or take it out.",
            )
        name = path.stem[3:]
        if name in found:
            raise InputError(
                f"“{path}” and “{found[name]}” are the same take.", "Keep one of them."
            )
        found[name] = path
    return found


def _possible(stem: str) -> bool:
    values = [int(part) for part in stem.split("-")[2:]]
    known = zip(values, _LIMITS.values(), strict=True)
    return all(1 <= value <= most for value, most in known) and values[0] <= len(EMOTIONS)


def _by_actor(templates: dict[str, NDArray]) -> dict[str, NDArray]:
    """Templates named “01”, “Actor_01” or “actor1”, by actor as in the files' names."""
    found = {}
    for name, face in templates.items():
        number = re.search(r"\d+$", name)
        if number is None:
            raise InputError(f"The template “{name}” names no actor.", "Name it as Actor_01.")
        found[f"{int(number[0]):02}"] = face
    return found


def _split(actor: int) -> Split:
    if actor <= 20:
        return "train"
    return "held_out" if actor <= 22 else "test"
