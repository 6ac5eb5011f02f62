# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotion over time: smooth from cue to cue, and read from the voice."""

import numpy as np
import pytest

from blender_addon.curves.cues import (
    Accent,
    Cue,
    Feeling,
    cues_of_voice,
    gain_over_time,
    weights_over_time,
)
from emoface_core.emotions import EMOTIONS

FRAMES = np.arange(1, 101, dtype=np.float32)
VOICE = np.eye(8, dtype=np.float32)[np.arange(100) // 50]  # neutral, then calm
HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


def weights(*cues: Cue, base: Feeling | None = None) -> np.ndarray:
    return weights_over_time((base or Feeling("happy")).mixture(), cues, FRAMES, VOICE)


def test_without_cues_the_single_emotion_holds() -> None:
    assert (weights()[:, HAPPY] == 1).all()
    np.testing.assert_array_equal(weights(base=Feeling("auto")), VOICE)
    half = weights(base=Feeling("happy", preference=0.5))
    np.testing.assert_allclose(half[10], 0.5 * VOICE[10] + 0.5 * np.eye(8)[HAPPY])


def test_a_mixture_as_the_command_line_writes_it() -> None:
    shares = Feeling("happy=3,sad=1").mixture()
    assert (shares[HAPPY], shares[SAD], shares.sum()) == (0.75, 0.25, 1)


def test_a_cue_without_ease_holds_from_its_own_frame() -> None:
    made = weights(Cue(40, 0, Feeling("sad", intensity=0.5)))
    assert made[38, HAPPY] == 1
    assert made[39, HAPPY] == 0
    assert (made[39:, SAD] == 0.5).all()


def test_overlapping_eases_stay_smooth() -> None:
    made = weights(Cue(20, 40, Feeling("sad")), Cue(30, 40, Feeling("angry")))
    assert np.abs(np.diff(made, axis=0)).max() < 0.06
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-6)
    assert made[-1, EMOTIONS.index("angry")] == pytest.approx(1)


@pytest.mark.parametrize("seed", range(20))
def test_weights_never_leave_what_cues_ask_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = (*EMOTIONS, "auto")
    cues = [
        Cue(
            frame=rng.uniform(-50, 150),
            ease=rng.choice([0, 1e-30, rng.uniform(0, 80)]),
            feeling=Feeling(
                rng.choice(names),
                preference=rng.uniform(),
                second=rng.choice(("", *names)),
                share=rng.uniform(),
                intensity=rng.uniform(0, 1.5),
            ),
        )
        for _ in range(rng.integers(1, 7))
    ]
    made = weights(*cues)
    assert made.min() >= -1e-5
    assert made.sum(axis=1).max() <= max(1.0, *(c.feeling.intensity for c in cues)) + 1e-5
    np.testing.assert_array_equal(made, weights(*reversed(cues)))


def test_the_voice_as_cues() -> None:
    voice = np.full((300, 8), 0.02, np.float32)
    voice[:120, HAPPY] = 0.9
    voice[50:54, SAD] = 1.0  # too short for a cue
    voice[120:, SAD] = 0.9
    cues = cues_of_voice(voice, 11, 30, EMOTIONS)
    assert [(c.frame, c.feeling.emotion) for c in cues] == [(11, "happy"), (131, "sad")]
    assert [c.feeling.emotion for c in cues_of_voice(voice[:3], 1, 30, EMOTIONS)] == ["happy"]
    assert cues_of_voice(voice[:0], 1, 30, EMOTIONS) == []


def test_accents_multiply_where_they_meet() -> None:
    gain = gain_over_time([Accent(20, 40, 0.5, 4), Accent(35, 60, 1.5, 0)], FRAMES)
    at = dict(zip(FRAMES.astype(int).tolist(), gain.tolist(), strict=True))
    assert [at[f] for f in (1, 16, 20, 34, 35, 40, 44, 60, 61)] == pytest.approx(
        [1, 1, 0.5, 0.5, 0.75, 0.75, 1.5, 1.5, 1]
    )
    assert 0.5 < at[18] < 1
    assert (gain_over_time([], FRAMES) == 1).all()
