# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nobody speaks the face rests: what the network leaves of speech in a pause is faded out.

A mouth opens before its sound and shuts after it, so only the inside of a pause counts.
"""

import numpy as np
from numpy.typing import NDArray

from emoface_core.easing import smoothstep

Floats = NDArray[np.float32]

_APART = 8  # frames of 20 ms that must be quiet to either side
_EASE = 8  # frames over which the fade is smoothed, to either side
_SPEECH, _SILENCE = 0.15, 0.7  # probability of silence: no fade below, all of it above


def rest_weight(quiet: Floats) -> Floats:
    """(N,) 0 in speech to 1 inside a pause, from the probability of silence (N,) at 50 a second."""
    if not len(quiet):
        return quiet
    padded = np.pad(quiet, _APART, mode="edge")
    inside = np.lib.stride_tricks.sliding_window_view(padded, 2 * _APART + 1).min(axis=1)
    kernel = np.hanning(2 * _EASE + 3)[1:-1]
    smooth = np.convolve(np.pad(inside, _EASE, mode="edge"), kernel / kernel.sum(), "valid")
    return smoothstep((smooth - _SPEECH) / (_SILENCE - _SPEECH)).astype(np.float32)
