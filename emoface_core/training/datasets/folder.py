# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain folder: a sound and a motion of the same name, of anybody's own.

Motion is an .npz (offsets, vertices with template, FLAME's parameters, or curves with names; what
`animate` writes and an animator corrects is one), or a Live Link Face .csv. An .npz may also say
`speaker`, `emotion` (one of the eight) and `intensity`. Clips in folders named `train`, `held_out`
and `test` belong to these; otherwise a tenth, at least one, is held out, by name.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from emoface_core.emotions import emotion_index
from emoface_core.errors import InputError
from emoface_core.face.flame import Flame
from emoface_core.training.datasets.clips import (
    SOUNDS,
    SPLITS,
    Clip,
    ClipSet,
    files_below,
    one_each,
    without_motion,
)
from emoface_core.training.datasets.motion import Motion, read_motion

LEVELS = 10  # that an intensity is told in


def open_folder(folder: Path, flame: Flame | None = None) -> ClipSet:
    """The clips of a plain folder. InputError if a file says what cannot be."""
    motions = one_each(files_below(folder, (".npz", ".csv")), "motion")
    sounds = one_each(files_below(folder, SOUNDS), "sound")
    clips = [
        _labelled(Clip(name, sounds[name], path, "", "train"))
        for name, path in motions.items()
        if name in sounds
    ]
    missing = tuple(f"{name}.wav" for name in motions if name not in sounds)

    def read(clip: Clip) -> Motion:
        return read_motion(clip.motion, 0.0, flame=flame)

    unused = without_motion(sounds, motions)
    return ClipSet("folder", tuple(_split(clips, folder)), read, missing, unused)


def _labelled(clip: Clip) -> Clip:
    if clip.motion.suffix.lower() != ".npz":
        return clip
    try:
        with np.load(clip.motion, allow_pickle=False) as archive:  # the labels alone: motion is big
            said = {
                key: archive[key] for key in ("speaker", "emotion", "intensity") if key in archive
            }
    except (ValueError, OSError, EOFError, AttributeError) as error:
        raise InputError(
            f"“{clip.motion}” is not a readable .npz file ({error}).", "Make it again."
        ) from None
    if any(np.size(value) != 1 for value in said.values()):
        return clip
    labels = {key: np.asarray(value).reshape(-1)[0] for key, value in said.items()}
    strength = float(labels.get("intensity", 1.0))
    return replace(
        clip,
        speaker=str(labels.get("speaker", "")),
        emotion=emotion_index(str(labels["emotion"])) if "emotion" in labels else -1,
        level=max(0, min(LEVELS, round(strength * LEVELS)) - 1),
        levels=LEVELS,
    )


def _split(clips: list[Clip], folder: Path) -> list[Clip]:
    placed = [
        next((s for s in SPLITS if s in clip.motion.relative_to(folder).parts[:-1]), None)
        for clip in clips
    ]
    if any(placed):
        return [replace(c, split=s or "train") for c, s in zip(clips, placed, strict=True)]
    # By a digest of the name, so that a clip keeps its side when others join.
    order = sorted(clips, key=lambda c: hashlib.sha256(c.name.encode()).digest())
    aside = {clip.name for clip in order[: max(1, round(len(order) / 10))]}
    return [replace(c, split="held_out" if c.name in aside else "train") for c in clips]
