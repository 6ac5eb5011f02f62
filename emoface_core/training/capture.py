# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured Maya curves (FACEGOOD's Voice2Face set) as curves of our rig.

The pairs follow FACEGOOD's own sheet, `blendshape_to_arkit.xlsx`; that splits some of ARKit's
shapes in parts, of which the largest counts. Two shapes of theirs that the sheet leaves out are
whole mouths: `mouth_oh_c` an open rounded one and `mouth_oo_c` pursed lips.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.face.contacts import mouth_rig
from emoface_core.training.articulation import NETWORK_RATE, Curves
from emoface_core.training.phones import SILENCE, PhoneSpan

CAPTURE_LAG = 1.5 / 30  # seconds by which the capture trails its sound: one to two frames
HOP = round(SAMPLE_RATE / NETWORK_RATE)  # samples in a frame
_QUIET_DB = 40.0  # below the loud frames; the motion of such silence is at rest
_PAUSE, _STRETCH = 8, (400, 700)  # frames: a pause that is cut in, and how far cuts are apart
_SHUT = 0.0006  # metres between lips that count as shut
_LIPS_CROSS = -0.0003  # metres: what a mapped pose may press the lips, at the most

# Our shape (without _L/_R: both sides) <- parts of which the largest counts, and how much.
_PAIRS: dict[str, tuple[tuple[str, ...], float]] = {
    "jawOpen": (("mouth_stretch_c",), 1.0),
    "jawForward": (("jaw_thrust_c",), 1.0),
    "jawLeft": (("jaw_sideways_l",), 1.0),
    "jawRight": (("jaw_sideways_r",), 1.0),
    "mouthLeft": (("mouth_sideways_l",), 1.0),
    "mouthRight": (("mouth_sideways_r",), 1.0),
    "mouthFunnel": (
        ("mouth_funnel_dl", "mouth_funnel_dr", "mouth_funnel_ul", "mouth_funnel_ur"),
        1.0,
    ),
    "mouthPucker": (("mouth_pucker_l", "mouth_pucker_r"), 1.0),
    "mouthRollLower": (("mouth_suck_dl", "mouth_suck_dr"), 1.0),
    "mouthRollUpper": (("mouth_suck_ul", "mouth_suck_ur"), 1.0),
    "mouthShrugLower": (("mouth_chinRaise_d",), 1.0),
    "mouthShrugUpper": (("mouth_chinRaise_u",), 1.0),
} | {
    f"{ours}_{side.upper()}": (tuple(f"{part}_{side}" for part in parts), 1.0)
    for side in "lr"
    for ours, parts in {
        "mouthSmile": ("mouth_lipCornerPull",),
        "mouthFrown": ("mouth_lipCornerDepress", "mouth_lipCornerDepressFix"),
        "mouthDimple": ("mouth_dimple",),
        "mouthStretch": ("mouth_lipStretch",),
        "mouthPress": ("mouth_press",),
        "mouthLowerDown": ("mouth_lowerLipDepress",),
        "mouthUpperUp": ("mouth_upperLipRaise",),
    }.items()
}
_WHOLE_MOUTHS = {
    "mouth_oh_c": {"mouthFunnel": 0.55, "mouthPucker": 0.40, "jawOpen": 0.10},
    "mouth_oo_c": {"mouthPucker": 0.90, "mouthFunnel": 0.15},
}


def rig_curves(
    values: NDArray[np.floating],
    names: Sequence[str],
    fps: float,
    *,
    rate: float = NETWORK_RATE,
    lag: float = CAPTURE_LAG,
) -> Curves:
    """(N, K) weights of our rig at times i / rate from captured `values` (T, S) at `fps`.

    The capture is moved `lag` seconds earlier. N = floor(T / fps * rate) + 2, as for the network.
    InputError if the curves are not FACEGOOD's or not finite.
    """
    column = {name: i for i, name in enumerate(names)}
    wanted = {part for parts, _ in _PAIRS.values() for part in parts} | set(_WHOLE_MOUTHS)
    if missing := sorted(wanted - set(column)):
        raise InputError(
            f"The captured curves lack “{missing[0]}”.", "Give FACEGOOD's 116 curves with names."
        )
    if not np.isfinite(values).all():
        raise InputError("The captured curves hold values that are not numbers.", "Clean them.")
    rig = mouth_rig()
    mapped = np.zeros((len(values), len(rig.index)))
    for ours, (parts, gain) in _PAIRS.items():
        mapped[:, rig.index[ours]] = gain * np.max([values[:, column[p]] for p in parts], axis=0)
    for theirs, mix in _WHOLE_MOUTHS.items():
        for ours, gain in mix.items():
            mapped[:, rig.index[ours]] += gain * values[:, column[theirs]]
    count = int(np.floor(len(values) / fps * rate + 1e-9)) + 2
    moved = _resampled(mapped, (np.arange(count) / rate + lag) * fps)
    gap = rig.lip_gap(moved)
    crossed = gap < _LIPS_CROSS
    if crossed.any():
        moved[crossed] = rig.with_gap(moved[crossed], np.maximum(gap[crossed], _LIPS_CROSS))
    return np.asarray(moved, np.float32)


def _quiet(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) frames of 20 ms that are part of a pause."""
    count = len(samples) // HOP
    power = np.mean(samples[: count * HOP].reshape(count, HOP) ** 2, axis=1)
    soft = power <= np.percentile(power, 95) * 10 ** (-_QUIET_DB / 10)
    result = np.zeros(count, bool)
    for first, last in _runs(soft):
        result[first:last] = soft[first] and last - first >= _PAUSE
    return result


def _runs(values: NDArray) -> list[tuple[int, int]]:
    """Where equal values follow one another: first and beyond the last."""
    bounds = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return list(pairwise(bounds))


def stretches(samples: NDArray[np.float32]) -> list[tuple[int, int]]:
    """A take cut within its pauses, about ten seconds each: first frame (50 Hz) and end."""
    least, most = _STRETCH
    quiet = _quiet(samples)
    pauses = np.array([(a + b) // 2 for a, b in _runs(quiet) if quiet[a]], int)
    cuts = [0]
    while len(quiet) - cuts[-1] > most + least:
        fit = pauses[(pauses >= cuts[-1] + least) & (pauses <= cuts[-1] + most)]
        cuts.append(int(fit[0]) if len(fit) else cuts[-1] + most)
    return list(pairwise([*cuts, len(quiet)]))


def spans_seen(curves: Curves, samples: NDArray[np.float32]) -> tuple[PhoneSpan, ...]:
    """What motion (N, K) at 50 Hz and its sound tell of phones that nobody wrote down.

    Pauses are silence; where the lips are shut there is some bilabial, "m"; elsewhere a vowel, "ə".
    """
    quiet = _quiet(samples)
    shut = mouth_rig().lip_gap(curves)[: len(quiet)] < _SHUT
    kind = np.where(quiet, 0, np.where(shut, 1, 2))
    names = (SILENCE, "m", "ə")
    return tuple(
        PhoneSpan(names[kind[first]], first / NETWORK_RATE, last / NETWORK_RATE)
        for first, last in _runs(kind)
    )


def _resampled(track: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of `track` at fractional places, by Catmull-Rom; the ends are held."""
    at = np.clip(at, 0, len(track) - 1)
    i = np.minimum(at.astype(np.int64), len(track) - 2)
    f = (at - i)[:, None]
    a, b, c, d = (track[np.clip(i + k, 0, len(track) - 1)] for k in (-1, 0, 1, 2))
    curve = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
    return np.asarray(np.clip(curve, np.minimum(b, c) - 0.05, np.maximum(b, c) + 0.05))
