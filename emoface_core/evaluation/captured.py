# SPDX-License-Identifier: GPL-3.0-or-later
"""Against captured motion: does each part of the mouth move when the actor's did?

FACEGOOD's capture is a list of Maya blendshape curves of another face, so that shapes cannot be
compared, but courses can: Pearson's r of a predicted and a captured curve, at the best lag within
±2 frames, because the capture trails its sound by one to two frames (33 to 67 ms).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.evaluation.timing import best_lag
from emoface_core.face.head import Head

MOST_LAG = 2  # frames
ACTIVE = 0.01  # the standard deviation of a captured curve (0 to 1) that counts as moving

JAW = "jawOpen"
# Captured curves -> shapes of our rig. After the sheet that comes with the data, and two of the
# actor's curves that it leaves out: `oo` is how she purses her lips, `oh` how she rounds them open.
PAIRS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "jaw opening": (("mouth_stretch_c",), (JAW,)),
    "pursing (oo)": (("mouth_oo_c", "mouth_pucker_l", "mouth_pucker_r"), ("mouthPucker",)),
    "funnel": (
        ("mouth_funnel_dl", "mouth_funnel_dr", "mouth_funnel_ul", "mouth_funnel_ur"),
        ("mouthFunnel",),
    ),
    "open rounding (oh)": (("mouth_oh_c",), ("mouthFunnel", "mouthPucker")),
    "corners pulled": (
        ("mouth_lipCornerPull_l", "mouth_lipCornerPull_r"),
        ("mouthSmile_L", "mouthSmile_R"),
    ),
    "lips stretched": (
        ("mouth_lipStretch_l", "mouth_lipStretch_r"),
        ("mouthStretch_L", "mouthStretch_R"),
    ),
    "lower lip down": (
        ("mouth_lowerLipDepress_l", "mouth_lowerLipDepress_r"),
        ("mouthLowerDown_L", "mouthLowerDown_R"),
    ),
    "upper lip up": (
        ("mouth_upperLipRaise_l", "mouth_upperLipRaise_r"),
        ("mouthUpperUp_L", "mouthUpperUp_R"),
    ),
    "lower lip rolled in": (("mouth_suck_dl", "mouth_suck_dr"), ("mouthRollLower",)),
    "upper lip rolled in": (("mouth_suck_ul", "mouth_suck_ur"), ("mouthRollUpper",)),
}


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike a predicted and a captured curve run: `r` at `lag` frames.

    A negative lag means that the prediction comes before the capture.
    """

    name: str
    r: float
    lag: int


def rig_weights(
    offsets: NDArray[np.floating], head: Head, *, steps: int = 300
) -> NDArray[np.float64]:
    """(T, K) weights of the rig that come nearest to offsets (T, V, 3), none below 0.

    Only shapes of mouth and jaw are used, on the lower face; the others are 0. Non-negative least
    squares with a little damping (several shapes nearly say the same), by accelerated projected
    gradients (Beck & Teboulle 2009).
    """
    region = head.regions["lower_face"]
    names = head.shape_names
    used = [k for k, name in enumerate(names) if name.startswith(("mouth", "jaw"))]
    shapes = head.shapes[used][:, region].reshape(len(used), -1).astype(np.float64)
    gram = shapes @ shapes.T
    gram += 1e-3 * np.trace(gram) / len(used) * np.eye(len(used))
    target = offsets[:, region].reshape(len(offsets), -1) @ shapes.T
    step = 1 / np.linalg.eigvalsh(gram)[-1]
    weights = ahead = np.zeros((len(offsets), len(used)))
    speed = 1.0
    for _ in range(steps):
        following = np.maximum(ahead - step * (ahead @ gram - target), 0)
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead = following + (speed - 1) / faster * (following - weights)
        weights, speed = following, faster
    found = np.zeros((len(offsets), len(names)))
    found[:, used] = weights
    return found


def captured_curve(
    curves: NDArray[np.floating], names: Sequence[str], wanted: Sequence[str]
) -> NDArray[np.float64] | None:
    """(T,) the mean of the wanted captured curves that move; None if none does."""
    moving = [
        k for k, name in enumerate(names) if name in wanted and float(curves[:, k].std()) > ACTIVE
    ]
    return curves[:, moving].astype(np.float64).mean(axis=1) if moving else None


def likenesses(
    weights: NDArray[np.floating],
    jaw: NDArray[np.floating],
    head: Head,
    curves: NDArray[np.floating],
    names: Sequence[str],
) -> list[Likeness]:
    """One `Likeness` for each pair of `PAIRS` whose captured curves move; the jaw comes first.

    `weights` (T, K) as `rig_weights` gives; the jaw is `jaw` (T,) instead, its opening measured on
    the mesh; `curves` (T', C) captured, named by `names`, at the same rate. Left and right are
    averaged. A predicted curve that never moves has r = 0: it follows nothing.
    """
    found = []
    for name, (theirs, ours) in PAIRS.items():
        truth = captured_curve(curves, names, theirs)
        if truth is None:
            continue
        columns = [head.shape_names.index(shape) for shape in ours]
        mine = jaw if ours == (JAW,) else weights[:, columns].mean(axis=1)
        lagged = best_lag(mine, truth, MOST_LAG)
        found.append(Likeness(name, 0.0 if np.isnan(lagged.r) else lagged.r, lagged.lag))
    return found
