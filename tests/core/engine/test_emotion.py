# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotions chosen, heard and mixed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoface_core.emotions import EMOTIONS
from emoface_core.engine.emotion import chosen_weights, mixed_weights, voice_weights
from emoface_core.errors import InputError

HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


def test_choices() -> None:
    assert chosen_weights("auto") is None
    happy = chosen_weights("happy")
    assert happy is not None and happy[HAPPY] == 1 and happy.sum() == 1
    mixed = chosen_weights("happy=3, sad=1")
    assert mixed is not None
    assert (mixed[HAPPY], mixed[SAD]) == (0.75, 0.25)


@pytest.mark.parametrize(
    "bad", ["", "joy", "happy=x", "happy=-1", "happy=0", "happy=nan", "happy=inf", "happy,,sad"]
)
def test_bad_choices_are_a_sentence(bad: str) -> None:
    with pytest.raises(InputError):
        chosen_weights(bad)


@given(logits=st.lists(st.floats(-30, 30), min_size=8, max_size=8), frames=st.integers(1, 300))
def test_a_steady_voice_keeps_its_emotion(logits: list[float], frames: int) -> None:
    row = np.array(logits, np.float32)
    weights = voice_weights(np.tile(row, (frames, 1)), np.ones(frames, np.float32))
    expected = np.exp(row - row.max())
    np.testing.assert_allclose(weights, np.tile(expected / expected.sum(), (frames, 1)), atol=1e-4)


def test_it_changes_slowly_and_silence_says_little() -> None:
    logits = np.zeros((500, 8), np.float32)
    logits[:250, HAPPY], logits[250:, SAD] = 5, 5
    speaking = np.ones(500, np.float32)
    weights = voice_weights(logits, speaking)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert weights[100, HAPPY] > 0.9
    assert weights[400, SAD] > 0.9
    assert np.abs(np.diff(weights, axis=0)).max() < 0.1
    speaking[250:300] = 0  # what is said in a pause weighs little
    assert voice_weights(logits, speaking)[270, HAPPY] > weights[270, HAPPY]


def test_pieces_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    logits = random.standard_normal((900, 8)).astype(np.float32)
    speaking = random.random(900, np.float32)
    whole = voice_weights(logits, speaking)
    monkeypatch.setattr("emoface_core.engine.emotion._PIECE", 70)
    np.testing.assert_allclose(voice_weights(logits, speaking), whole, atol=1e-6)


def test_preference() -> None:
    voice = np.full((3, 8), 1 / 8, np.float32)
    chosen = chosen_weights("sad")
    np.testing.assert_array_equal(mixed_weights(voice, None, 0.7), voice)
    np.testing.assert_array_equal(mixed_weights(voice, chosen, 0.0), voice)
    assert (mixed_weights(voice, chosen, None)[:, SAD] == 1).all()
    half = mixed_weights(voice, chosen, 0.5)
    np.testing.assert_allclose(half[:, SAD], 0.5 + 1 / 16)
    np.testing.assert_allclose(half.sum(axis=1), 1)
