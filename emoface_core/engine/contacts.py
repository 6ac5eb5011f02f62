# SPDX-License-Identifier: GPL-3.0-or-later
"""Contacts that the motion nearly makes, decided with the phones that the network hears.

Curves that are learnt as means stop short of a contact whenever it is not certain. The phones are
a second witness. Where both together speak for shut lips (p b m) the lips are taken all the way,
where they speak against it a gap that is all but shut is opened to one that can be seen; likewise
the lower lip goes to the teeth for f and v. Witnesses are added as log-odds: the motion's, as its
loss has them (`emoface_core.model.losses`), and the phones'.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.contacts import MouthRig

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

        def among(phones: str) -> Track:
            return share[:, [i for i, name in enumerate(names) if name in phones.split()]].sum(1)

        return cls(_odds(among("p b m")), _odds(among("f v")), among("sil").astype(np.float32))


def hold_contacts(content: Floats, heard: PhoneOdds, mouth: MouthRig) -> Floats:
    """The speech's curves (n, K) with its contacts made or left, frame by frame."""
    held = np.asarray(content, np.float64)
    held = _bitten(held, heard, mouth)
    gap = mouth.lip_gap(held)
    evidence = (_SHUT_GAP - gap) / _SHUT_SOFT + heard.lips - _SHUT_ODDS
    shut, apart = _ramp(evidence / _UNSURE), _ramp(-evidence / _UNSURE)
    target = gap - shut * np.maximum(gap, 0.0)
    speaking = 1.0 - np.clip(heard.quiet / _SPEAKING, 0.0, 1.0)
    target += apart * speaking * np.maximum(_SEEN_OPEN - gap, 0.0)
    wanted = np.abs(target - gap) > 1e-6
    if wanted.any():
        held[wanted] = mouth.with_gap(held[wanted], target[wanted])
    return held.astype(np.float32)


def hold_layers(
    layers: Floats, attention: Floats, content: Floats, quiet: Floats, mouth: MouthRig
) -> Floats:
    """The emotions' curves (n, 8, K) so that speech keeps its contacts under each at intensity 1.

    `content` (n, K) is the speech they are laid on, `attention` (n, R) the weight of the regions,
    the mouth's last. While somebody speaks (`quiet`), lips that speech shuts stay shut, and lips
    that it opens are not shut; how far they open is the emotion's own.
    """
    count, emotions, _ = layers.shape
    share = np.maximum(attention[:, -1:, None].astype(np.float64), 0.1)
    felt = (content[:, None] + share * layers).reshape(count * emotions, -1)
    gap = mouth.lip_gap(felt).reshape(count, emotions)
    calm = mouth.lip_gap(content)[:, None]
    speaking = 1.0 - np.clip(quiet / _SPEAKING, 0.0, 1.0)[:, None]
    shut = speaking * _ramp((_SHUT_GAP - calm) / _HELD_SOFT)
    apart = speaking * _ramp((calm - _SHUT_GAP) / _HELD_SOFT)
    target = gap - shut * np.maximum(gap - np.maximum(calm, 0.0), 0.0)
    target += apart * np.maximum(np.minimum(calm, _SEEN_OPEN) - target, 0.0)
    wanted = (np.abs(target - gap) > 1e-5).ravel()
    if not wanted.any():
        return layers
    changed = np.zeros_like(felt)
    changed[wanted] = mouth.with_gap(felt[wanted], target.ravel()[wanted]) - felt[wanted]
    return np.asarray(layers + changed.reshape(layers.shape) / share, np.float32)


def _bitten(content: NDArray[np.float64], heard: PhoneOdds, mouth: MouthRig) -> NDArray[np.float64]:
    """The lower lip at the teeth where f or v is heard and it is nearly there."""
    near = heard.teeth > -4.0  # what is hardly heard needs no measuring
    if not near.any():
        return content
    apart = mouth.lip_teeth_gap(content[near])
    evidence = (_TOUCH_GAP - apart) / _TOUCH_SOFT + heard.teeth[near] - _TOUCH_ODDS
    share = _ramp(evidence / _UNSURE)[:, None]
    held = content.copy()
    held[near] += share * (mouth.with_bite(content[near]) - content[near])
    return held


def _odds(probability: Track) -> Track:
    return np.log(probability + 1e-4) - np.log(1.0 - np.minimum(probability, 1.0) + 1e-4)


def _ramp(x: Track) -> Track:
    """0 up to -1, 1 from 1 on."""
    x = np.clip(0.5 * (x + 1.0), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
