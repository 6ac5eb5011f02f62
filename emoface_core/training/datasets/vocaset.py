# SPDX-License-Identifier: GPL-3.0-or-later
"""VOCASET as FaceFormer and all after it lay it out.

`vertices_npy/<speaker>_sentenceNN.npy` (frames at 60 fps, 15069), `wav/<the same>.wav`,
`templates.pkl` (speaker -> (5023, 3)). Eight speakers train (sentences 1 to 40), two validate and
two test (21 to 40).
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face.topology import FLAME_VERTICES
from emoface_core.files import load_npz
from emoface_core.inert_pickle import read_pickle
from emoface_core.training.datasets.clips import (
    Clip,
    ClipSet,
    Split,
    existing,
    one_each,
    without_motion,
)
from emoface_core.training.datasets.motion import Motion, read_motion

FPS = 60.0
# The order is that of the one-hot styles of every published model.
TRAIN = tuple(
    f"FaceTalk_{name}_TA"
    for name in (
        "170728_03272", "170904_00128", "170725_00137", "170915_00223",
        "170811_03274", "170913_03279", "170904_03276", "170912_03278",
    )
)  # fmt: skip
HELD_OUT = ("FaceTalk_170811_03275_TA", "FaceTalk_170908_03277_TA")
TEST = ("FaceTalk_170809_00138_TA", "FaceTalk_170731_00024_TA")
_LATE_SENTENCES = range(21, 41)
_NAME = re.compile(r"(?P<speaker>.+)_sentence(?P<sentence>\d\d)")


def open_vocaset(folder: Path) -> ClipSet:
    """The clips of a VOCASET folder. InputError if it is laid out otherwise."""
    for part in ("vertices_npy", "wav"):
        if not (existing(folder) / part).is_dir():
            raise InputError(
                f"“{folder}” holds no folder “{part}”.",
                "Lay VOCASET out as FaceFormer does: vertices_npy, wav, templates.pkl.",
            )
    templates = read_templates(folder)
    motions = one_each(sorted((folder / "vertices_npy").glob("*.npy")), "vertex")
    sounds = one_each(sorted((folder / "wav").glob("*.wav")), "sound")
    clips, missing, unused = [], [], list(without_motion(sounds, motions))
    for name, path in motions.items():
        speaker, sentence = _parsed(name)
        split = _split(speaker)
        if split is None:
            raise InputError(
                f"“{path.name}” is of “{speaker}”, who is none of VOCASET's twelve speakers.",
                "Use “folder” for recordings of your own.",
            )
        if speaker not in templates:
            raise InputError(f"The templates lack “{speaker}”.", "Use VOCASET's own templates.pkl.")
        if name not in sounds:
            missing.append(f"{name}.wav")
        elif split != "train" and sentence not in _LATE_SENTENCES:
            unused.append(f"{path.name}: sentences 21 to 40 alone are kept of this speaker")
        else:
            clips.append(Clip(name, sounds[name], path, speaker, split))

    def read(clip: Clip) -> Motion:
        return read_motion(clip.motion, FPS, template=templates[clip.speaker])

    return ClipSet("vocaset", tuple(clips), read, tuple(missing), tuple(unused), TRAIN)


def read_templates(folder: Path) -> dict[str, NDArray]:
    """Neutral faces (5023, 3) by speaker, of `templates.npz` or `templates.pkl`.

    The pickle is read without being run. InputError if there is neither, or it is something else.
    """
    npz, pkl = folder / "templates.npz", folder / "templates.pkl"
    if not npz.is_file() and not pkl.is_file():
        raise InputError(f"“{folder}” holds no templates.pkl.", "It comes with the data set.")
    path = npz if npz.is_file() else pkl
    found = load_npz(npz) if npz.is_file() else read_pickle(pkl)
    if not isinstance(found, dict) or not found:
        raise InputError(f"“{path}” holds no faces by name.", "Use the one of the data set.")
    templates = {str(name): np.asarray(face) for name, face in found.items()}
    for name, face in templates.items():
        if face.shape != (FLAME_VERTICES, 3) or face.dtype.kind != "f":
            raise InputError(
                f"The face “{name}” in “{path}” has the form {face.shape}, not"
                f" ({FLAME_VERTICES}, 3).",
                "Use the templates of the data set.",
            )
    return templates


def _parsed(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            f"“{name}.npy” is not named as VOCASET's files are, <speaker>_sentenceNN.",
            "Take it out of the folder, or give it its name back.",
        )
    return match["speaker"], int(match["sentence"])


def _split(speaker: str) -> Split | None:
    parts: tuple[tuple[Split, tuple[str, ...]], ...] = (
        ("train", TRAIN), ("held_out", HELD_OUT), ("test", TEST),
    )  # fmt: skip
    return next((split for split, names in parts if speaker in names), None)
