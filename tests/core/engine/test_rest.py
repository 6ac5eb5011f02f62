# SPDX-License-Identifier: GPL-3.0-or-later
"""The rest between words: full inside a pause, none near speech, no jump in between."""

import numpy as np

from emoface_core.engine.rest import rest_weight


def test_a_pause_rests_inside_and_leaves_speech_alone() -> None:
    quiet = np.full(200, 0.02, np.float32)
    quiet[60:140] = 0.95
    rest = rest_weight(quiet)
    assert rest.shape == quiet.shape and rest.dtype == np.float32
    assert not rest[:62].any() and not rest[138:].any()
    assert np.all(rest[78:122] > 0.99)
    assert np.abs(np.diff(rest)).max() < 0.3


def test_a_stop_is_no_pause() -> None:
    quiet = np.full(100, 0.02, np.float32)
    quiet[50:62] = 0.9  # 0.24 s
    assert not rest_weight(quiet).any()


def test_a_silent_clip_rests_from_end_to_end_and_an_empty_one_is_empty() -> None:
    assert np.all(rest_weight(np.full(30, 0.9, np.float32)) == 1.0)
    assert rest_weight(np.zeros(0, np.float32)).shape == (0,)
