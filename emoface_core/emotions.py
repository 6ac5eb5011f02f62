# SPDX-License-Identifier: GPL-3.0-or-later
"""The eight emotions, in the order of RAVDESS, which every array of weights follows."""

from emoface_core.errors import InputError

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
AUTO = "auto"  # the emotion is read from the voice
MAX_INTENSITY = 1.5  # beyond 1 is exaggeration


def emotion_index(name: str) -> int:
    """Index of an emotion in every array of weights; InputError names the ones there are."""
    if name not in EMOTIONS:
        raise InputError(f"There is no emotion “{name}”.", f"Choose one of: {', '.join(EMOTIONS)}.")
    return EMOTIONS.index(name)
