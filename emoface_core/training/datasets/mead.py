# SPDX-License-Identifier: GPL-3.0-or-later
"""3DMEAD, EMOTE's pseudo-captured MEAD, as its makers give it or as ProbTalk3D exports it.

- EMOTE: `<speaker>/front/<emotion>/level_<k>/<sentence>/shape_pose_cam.hdf5`, of `shape`, `exp` and
  `jaw`, (1, frames at 25 fps, ·); sounds at `<speaker>/…/<emotion>/level_<k>/<sentence>.wav`.
- ProbTalk3D: `<speaker>_<sentence>_<emotion>_<level>.npy`, (1, frames, 403), the same numbers one
  after another: 300 shape, 100 expression and 3 jaw parameters of FLAME; sounds of the same name.

Emotions 0 to 7 are neutral, happy, sad, surprised, fear, disgusted, angry, contempt; levels 0 to 2
are level_1 to level_3. Sentences are split as ProbTalk3D splits them: of neutral 1–32, 33–36,
37–40, of the others 1–24, 25–27, 28–30. Under each emotion a number is another sentence, so there
are no pairs.
"""

import re
from pathlib import Path

from emoface_core.emotions import emotion_index
from emoface_core.errors import InputError
from emoface_core.face.flame import Flame
from emoface_core.training.datasets.clips import (
    SOUNDS,
    Clip,
    ClipSet,
    Split,
    files_below,
    one_each,
    without_motion,
)
from emoface_core.training.datasets.motion import Motion, read_motion

FPS = 25.0
LEVELS = 3
_FOLDERS = ("neutral", "happy", "sad", "surprised", "fear", "disgusted", "angry", "contempt")
_EMOTIONS = ("neutral", "happy", "sad", "surprised", "fearful", "disgust", "angry", None)
_NAME = re.compile(
    r"(?P<speaker>[MW]\d{3})_(?P<sentence>\d{3})_(?P<emotion>[0-7])_(?P<level>[0-2])"
)
_PLACE = re.compile(
    r"(?P<speaker>[MW]\d{3})/[^/]+/(?P<emotion>[a-z]+)/level_(?P<level>[1-3])/(?P<sentence>\d{3})$"
)
RECONSTRUCTION = "shape_pose_cam.hdf5"


def open_mead(folder: Path, flame: Flame | None) -> ClipSet:
    """The clips of a 3DMEAD folder. InputError if a name is none of its."""
    recordings = [p for p in files_below(folder, (".hdf5",)) if p.name == RECONSTRUCTION]
    motions = one_each(files_below(folder, (".npy",)), "motion")
    motions |= _by_place([(path.parent, path) for path in recordings if "front" in path.parts])
    heard = files_below(folder, SOUNDS)
    placed = [path for path in heard if _name(path.with_suffix("")) and not _NAME.match(path.stem)]
    sounds = one_each([path for path in heard if path not in placed], "sound")
    sounds |= _by_place([(path.with_suffix(""), path) for path in placed])
    clips, missing, unused = [], [], list(without_motion(sounds, motions))
    for name, path in motions.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(
                f"“{path.name}” is not named as 3DMEAD's files are, such as M003_001_0_0.npy"
                " (speaker_sentence_emotion_level).",
                "Give it its name back, or take it out of the folder.",
            )
        emotion = _EMOTIONS[int(match["emotion"])]
        split = _split(int(match["sentence"]), neutral=emotion == "neutral")
        if name not in sounds:
            missing.append(f"{name}.wav")
        elif emotion is None:
            unused.append(f"{name}: contempt is none of the eight emotions")
        elif split is None:
            unused.append(f"{name}: a sentence of no split")
        else:
            index, level = emotion_index(emotion), int(match["level"])
            clips.append(
                Clip(name, sounds[name], path, match["speaker"], split, index, level, LEVELS)
            )

    def read(clip: Clip) -> Motion:
        return read_motion(clip.motion, FPS, flame=flame)

    return ClipSet("mead", tuple(clips), read, tuple(missing), tuple(unused))


def _by_place(found: list[tuple[Path, Path]]) -> dict[str, Path]:
    """Files by the name that ProbTalk3D gives to what lies at such a place."""
    by_name: dict[str, Path] = {}
    for place, path in found:
        name = _name(place)
        if name is None:
            raise InputError(
                f"“{path}” is not at a place of 3DMEAD, such as"
                f" M003/front/happy/level_2/012/{RECONSTRUCTION}.",
                "Put it back where it was, or take it out of the folder.",
            )
        if name in by_name:
            raise InputError(
                f"“{path}” and “{by_name[name]}” are the same take.", "Keep one of them."
            )
        by_name[name] = path
    return by_name


def _name(place: Path) -> str | None:
    """M003_012_1_1 of M003/front/happy/level_2/012; None if it is no such place."""
    match = _PLACE.search(place.as_posix())
    if match is None or match["emotion"] not in _FOLDERS:
        return None
    emotion, level = _FOLDERS.index(match["emotion"]), int(match["level"]) - 1
    return f"{match['speaker']}_{match['sentence']}_{emotion}_{level}"


def _split(sentence: int, *, neutral: bool) -> Split | None:
    train, held_out, test = (32, 36, 40) if neutral else (24, 27, 30)
    if not 1 <= sentence <= test:
        return None
    if sentence <= train:
        return "train"
    return "held_out" if sentence <= held_out else "test"
