# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks and gaze: human rates, full closure, phrase ends, the same at every frame rate."""

import numpy as np
import pytest

from emoface_core.face.eyes import (
    REFRACTORY_SECONDS,
    EyeOptions,
    blink_curve,
    eye_weights,
    gaze_curves,
    plan_blinks,
    plan_gaze,
)

NAMES = tuple(
    name + side
    for name in ("eyeLookOut", "eyeLookIn", "eyeLookUp", "eyeLookDown", "eyeBlink")
    for side in ("_L", "_R")
)


@pytest.mark.parametrize("seed", range(5))
def test_rate_is_the_one_asked_for_and_blinks_keep_apart(seed: int) -> None:
    starts = np.array(plan_blinks(1200.0, (), EyeOptions(blinks_per_minute=20, seed=seed)))
    assert 15 <= len(starts) / 20 <= 26
    assert np.diff(starts).min() >= REFRACTORY_SECONDS


def test_phrase_ends_attract_blinks() -> None:
    ends = tuple(np.arange(2.0, 120.0, 4.0))
    starts = np.array(plan_blinks(120.0, ends, EyeOptions(seed=3)))
    on_end = np.isin(starts, ends).mean()
    assert on_end > 0.1
    assert np.diff(starts).min() >= REFRACTORY_SECONDS


def test_a_blink_shuts_fully_even_at_24_fps_within_one_frame_of_shut() -> None:
    fine = blink_curve(np.arange(0, 1, 1 / 1000), (0.3,))
    assert fine.max() == 1.0 and fine[0] == 0.0 and fine[-1] == 0.0
    closing = np.flatnonzero(fine > 0.5)[0] / 1000 - 0.3
    opening = 0.6 - np.flatnonzero(fine > 0.5)[-1] / 1000
    assert closing < opening  # fast down, slow up


def test_events_do_not_depend_on_the_frame_rate() -> None:
    options = EyeOptions(seed=11)
    slow, fast = (
        eye_weights(np.arange(0, 20, 1 / fps), (3.0, 9.0), 20.0, NAMES, options) for fps in (25, 50)
    )
    np.testing.assert_allclose(slow, fast[::2], atol=1e-5)
    assert not np.array_equal(
        slow, eye_weights(np.arange(0, 20, 1 / 25), (3.0, 9.0), 20.0, NAMES, EyeOptions(seed=12))
    )


def test_gaze_stays_small_returns_to_the_partner_and_can_be_switched_off() -> None:
    glances = plan_gaze(600.0, EyeOptions(seed=5))
    assert len(glances) > 60
    assert all(g.yaw == 0 == g.pitch for g in glances[1::2])
    yaw, pitch = gaze_curves(np.arange(0, 600, 0.04), glances)
    assert np.hypot(yaw, pitch).max() < 12.0
    still = eye_weights(
        np.arange(0, 60, 0.04),
        (),
        60.0,
        NAMES,
        EyeOptions(blinks_per_minute=0, gaze_strength=0.0),
    )
    assert not still.any()


def test_both_eyes_turn_the_same_way() -> None:
    weights = eye_weights(
        np.arange(0, 60, 0.04), (), 60.0, NAMES, EyeOptions(blinks_per_minute=0, seed=2)
    )
    column = {name: weights[:, i] for i, name in enumerate(NAMES)}
    np.testing.assert_array_equal(column["eyeLookOut_L"], column["eyeLookIn_R"])
    np.testing.assert_array_equal(column["eyeLookUp_L"], column["eyeLookUp_R"])
