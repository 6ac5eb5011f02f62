# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks and gaze: human rates, lids that meet, phrases heeded, the same at every frame rate."""

from dataclasses import replace

import numpy as np
import pytest

from emoface_core.emotions import EMOTIONS
from emoface_core.face.eyes import (
    BLINK_APART,
    EYE_SHAPES,
    LARGEST_GLANCE,
    MOST_BLINKS,
    QUIET_START,
    Blink,
    EyeSettings,
    Glance,
    Phrase,
    Scene,
    blink_curve,
    eye_curves,
    gaze_curves,
    lid_openings,
    phrases_heard,
    plan_blinks,
    plan_gaze,
)
from emoface_core.face.head import load_head
from emoface_core.face.measures import lid_gap

MINUTES = 5
MOMENTS = [1.831462, 4.44055, 6.077258, 10.87061, 12.308238, 18.052015, 19.203827]


def talk(seed: int, minutes: float = MINUTES) -> Scene:
    """Phrases of 0.8 to 4.5 s with pauses of 0.25 to 1 s."""
    random = np.random.default_rng(seed)
    phrases, now = [], 0.4
    while now < minutes * 60 - 6:
        end = now + random.uniform(0.8, 4.5)
        phrases.append(Phrase(now, end))
        now = end + random.uniform(0.25, 1.0)
    return Scene(minutes * 60, tuple(phrases))


def feeling(scene: Scene, name: str) -> Scene:
    weights = np.zeros((10, len(EMOTIONS)), np.float32)
    weights[:, EMOTIONS.index(name)] = 1
    return replace(scene, emotion_weights=weights, fps=10 / scene.seconds)


def starts(scene: Scene, **settings: float) -> np.ndarray:
    return np.array([blink.start for blink in plan_blinks(scene, EyeSettings(**settings))])


@pytest.mark.parametrize("rate", [5, 12, 20, 26, 32])
def test_a_speaker_blinks_as_often_as_asked(rate: float) -> None:
    counts = [len(starts(talk(s), seed=s, blinks_per_minute=rate)) / MINUTES for s in range(8)]
    assert np.mean(counts) == pytest.approx(rate, rel=0.12)
    assert min(counts) > 0.5 * rate and max(counts) < 1.6 * rate


def test_by_default_every_seed_is_within_what_95_percent_of_people_do() -> None:
    counts = [len(starts(talk(s), seed=s)) / MINUTES for s in range(20)]
    assert min(counts) > 10.5 and max(counts) < 32.5


def test_gaps_are_uneven_as_people_s_are_and_never_short() -> None:
    gaps = np.concatenate([np.diff(starts(talk(s), seed=s)) for s in range(10)])
    assert gaps.min() >= BLINK_APART
    assert 0.4 < gaps.std() / gaps.mean() < 1.2
    assert np.median(gaps) < gaps.mean()  # skewed: a few are long


def test_who_is_silent_blinks_less_and_who_speaks_blinks_at_the_end_of_phrases() -> None:
    silent = np.mean([len(starts(Scene(300.0), seed=s)) / 5 for s in range(10)])
    speaking = np.mean([len(starts(talk(s), seed=s)) / MINUTES for s in range(10)])
    assert 0.5 < silent / speaking < 0.9
    shares, chances = [], []
    for seed in range(10):
        scene = talk(seed)
        ends = np.array([phrase.end for phrase in scene.phrases])
        since = starts(scene, seed=seed)[:, None] - ends
        shares.append(((since > -0.11) & (since < 0.36)).any(axis=1).mean())
        chances.append(0.45 * len(ends) / scene.seconds)
    assert np.mean(shares) > 2 * np.mean(chances)


def test_fear_blinks_more_than_anger_and_surprise() -> None:
    rates = {
        name: np.mean([len(starts(feeling(talk(s), name), seed=s)) for s in range(6)])
        for name in ("fearful", "neutral", "angry", "surprised")
    }
    assert rates["fearful"] > rates["neutral"] > rates["angry"] > rates["surprised"]


def test_another_emotion_changes_the_blinks_of_its_own_shot_alone() -> None:
    scene = talk(3)
    weights = np.zeros((MINUTES * 60, 8), np.float32)
    weights[:, EMOTIONS.index("fearful")] = 1
    changed = weights.copy()
    changed[120:150] = np.eye(8)[EMOTIONS.index("surprised")]
    before, after = (
        starts(replace(scene, emotion_weights=w, fps=1.0), seed=3) for w in (weights, changed)
    )
    assert not np.array_equal(before, after)
    # What a blink that is gone made room for may reach a little further.
    for outside in (lambda t: t[t < 114], lambda t: t[t > 156]):
        np.testing.assert_array_equal(outside(before), outside(after))


def test_a_higher_rate_only_adds_blinks_and_gaze_leaves_them_alone() -> None:
    scene = talk(1)
    low, high = (set(starts(scene, seed=1, blinks_per_minute=rate)) for rate in (10, 14))
    assert low < high
    assert plan_blinks(scene, EyeSettings(gaze=0)) == plan_blinks(scene, EyeSettings(gaze=2))


def test_extremes_of_the_rate() -> None:
    assert plan_blinks(talk(0), EyeSettings(blinks_per_minute=0)) == ()
    most = starts(talk(0), blinks_per_minute=MOST_BLINKS)
    np.testing.assert_array_equal(most, starts(talk(0), blinks_per_minute=1e9))


def test_the_sound_begins_and_ends_with_open_eyes_that_look_ahead() -> None:
    for seed in range(50):
        scene = Scene(4.0 + seed % 5, (Phrase(0.1, 3.9),))
        blinks = plan_blinks(scene, EyeSettings(seed, MOST_BLINKS))
        assert blinks and blinks[0].start >= QUIET_START
        assert blinks[-1].end <= scene.seconds
        curves = eye_curves(
            scene, EyeSettings(seed, MOST_BLINKS), int(scene.seconds * 100) + 1, 100
        )
        assert not curves[: int(100 * QUIET_START)].any()
        assert np.abs(curves[-1]).max() < 1e-6


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.5, 1.0])
def test_short_sounds(seconds: float) -> None:
    curves = eye_curves(Scene(seconds), EyeSettings(), round(seconds * 25), 25.0)
    assert curves.shape == (round(seconds * 25), len(EYE_SHAPES))


def test_a_later_end_of_the_sound_changes_nothing_before_it() -> None:
    whole = talk(4)
    part = replace(whole, seconds=60.0)
    settings = EyeSettings(seed=4)
    long = [blink for blink in plan_blinks(whole, settings) if blink.start < 55]
    assert long == [blink for blink in plan_blinks(part, settings) if blink.start < 55]


def test_the_same_moments_at_every_frame_rate() -> None:
    scene, settings = feeling(talk(5, 0.5), "happy"), EyeSettings(seed=5)
    fine = eye_curves(scene, settings, 30 * 240, 240.0)
    for fps in (24, 30, 60):
        np.testing.assert_allclose(
            eye_curves(scene, settings, 30 * fps, float(fps)), fine[:: 240 // fps], atol=1e-5
        )


def test_the_seed_alone_decides() -> None:
    scene = talk(6, 1)
    first, again, other = (
        eye_curves(scene, EyeSettings(seed=seed), 1500, 25.0) for seed in (6, 6, 7)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_these_moments_stay_as_they_are() -> None:
    """In every NumPy and on every machine: scenes that were baked must bake the same again."""
    found = starts(Scene(20.0, (Phrase(0.5, 6.0), Phrase(6.8, 19.0))), seed=1)
    np.testing.assert_allclose(found, MOMENTS, atol=1e-6)


def test_near_seeds_are_unlike() -> None:
    scene = Scene(600.0)
    one, two = (np.round(starts(scene, seed=seed), 1) for seed in (0, 1))
    assert len(np.intersect1d(one, two)) < 0.15 * len(one)


def test_a_blink_closes_fast_stays_shut_and_opens_slowly() -> None:
    blink = Blink(0.3, close=0.08, hold=0.055, open=0.23)
    times = np.arange(0, 1, 0.001)
    curve = blink_curve(times, [blink])
    assert curve[times < 0.3].max() == 0 and curve[times > blink.end].max() < 1e-6
    shut = times[curve > 0.999]
    assert curve.max() == 1 and 0.05 < np.ptp(shut) < 0.07
    falling = np.diff(curve[times >= shut[-1]])
    rising = np.diff(curve[times <= shut[0]])
    assert falling.max() <= 1e-7 and rising.min() >= -1e-7
    assert rising.max() > 1.5 * -falling.min()
    assert 0.3 < blink.end - blink.start < 0.5


@pytest.mark.parametrize("fps", [12, 24, 25, 30, 60])
def test_every_blink_shuts_the_eye_in_some_frame(fps: int) -> None:
    scene = talk(8, 2)
    blinks = plan_blinks(scene, EyeSettings(seed=8))
    curve = eye_curves(scene, EyeSettings(seed=8), 120 * fps, float(fps))
    times = np.arange(120 * fps) / fps
    for blink in blinks:
        during = (times >= blink.start) & (times <= blink.end + 1 / fps)
        assert curve[during, EYE_SHAPES.index("eyeBlink_L")].max() > 0.999


def test_saccades_follow_the_main_sequence() -> None:
    small, large = Glance(0, 1.0, 0.0), Glance(0, 6.0, 8.0)
    assert small.duration == pytest.approx(0.0274)
    assert large.duration == pytest.approx(0.049)
    times = np.arange(0, 0.1, 0.001)
    yaw, pitch = gaze_curves(times, [large])
    assert (yaw[-1], pitch[-1]) == pytest.approx((6.0, 8.0))
    assert times[np.flatnonzero(yaw > 5.999)[0]] == pytest.approx(0.049, abs=0.002)


def test_gaze_stays_small_and_comes_back_to_the_viewer() -> None:
    times = np.arange(0, MINUTES * 60, 0.01)
    for seed in range(5):
        away = np.hypot(*gaze_curves(times, plan_gaze(talk(seed), EyeSettings(seed))))
        assert away.max() < LARGEST_GLANCE + 2.5
        assert 0.08 < (away > 3).mean() < 0.35  # looks away, but not for most of the time
        moved = np.flatnonzero(away > 3)
        longest = np.diff(np.flatnonzero(np.diff(np.r_[0, away > 3, 0])))[::2].max()
        assert len(moved) and longest < 2.5 / 0.01
        assert away[-1] < 1e-4


def test_one_looks_away_to_begin_and_at_the_listener_to_end_a_phrase() -> None:
    begun, ended = [], []
    for seed in range(10):
        scene = talk(seed)
        away = np.hypot(
            *gaze_curves(np.arange(0, scene.seconds, 0.01), plan_gaze(scene, EyeSettings(seed)))
        )
        begun += [away[int(100 * (p.start + 0.5))] > 3 for p in scene.phrases]
        ended += [away[int(100 * p.end) - 5] > 3 for p in scene.phrases]
    assert np.mean(begun) > 3 * np.mean(ended)


def test_gaze_has_no_side_and_can_be_switched_off() -> None:
    yaws = [m.yaw for s in range(30) for m in plan_gaze(talk(s, 2), EyeSettings(s))[::2]]
    assert abs(np.mean(yaws)) < 0.15 * np.std(yaws)
    scene = talk(9, 1)
    still = eye_curves(scene, EyeSettings(9, gaze=0.0), 1500, 25.0)
    assert not still[:, [n for n, name in enumerate(EYE_SHAPES) if "Look" in name]].any()
    half, whole = (eye_curves(scene, EyeSettings(9, gaze=g), 1500, 25.0) for g in (0.5, 1.0))
    looks = [n for n, name in enumerate(EYE_SHAPES) if "Look" in name]
    np.testing.assert_allclose(2 * half[:, looks], whole[:, looks], atol=1e-6)


def test_both_eyes_turn_the_same_way() -> None:
    curves = eye_curves(talk(2, 1), EyeSettings(2), 1500, 25.0)
    column = dict(zip(EYE_SHAPES, curves.T, strict=True))
    np.testing.assert_array_equal(column["eyeLookOut_L"], column["eyeLookIn_R"])
    np.testing.assert_array_equal(column["eyeLookIn_L"], column["eyeLookOut_R"])
    np.testing.assert_array_equal(column["eyeLookUp_L"], column["eyeLookUp_R"])
    assert not (column["eyeLookUp_L"] * column["eyeLookDown_L"]).any()
    assert curves.min() >= 0


def test_phrases_are_what_lies_between_silences() -> None:
    names = ("sil", "a", "t")
    spans = [
        (0.0, 0.5, 0), (0.5, 0.8, 1), (0.8, 0.9, 0), (0.9, 1.2, 2),  # a short silence: one phrase
        (1.2, 2.0, 0), (2.0, 2.1, 2), (2.1, 3.0, 0),  # a click
        (3.0, 4.0, 1),
    ]  # fmt: skip
    start, end, index = (np.array(column) for column in zip(*spans, strict=True))
    assert phrases_heard(names, start, end, index) == (Phrase(0.5, 1.2), Phrase(3.0, 4.0))


@pytest.mark.parametrize(
    "pose",
    [
        {},
        {"eyeSquint": 0.4, "cheekSquint": 0.5},
        {"eyeBlink": 0.3, "eyeLookDown": 0.4},
        {"eyeLookUp": 0.4, "browOuterUp": 1.0},
        {"noseSneer": 0.8, "browDown": 1.0},
    ],
)
def test_lids_meet_whatever_holds_them_half_shut(pose: dict[str, float]) -> None:
    head = load_head()
    of_template, of_shapes = lid_openings(head.vertices, head.shapes, head)
    weights = np.zeros(len(head.shape_names), np.float32)
    for name, value in pose.items():
        for side in "LR":
            weights[head.shape_names.index(f"{name}_{side}")] = value
    left, right = of_template + weights @ of_shapes
    weights[head.shape_names.index("eyeBlink_L")] += left
    weights[head.shape_names.index("eyeBlink_R")] += right
    shut = head.vertices + np.tensordot(weights, head.shapes, 1)
    assert abs(lid_gap(shut[None], head)[0]) < 0.0006
    assert left == pytest.approx(right, abs=1e-3)
