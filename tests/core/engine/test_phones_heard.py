# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans of phones from frames."""

import numpy as np

from emoface_core.engine.phones_heard import PhoneDecoder, log_softmax


def _logits(path: np.ndarray) -> np.ndarray:
    return np.where(np.arange(4) == path[:, None], 4.0, 0.0).astype(np.float32)


def test_spans_in_order_whatever_the_pieces() -> None:
    path = np.repeat([0, 2, 1, 3], [20, 10, 15, 7])
    logits = log_softmax(_logits(path))
    whole, pieces = PhoneDecoder(4), PhoneDecoder(4)
    whole.add(logits)
    for first in range(0, len(logits), 6):
        pieces.add(logits[first : first + 6])
    seconds = (len(path) - 2) / 50
    for heard in (whole.spans(seconds), pieces.spans(seconds)):
        assert heard.index.tolist() == [0, 2, 1, 3]
        np.testing.assert_allclose(heard.start, [0, 0.39, 0.59, 0.89], atol=1e-6)
        np.testing.assert_allclose(heard.end, [0.39, 0.59, 0.89, seconds], atol=1e-6)


def test_a_single_odd_frame_is_not_a_phone() -> None:
    path = np.array([1] * 10 + [2] + [1] * 10)
    decoder = PhoneDecoder(4)
    decoder.add(log_softmax(0.3 * _logits(path)))
    assert decoder.spans(0.4).index.tolist() == [1]


def test_nothing_heard() -> None:
    assert len(PhoneDecoder(4).spans(1.0).index) == 0
