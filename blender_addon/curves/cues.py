# SPDX-License-Identifier: GPL-3.0-or-later
"""What the face feels, and how strongly it speaks, from which frame on. NumPy, no bpy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emoface_core.easing import smoothstep
from emoface_core.emotions import AUTO, EMOTIONS

Floats = NDArray[np.float32]

_AT_ONCE = 1e-3  # frames
_SHORTEST_CUE = 1.0  # seconds: what the voice feels for less is not a cue of its own


@dataclass(frozen=True, slots=True)
class Feeling:
    """An emotion, how far it replaces the one in the voice, and how strong it is."""

    emotion: str = AUTO  # or a name, or a mixture such as "happy=0.7,surprised=0.3"
    preference: float = 1.0  # 0: the voice's emotion alone, 1: `emotion` alone
    second: str = ""  # another emotion mixed in; "" for none
    share: float = 0.5  # of `second` in the mixture
    intensity: float = 1.0

    def mixture(self) -> Floats:
        """(9,) shares of the eight emotions and of the voice's own, times intensity."""
        second = self.share if self.second else 0.0
        shares = (1 - second) * self._shares(self.emotion)
        if second > 0:
            shares += second * self._shares(self.second)
        return shares * np.float32(self.intensity)

    def _shares(self, emotion: str) -> Floats:
        """(9,) shares of an emotion, and of the voice where the preference leaves room for it."""
        shares = np.zeros(len(EMOTIONS) + 1, np.float32)
        if emotion == AUTO:
            shares[-1] = 1
            return shares
        for part in emotion.split(","):
            name, _, amount = part.partition("=")
            shares[EMOTIONS.index(name.strip())] += float(amount or 1)
        shares *= np.float32(self.preference) / shares.sum()
        shares[-1] = 1 - self.preference
        return shares


@dataclass(frozen=True, slots=True)
class Cue:
    """From `frame` on the face goes over to a feeling, and has reached it `ease` frames later."""

    frame: float
    ease: float
    feeling: Feeling


@dataclass(frozen=True, slots=True)
class Accent:
    """From `first` to `last` the speech has a strength of its own: 0 mutes a cough."""

    first: float  # frames; at full effect from here
    last: float  # to here
    strength: float
    ease: float  # frames before and after

    def reach(self, frames: Floats) -> Floats:
        """(F,) how far it holds at each frame, 0 to 1."""
        last = max(self.first, self.last)
        away = np.maximum(np.maximum(self.first - frames, frames - last), 0)
        return smoothstep(1 - away / max(self.ease, _AT_ONCE))


def gain_over_time(accents: Iterable[Accent], frames: Floats) -> Floats:
    """(F,) strength of the speech over `frames`, 1 without accents; the product where some meet."""
    gain = np.ones(len(frames), np.float32)
    for accent in accents:
        gain *= 1 + accent.reach(frames) * np.float32(accent.strength - 1)
    return gain


def weights_over_time(base: Floats, cues: Iterable[Cue], frames: Floats, voice: Floats) -> Floats:
    """(F, 8) weights of the emotions at `frames` (F,): `base` (9,) until the first cue.

    `voice` (F, 8) is what the voice feels. Each cue leads over smoothly from whatever the face
    feels by then, so eases may overlap.
    """
    shares = np.repeat(base[None], len(frames), axis=0)
    for cue in sorted(cues, key=lambda cue: cue.frame):
        since = frames - np.float32(cue.frame)
        if cue.ease < _AT_ONCE:
            done = (since >= 0).astype(np.float32)  # from its own frame on
        else:
            done = smoothstep(since / np.float32(cue.ease))
        shares += done[:, None] * (cue.feeling.mixture() - shares)
    return np.asarray(shares[:, :-1] + shares[:, -1:] * voice, np.float32)


def cues_of_voice(voice: Floats, first_frame: int, fps: float, names: Sequence[str]) -> list[Cue]:
    """What the voice (T, 8) feels as cues: one where the strongest emotion changes for a while."""
    if not len(voice):
        return []
    shortest = max(1, round(_SHORTEST_CUE * fps))
    reach = min(shortest // 2, len(voice) - 1)
    padded = np.pad(voice, ((reach, reach), (0, 0)), mode="edge")
    total = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    strongest = (total[2 * reach + 1 :] - total[: -2 * reach - 1]).argmax(axis=1)
    starts = [0, *(1 + np.flatnonzero(np.diff(strongest))), len(voice)]
    lasting = [(a, names[strongest[a]]) for a, b in pairwise(starts) if b - a >= shortest]
    if not lasting:
        lasting = [(0, names[int(voice.sum(axis=0).argmax())])]
    cues: list[Cue] = []
    for start, name in lasting:
        if not cues:
            cues.append(Cue(float(first_frame), 0.0, Feeling(name)))
        elif cues[-1].feeling.emotion != name:
            cues.append(Cue(float(first_frame + start), round(fps / 2), Feeling(name)))
    return cues
