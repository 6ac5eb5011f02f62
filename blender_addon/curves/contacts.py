# SPDX-License-Identifier: GPL-3.0-or-later
"""What no style may break: lips that speech shuts, and lips and lids that meet without crossing.

The engine makes each emotion so that speech keeps its contacts under it. A region that is made
stronger or weaker, or feels otherwise than the rest of the face, upsets that balance: a sneer
without its mouth would hold the lips apart in m, b and p, a surprise without its jaw would push
them through each other. Here it is restored, on curves alone. NumPy, no bpy.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from emoface_core.easing import smoothstep
from emoface_core.face.contacts import mouth_rig
from emoface_core.face.head import load_head
from emoface_core.face.measures import lid_gaps

Floats = NDArray[np.float32]
Track = NDArray[np.float64]

LIPS = "mouthClose"  # the shape that brings the lips together
MOUTH = ".mouth"  # after a shape's name: the part of it about the mouth, of an emotion

# Lips this far apart (metres, of the speech alone) are shut, respectively free.
_SHUT, _FREE = 0.0003, 0.0020
_EFFORT = 0.002  # metres that the lips' own muscles close: from here on it is a full closure
_SEEN_OPEN = 0.0008  # metres: lips this far apart are seen to be
_LOOSE, _BITE = 0.12, 0.28  # of mouthRollLower: up to here m, b, p; from here on f and v
_LEAST_LID = 0.0002  # metres at full strength: a shape that moves a lid by less has no part in it


def keep_contacts(
    speech: Floats,
    speech_keys: Sequence[str],
    felt: Floats,
    made: Floats,
    emotion_keys: Sequence[str],
) -> Floats:
    """Curves (F, R) of an emotion `felt` in a style, with no contact worse than as it was `made`.

    `speech` (F, S) is what they are laid on, `made` (F, R) the same emotion before the style.
    Where nothing was changed for the worse they are returned as they are.
    """
    kept = _lips_kept(speech, speech_keys, felt, made, emotion_keys)
    return _lids_kept(speech, speech_keys, kept, made, emotion_keys)


def closure(gap: NDArray, curves: Floats, keys: Sequence[str]) -> NDArray:
    """(F,) 0 to 1: how far speech (F, S) shuts lips that are `gap` metres apart.

    At rest, and wherever the lips do nothing, it is 0.
    """
    slopes = np.array([lip_slopes().get(key, 0.0) for key in keys], np.float32)
    effort = np.clip(-np.minimum(curves * slopes, 0).sum(axis=1) / _EFFORT, 0, 1)
    return np.asarray(effort * (1 - smoothstep((gap - _SHUT) / (_FREE - _SHUT))))


def bite(curves: Floats, keys: Sequence[str]) -> Floats:
    """(F,) 0 to 1: how far speech (F, S) has the lower lip at the teeth, as in f and v."""
    if "mouthRollLower" not in keys:
        return np.zeros(len(curves), np.float32)
    return smoothstep((curves[:, keys.index("mouthRollLower")] - _LOOSE) / (_BITE - _LOOSE))


@cache
def lip_slopes() -> Mapping[str, float]:
    """Metres that each shape of our rig adds to the gap between the lips, near their closing."""
    rig, step = mouth_rig(), 0.05
    poses = np.zeros((len(rig.index) + 1, len(rig.index)))
    poses[:, rig.index["jawOpen"]] = 0.3
    poses[:-1] += step * np.eye(len(rig.index))
    *gaps, base = rig.lip_gap(poses).tolist()
    return {name: (gaps[column] - base) / step for name, column in rig.index.items()}


def _lips_kept(
    speech: Floats, speech_keys: Sequence[str], felt: Floats, made: Floats, keys: Sequence[str]
) -> Floats:
    """Lips that speech shuts stay shut, lips that it opens are not shut, and none cross."""
    if LIPS + MOUTH not in keys:  # nothing of the emotion is about the mouth
        return felt
    rig = mouth_rig()
    at_mouth = [key.removesuffix(MOUTH) if key.endswith(MOUTH) else None for key in keys]
    said = _weights(speech, speech_keys)
    shown = said + _weights(felt, at_mouth)
    calm, gap = rig.lip_gap(said), rig.lip_gap(shown)
    before = rig.lip_gap(said + _weights(made, at_mouth))

    least = np.minimum(np.minimum(before, calm), _SEEN_OPEN)
    most = np.maximum(np.maximum(before, calm), 0.0)
    wanted = gap - closure(calm, speech, speech_keys) * np.maximum(gap - most, 0.0)
    wanted = np.maximum(wanted, least)
    some = np.abs(wanted - gap) > 1e-5
    if not some.any():
        return felt
    solved = rig.with_gap(shown[some], wanted[some]) - shown[some]
    kept = felt.copy()
    kept[some, keys.index(LIPS + MOUTH)] += solved[:, rig.index[LIPS]]
    return kept


def _weights(curves: Floats, shapes: Sequence[str | None]) -> Track:
    """Curves (F, n) of some shapes as weights (F, K) of the whole rig; None is left out."""
    rig = mouth_rig()
    weights = np.zeros((len(curves), len(rig.index)))
    there = [column for column, shape in enumerate(shapes) if shape is not None]
    weights[:, [rig.index[shape] for shape in shapes if shape is not None]] = curves[:, there]
    return weights


def _lids_kept(
    speech: Floats, speech_keys: Sequence[str], felt: Floats, made: Floats, keys: Sequence[str]
) -> Floats:
    """Of what shuts the lids as much is taken back as would take them through each other."""
    rest, slopes = _lids()
    slope = np.array([slopes.get(key, (0.0, 0.0)) for key in keys], np.float32)  # (R, 2)
    said = rest + speech @ np.array([slopes.get(key, (0.0, 0.0)) for key in speech_keys])
    gap, before = said + felt @ slope, said + made @ slope
    crossed = np.maximum(np.minimum(before, 0.0) - gap, 0.0)  # (F, 2) metres
    if not crossed.any():
        return felt
    kept = felt.copy()
    for side in range(2):
        closing = np.minimum(felt * slope[:, side], 0.0)
        total = -closing.sum(axis=1)
        back = np.clip(crossed[:, side] / np.maximum(total, 1e-9), 0.0, 1.0)
        kept -= np.where(closing < 0, felt * back[:, None], 0.0)
    return np.asarray(kept, np.float32)


@cache
def _lids() -> tuple[Floats, Mapping[str, tuple[float, float]]]:
    """Gap (2,) between the lids at rest, and what each shape adds to it, in metres."""
    head = load_head()
    rest, *shaped = lid_gaps(
        np.concatenate([head.vertices[None], head.vertices + head.shapes]), head
    )
    moved = np.stack(shaped) - rest
    slopes = {
        name: (float(left), float(right))
        for name, (left, right) in zip(head.shape_names, moved, strict=True)
        if max(abs(left), abs(right)) >= _LEAST_LID
    }
    return rest, slopes
