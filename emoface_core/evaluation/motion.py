# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs no truth but the labels: still in silence, steady in vowels.

Lips are (T, R, 3) metres: the vertices of the lips over time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.training.phones import SILENCE, VOWELS, PhoneSpan

# Mouths close after speech and open before it: the edges of a silence that are not judged.
AFTER_SPEECH, BEFORE_SPEECH = 0.30, 0.20
VOWEL_EDGE = 0.04  # seconds at each end of a vowel that belong to the transition
STEADY_VOWEL = 0.12  # seconds: the shortest vowel with a steady middle
JITTER_HZ = 12.0  # syllables come at 3 to 8 Hz, single articulator strokes at up to about 10


@dataclass(frozen=True, slots=True)
class Silence:
    """Lips in silence; add clips. `squares` is the sum over frames of mm² about the mean place.

    `gaps_mm` is the size of the lips' gap in each frame.
    """

    squares: float = 0.0
    gaps_mm: tuple[float, ...] = ()

    @property
    def motion_mm(self) -> float:
        """Root mean square motion; NaN without frames."""
        return float(np.sqrt(self.squares / len(self.gaps_mm))) if self.gaps_mm else float("nan")

    @property
    def gap_mm(self) -> float:
        """The largest gap; NaN without frames."""
        return max(self.gaps_mm, default=float("nan"))

    @property
    def usual_gap_mm(self) -> float:
        """The gap that 95 % of frames stay within; NaN without frames."""
        return float(np.percentile(self.gaps_mm, 95)) if self.gaps_mm else float("nan")

    def __add__(self, other: "Silence") -> "Silence":
        return Silence(self.squares + other.squares, self.gaps_mm + other.gaps_mm)


def silent_frames(spans: Sequence[PhoneSpan], frames: int, fps: float) -> NDArray[np.bool_]:
    """(frames,) frames well inside the labelled silences, away from speech by the times above."""
    times = np.arange(frames) / fps
    silent = np.zeros(frames, bool)
    merged = _silences(spans)
    last = max((span.end for span in spans), default=0.0)
    for start, end in merged:
        begin = start + AFTER_SPEECH if start > 0 else start
        stop = end - BEFORE_SPEECH if end < last else end
        silent |= (times >= begin) & (times < stop)
    return silent


def silence(
    lips: NDArray[np.floating], lip_gap: NDArray[np.floating], silent: NDArray[np.bool_]
) -> Silence:
    """How still and how shut the lips are in the frames `silent` (T,).

    motion = sqrt(mean over t, v of |x(t, v) - mean over t of x(t, v)|²) over all silent frames of
    the clip together, so that a mouth which rests differently in each pause shows too.
    """
    if not silent.any():
        return Silence()
    still = np.asarray(lips, np.float64)[silent]
    spread = ((still - still.mean(axis=0)) ** 2).sum(axis=2).mean(axis=1)
    gaps = 1000 * np.abs(np.asarray(lip_gap, np.float64)[silent])
    return Silence(float(1e6 * spread.sum()), tuple(gaps.tolist()))


@dataclass(frozen=True, slots=True)
class Jitter:
    """Energies (m² summed over frames, vertices and axes) in steady vowels; add clips, then divide.

    `share` is the energy above 12 Hz in the whole.
    """

    fast: float = 0.0
    whole: float = 0.0
    frames: int = 0

    @property
    def share(self) -> float:
        """fast / whole; 0 for lips that never move, NaN without steady vowels."""
        if not self.frames:
            return float("nan")
        return self.fast / self.whole if self.whole > 0 else 0.0

    def __add__(self, other: "Jitter") -> "Jitter":
        return Jitter(self.fast + other.fast, self.whole + other.whole, self.frames + other.frames)


def vowel_frames(spans: Sequence[PhoneSpan], frames: int, fps: float) -> NDArray[np.bool_]:
    """(frames,) the steady middles of vowels of at least 0.12 s."""
    times = np.arange(frames) / fps
    steady = np.zeros(frames, bool)
    for span in spans:
        if span.phone in VOWELS and span.end - span.start >= STEADY_VOWEL:
            steady |= (times >= span.start + VOWEL_EDGE) & (times < span.end - VOWEL_EDGE)
    return steady


def jitter(lips: NDArray[np.floating], steady: NDArray[np.bool_], fps: float) -> Jitter:
    """Energy above 12 Hz in steady vowels, as a share of the energy of motion there.

    A vowel of 0.2 s has no spectrum to speak of (bins of 5 Hz), so the whole clip is split by an
    ideal high-pass (the ends mirrored, no phase) and only then looked at in `steady` frames:
    sum of high(t)² over sum of (x(t) - mean over the clip)². Needs more than 24 frames a second;
    below, nothing above 12 Hz can exist, and the energies are those of what is left: 0.
    """
    points = np.asarray(lips, np.float64).reshape(len(lips), -1)
    if not steady.any():
        return Jitter()
    moving = points - points.mean(axis=0)
    fast = high_pass(moving, fps, JITTER_HZ)
    return Jitter(
        float((fast[steady] ** 2).sum()),
        float((moving[steady] ** 2).sum()),
        int(steady.sum()),
    )


def high_pass(curves: NDArray[np.floating], fps: float, hz: float) -> NDArray[np.float64]:
    """What of (T, C) curves lies above `hz`: an ideal filter on the clip and its mirror image."""
    frames = len(curves)
    mirrored = np.concatenate([curves, curves[::-1]])
    spectrum = np.fft.rfft(mirrored, axis=0)
    spectrum[np.fft.rfftfreq(2 * frames, 1 / fps) <= hz] = 0
    return np.fft.irfft(spectrum, 2 * frames, axis=0)[:frames]


def _silences(spans: Sequence[PhoneSpan]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for span in spans:
        if span.phone != SILENCE:
            continue
        if merged and span.start <= merged[-1][1] + 1e-6:
            merged[-1] = (merged[-1][0], span.end)
        else:
            merged.append((span.start, span.end))
    return merged
