# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts that the motion nearly makes, decided with the phones that the network hears.

Curves that are learnt as means stop short of a contact whenever it is not certain. The phones are
a second witness. Where both together speak for shut lips (p b m) the lips are taken all the way,
where they speak against it a gap that is all but shut is opened to one that can be seen; likewise
the lower lip goes to the teeth for f and v. Witnesses are added as log-odds: the motion's, as its
loss has them (`emoface_core.model.losses`), and the phones'.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emoface_core.easing import smoothstep
from emoface_core.engine.interface import BranchCurves
from emoface_core.face.contacts import MouthRig
from emoface_core.face.smooth_regions import REGIONS
from emoface_core.phones import BILABIALS, LABIODENTALS, SILENCE

Floats = NDArray[np.float32]
Track = NDArray[np.float64]

# Chosen for the F1 of `emoface_core.evaluation.events` on held-out speakers of speechocean762 and
# held-out synthetic voices.
_SHUT_GAP, _SHUT_SOFT, _SHUT_ODDS = 0.5e-3, 0.3e-3, -0.25
_TOUCH_GAP, _TOUCH_SOFT, _TOUCH_ODDS = 1.2e-3, 0.8e-3, -1.0
_SEEN_OPEN = 0.8e-3  # metres: lips this far apart are seen to be
_HELD_SOFT = 0.15e-3  # metres to either side of the shut gap over which lips are neither
_UNSURE = 1.0  # log-odds to either side over which the change comes in
_SPEAKING = 0.5  # probability of silence from which on nothing is opened


@dataclass(frozen=True, slots=True)
class PhoneOdds:
    """What the network hears in n frames: log-odds of two groups of phones, and of silence."""

    lips: Track  # (n,) of p, b, m
    teeth: Track  # (n,) of f, v
    quiet: Floats  # (n,) probability that nobody speaks

    @classmethod
    def of(cls, log_probabilities: Floats, names: tuple[str, ...]) -> "PhoneOdds":
        """From the phones' log-probabilities (n, P)."""
        share = np.exp(np.asarray(log_probabilities, np.float64))

        def among(phones: frozenset[str]) -> Track:
            return share[:, [i for i, name in enumerate(names) if name in phones]].sum(1)

        quiet = among(frozenset({SILENCE})).astype(np.float32)
        return cls(_odds(among(BILABIALS)), _odds(among(LABIODENTALS)), quiet)

    @property
    def speaking(self) -> Track:
        """(n,) 0 to 1: nothing is changed for speech's sake where nobody speaks."""
        return 1.0 - np.clip(self.quiet / _SPEAKING, 0.0, 1.0).astype(np.float64)


def hold_contacts(curves: BranchCurves, heard: PhoneOdds, mouth: MouthRig) -> BranchCurves:
    """The model's curves with speech's contacts made or left, and kept under every emotion."""
    content = hold_speech(curves.content, heard, mouth)
    layers = hold_emotions(curves.emotion_layers, curves.attention, content, heard, mouth)
    return replace(curves, content=content, emotion_layers=layers)


def hold_speech(content: Floats, heard: PhoneOdds, mouth: MouthRig) -> Floats:
    """The speech's curves (n, K) with its contacts made or left, frame by frame."""
    held = _bitten(np.asarray(content, np.float64), heard, mouth)
    gap = mouth.lip_gap(held)
    evidence = (_SHUT_GAP - gap) / _SHUT_SOFT + heard.lips - _SHUT_ODDS
    shut, apart = _yes(evidence / _UNSURE), _yes(-evidence / _UNSURE)
    target = gap - shut * np.maximum(gap, 0.0)
    target += apart * heard.speaking * np.maximum(_SEEN_OPEN - gap, 0.0)
    wanted = np.abs(target - gap) > 1e-6
    held[wanted] = mouth.with_gap(held[wanted], target[wanted])
    return held.astype(np.float32)


def hold_emotions(
    layers: Floats, attention: Floats, content: Floats, heard: PhoneOdds, mouth: MouthRig
) -> Floats:
    """The emotions' curves (n, 8, K) so that speech keeps its contacts under each at intensity 1.

    `content` (n, K) is the speech they are laid on, `attention` (n, R) the weight of the regions.
    While somebody speaks, lips that speech shuts stay shut, and lips that it opens are not shut;
    how far they open is the emotion's own.
    """
    share = np.maximum(attention[:, REGIONS.index("mouth"), None, None].astype(np.float64), 0.1)
    felt = (content[:, None] + share * layers).reshape(-1, layers.shape[2])
    gap = mouth.lip_gap(felt).reshape(layers.shape[:2])
    calm = mouth.lip_gap(content)[:, None]
    speaking = heard.speaking[:, None]
    shut = speaking * _yes((_SHUT_GAP - calm) / _HELD_SOFT)
    apart = speaking * _yes((calm - _SHUT_GAP) / _HELD_SOFT)
    target = gap - shut * np.maximum(gap - np.maximum(calm, 0.0), 0.0)
    target += apart * np.maximum(np.minimum(calm, _SEEN_OPEN) - target, 0.0)
    wanted = (np.abs(target - gap) > 1e-5).ravel()
    changed = np.zeros_like(felt)
    changed[wanted] = mouth.with_gap(felt[wanted], target.ravel()[wanted]) - felt[wanted]
    return np.asarray(layers + changed.reshape(layers.shape) / share, np.float32)


def _bitten(content: NDArray[np.float64], heard: PhoneOdds, mouth: MouthRig) -> NDArray[np.float64]:
    """The lower lip at the teeth where f or v is heard and it is nearly there."""
    near = heard.teeth > -4.0  # what is hardly heard needs no measuring
    apart = mouth.lip_teeth_gap(content[near])
    evidence = (_TOUCH_GAP - apart) / _TOUCH_SOFT + heard.teeth[near] - _TOUCH_ODDS
    share = _yes(evidence / _UNSURE)[:, None]
    held = content.copy()
    held[near] += share * (mouth.with_bite(content[near]) - content[near])
    return held


def _odds(probability: Track) -> Track:
    return np.log(probability + 1e-4) - np.log(1.0 - np.minimum(probability, 1.0) + 1e-4)


def _yes(evidence: Track) -> Track:
    """0 up to -1, 1 from 1 on, a half where it says neither."""
    return smoothstep(0.5 * (evidence + 1.0))
