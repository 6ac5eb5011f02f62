# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured curves against our own head moved by known weights."""

import numpy as np
import pytest

from emoface_core.evaluation.captured import PAIRS, likenesses, rig_weights
from emoface_core.evaluation.timing import correlation, smooth
from emoface_core.face.head import load_head

NAMES = tuple(name for theirs, _ in PAIRS.values() for name in theirs)


@pytest.fixture(scope="module")
def moving():
    """Weights of jaw and lips that come and go, and the offsets they make."""
    head = load_head()
    rng = np.random.default_rng(3)
    weights = np.zeros((150, len(head.shape_names)))
    for name in ("jawOpen", "mouthPucker", "mouthSmile_L", "mouthSmile_R"):
        curve = np.maximum(smooth(rng.normal(0, 1.5, 150), 3.0), 0)
        weights[:, head.shape_names.index(name)] = 0.6 * curve
    offsets = np.tensordot(weights, head.shapes, 1).astype(np.float32)
    return head, weights, offsets


def test_weights_come_back(moving):
    head, weights, offsets = moving
    found = rig_weights(offsets, head)
    assert found.min() >= 0
    for name in ("jawOpen", "mouthPucker", "mouthSmile_L"):
        column = head.shape_names.index(name)
        assert correlation(found[:, column], weights[:, column]) > 0.95
    apart = np.tensordot(found - weights, head.shapes[:, head.regions["lower_face"]], 1)
    assert np.abs(apart).max() < 0.001


def test_a_capture_that_trails_is_found(moving):
    head, weights, offsets = moving
    jaw = weights[:, head.shape_names.index("jawOpen")]
    captured = np.zeros((150, len(NAMES)), np.float32)
    captured[2:, NAMES.index("mouth_stretch_c")] = jaw[:-2]  # two frames later
    captured[2:, NAMES.index("mouth_oo_c")] = weights[:-2, head.shape_names.index("mouthPucker")]
    found = likenesses(rig_weights(offsets, head), jaw, head, captured, NAMES)
    assert [like.name for like in found] == ["jaw opening", "pursing (oo)"]
    assert found[0].lag == -2
    assert found[0].r == pytest.approx(1, abs=1e-3)
    assert found[1].r > 0.9


def test_what_never_moves_follows_nothing(moving):
    head, weights, _ = moving
    captured = np.zeros((150, len(NAMES)), np.float32)
    captured[:, NAMES.index("mouth_stretch_c")] = weights[:, head.shape_names.index("jawOpen")]
    found = likenesses(np.zeros_like(weights), np.zeros(150), head, captured, NAMES)
    assert [(like.r, like.lag) for like in found] == [(0.0, 0)]
