# SPDX-License-Identifier: GPL-3.0-or-later
"""How far an animation is from the truth: the field's vertex metrics, as they are really computed.

Notation: x(t, v) is where vertex v of the truth is in frame t, y(t, v) the prediction's, r(v) the
template's, all in metres; e(t, v) = |x(t, v) - y(t, v)| is a distance, e² its square; T frames.

The traps, in one place:

* **Squares.** CodeTalker's `cal_metric.py`, which most papers since use, takes no square root: its
  LVE and EVE are squared metres. The papers print them as "x 10⁻⁵ mm". EmoFace's 2.8669 x 10⁻⁵ on
  VOCASET is 2.87e-5 m², about 5.4 mm at the worst lip vertex; a rooted implementation gives 5e-3
  and looks 200 times worse. Both readings are given here under different names.
  The mean of rooted errors is not the root of the mean of squares (it is less or equal, Jensen).
* **What the maximum runs over.** The lip vertices of one frame; the mean then runs over frames.
* **Pooling.** CodeTalker pools the frames of the whole test set, so that long clips weigh more;
  UniTalker and others average clips. `pool` does the first and gives the second beside it.
* **Regions.** FLAME's `lips` has 250 vertices, FaceDiffuser's `lve.txt` 428, others differ again,
  and a maximum depends on its set. Say which was used (`Regions.source`).
* **Axes.** One public script for MVE takes the norm over the vertices (axis 1) instead of over
  x, y, z (axis 2), and its numbers can be compared with nobody's.
* **Units again.** MeshTalk's own LVE is rooted and has the lips' centroid taken away first;
  MemoryTalker's table is in yet another normalisation. Never mix tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.evaluation.clips import Clip, paired
from emoface_core.evaluation.regions import Regions

_BLOCK = 64  # frames at a time: stays in the cache, and a long clip is never doubled


@dataclass(frozen=True, slots=True)
class VertexErrors:
    """The vertex metrics of one clip, or of a set of clips by `pool`.

    `*_sq_m2` are squared metres as the papers print them, `*_mm` millimetres; `fdd` is signed
    (positive: the truth moves more), `fdd_abs` its size (for a set: the mean of sizes), both m².
    """

    frames: int
    lve_sq_m2: float
    lve_mm: float
    lve_centred_mm: float
    eve_sq_m2: float
    eve_mm: float
    mve_mm: float
    fdd_m2: float
    fdd_abs_m2: float


def squared_errors(
    pred: Clip, truth: Clip, region: NDArray[np.integer] | None = None
) -> NDArray[np.float64]:
    """(T, R) e²(t, v) in m² over `region` (all vertices, if None). The clips must be `paired`."""
    chosen = slice(None) if region is None else region
    # Templates may differ (another person's neutral): what is compared is where vertices are.
    shift = pred.template[chosen] - truth.template[chosen]
    parts = []
    for start in range(0, truth.frames, _BLOCK):
        frames = slice(start, start + _BLOCK)
        # Single precision does for a difference of small offsets: seven digits of it are right.
        difference = pred.offsets[frames, chosen] - truth.offsets[frames, chosen]
        difference += shift
        parts.append(np.einsum("tvc,tvc->tv", difference, difference))
    return np.concatenate(parts).astype(np.float64)


def worst_of_region(
    pred: Clip, truth: Clip, region: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per frame, max over v in `region` of e² (m²) and of e (mm): (T,), (T,).

    LVE is the mean over frames for the lips, EVE for eyes and forehead. LVE goes back to MeshTalk
    (Richard et al., ICCV 2021) and is used squared since CodeTalker (Xing et al., CVPR 2023,
    `main/cal_metric.py`); EVE to EmoTalk (Peng et al., ICCV 2023). EmoFace reports both.
    """
    worst = squared_errors(pred, truth, region).max(axis=1)
    return worst, 1000 * np.sqrt(worst)


def centred_lip_error(pred: Clip, truth: Clip, lips: NDArray[np.integer]) -> NDArray[np.float64]:
    """Per frame (T,), mm: MeshTalk's own LVE, rooted and without the motion of the lips as a whole.

    max over v of |(x - mean_lips x) - (y - mean_lips y)|, as its author describes (issue 32 of the
    repository): a jaw that is off by a constant is forgiven, the shape of the mouth is not.
    """
    difference = pred.vertices(lips) - truth.vertices(lips)
    difference -= difference.mean(axis=1, keepdims=True)
    return 1000 * np.linalg.norm(difference, axis=2).max(axis=1)


def mean_vertex_error(pred: Clip, truth: Clip) -> float:
    """MVE, mm: mean over all frames and vertices of e, *not* squared (FaceDiffuser, ScanTalk)."""
    total = 0.0
    for start in range(0, truth.frames, _BLOCK):
        piece = slice(start, start + _BLOCK)
        total += np.sqrt(squared_errors(_slice(pred, piece), _slice(truth, piece))).sum()
    return 1000 * total / (truth.frames * truth.offsets.shape[1])


def upper_face_dynamics(clip: Clip, upper_face: NDArray[np.integer]) -> NDArray[np.float64]:
    """(R,) m²: for each vertex, the population standard deviation over time of |x - r|² .

    The squared norm of the offset, not the norm: a trap within FDD. (CodeTalker, Eq. 8 and code.)
    """
    squared = (clip.offsets[:, upper_face].astype(np.float64) ** 2).sum(axis=2)
    return squared.std(axis=0)


def upper_face_dynamics_deviation(
    pred: Clip, truth: Clip, upper_face: NDArray[np.integer]
) -> float:
    """FDD of one clip, m²: mean over v of (dynamics of the truth - dynamics of the prediction).

    Signed: positive means that the truth's upper face moves more. It compares how *much* is moved,
    never when or whither: a perfect FDD says nothing of likeness. Over a set CodeTalker averages
    the signed values, so that too much and too little cancel; FaceDiffuser and ScanTalk add
    "ABS FDD", the mean of each clip's absolute value. `VertexErrors` has both.
    """
    difference = upper_face_dynamics(truth, upper_face) - upper_face_dynamics(pred, upper_face)
    return float(difference.mean())


def vertex_errors(pred: Clip, truth: Clip, regions: Regions) -> VertexErrors:
    """All vertex metrics of one clip; cuts and checks the two by `paired`."""
    pred, truth = paired(pred, truth)
    regions.check(truth.offsets.shape[1])
    lve_sq, lve = worst_of_region(pred, truth, regions.lips)
    eve_sq, eve = worst_of_region(pred, truth, regions.eyes_and_forehead)
    fdd = upper_face_dynamics_deviation(pred, truth, regions.upper_face)
    return VertexErrors(
        frames=truth.frames,
        lve_sq_m2=float(lve_sq.mean()),
        lve_mm=float(lve.mean()),
        lve_centred_mm=float(centred_lip_error(pred, truth, regions.lips).mean()),
        eve_sq_m2=float(eve_sq.mean()),
        eve_mm=float(eve.mean()),
        mve_mm=mean_vertex_error(pred, truth),
        fdd_m2=fdd,
        fdd_abs_m2=abs(fdd),
    )


def pool(clips: Sequence[VertexErrors], *, by_frames: bool = True) -> VertexErrors:
    """The metrics of a set. `by_frames`: every frame counts alike (CodeTalker); else every clip.

    FDD is always averaged over clips, as everybody does.
    """
    if not clips:
        raise ValueError("there is nothing to pool")
    frames = np.array([clip.frames for clip in clips], np.float64)
    weights = frames / frames.sum() if by_frames else np.full(len(clips), 1 / len(clips))

    def mean(name: str, share: NDArray[np.float64] = weights) -> float:
        return float(share @ np.array([getattr(clip, name) for clip in clips]))

    alike = np.full(len(clips), 1 / len(clips))
    return VertexErrors(
        frames=int(frames.sum()),
        lve_sq_m2=mean("lve_sq_m2"),
        lve_mm=mean("lve_mm"),
        lve_centred_mm=mean("lve_centred_mm"),
        eve_sq_m2=mean("eve_sq_m2"),
        eve_mm=mean("eve_mm"),
        mve_mm=mean("mve_mm"),
        fdd_m2=mean("fdd_m2", alike),
        fdd_abs_m2=mean("fdd_abs_m2", alike),
    )


def _slice(clip: Clip, piece: slice) -> Clip:
    return Clip(clip.offsets[piece], clip.template, clip.faces, clip.fps)
