# SPDX-License-Identifier: GPL-3.0-or-later
"""The mouth and the rest of the face, overlapping smoothly."""

import numpy as np

from emoface_core.face.head import load_head
from emoface_core.face.smooth_regions import REGIONS, smooth_regions
from emoface_core.face.topology import edges


def test_they_share_every_vertex_and_are_symmetric():
    head = load_head()
    weights = smooth_regions(head)
    assert weights.shape == (len(REGIONS), len(head.vertices))
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-6)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights[:, head.mirror], weights, atol=0.02)


def test_the_mouth_is_where_it_should_be_and_fades_without_a_step():
    head = load_head()
    mouth = smooth_regions(head)[REGIONS.index("mouth")]
    assert mouth[head.regions["lips"]].min() > 0.45
    for name in ("eyeballs", "brows", "forehead"):
        assert mouth[head.regions[name]].max() < 0.01
    a, b = np.asarray(edges(head.faces)).T
    assert np.abs(mouth[a] - mouth[b]).max() < 0.3
