# SPDX-License-Identifier: GPL-3.0-or-later
"""Several sounds on one face: joined at their places, at rest in between, never mixed up."""

from dataclasses import replace

import numpy as np
import pytest

from blender_addon.curves.join import PAUSE_SECONDS, Part, check_apart, felt_around, join
from blender_addon.curves.timing import Clip
from emoface_core.errors import InputError
from emoface_core.layers import BakeLayers

from .. import conftest

FPS = 25.0


def part(name: str, first: int, frames: int, drop: tuple[int, ...] = ()) -> Part:
    layers = conftest.layers(frames, FPS)
    speech = [i for i in range(len(layers.speech_keys)) if i not in drop]
    kept = replace(
        layers,
        speech_keys=tuple(layers.speech_keys[i] for i in speech),
        speech_basis=layers.speech_basis[speech],
        speech_curves=layers.speech_curves[:, speech],
    )
    return Part(name, Clip(first, 0.5, frames, FPS), kept)


def offsets(layers: BakeLayers, frame: int) -> np.ndarray:
    return layers.offsets()[frame]


def test_one_sound_is_left_alone() -> None:
    only = part("a", 7, 20)
    assert join([only]) == (only.clip, only.layers)


def test_each_sound_is_exact_at_its_place() -> None:
    one, two = part("one", 11, 30), part("two", 101, 40, drop=(0, 3))
    clip, whole = join([two, one])
    assert clip == Clip(11, 0.0, 130, FPS)
    assert (whole.frames, whole.seconds) == (130, pytest.approx(5.2))
    assert set(whole.speech_keys) == set(one.layers.speech_keys)
    for one_part, start in ((one, 0), (two, 90)):
        for frame in (0, 7, one_part.layers.frames - 1):
            same = offsets(whole, start + frame) - offsets(one_part.layers, frame)
            assert np.abs(same).max() < 1e-6


def test_in_a_long_pause_the_face_rests() -> None:
    gap = int(3 * PAUSE_SECONDS * FPS)
    _, whole = join([part("one", 1, 30), part("two", 31 + gap, 30)])
    assert np.abs(offsets(whole, 30 + gap // 2)).max() == 0


def test_in_a_short_pause_the_mouth_rests_and_the_feeling_stays() -> None:
    one, two = part("one", 1, 30), part("two", 61, 30)
    _, whole = join([one, two])
    assert np.abs(whole.speech_curves[45]).max() == 0
    middle = whole.emotion_curves[44:46].mean(axis=0)
    ends = (one.layers.emotion_curves[-1] + two.layers.emotion_curves[0]) / 2
    assert np.abs(middle - ends).max() < 0.05 * np.abs(ends).max()


@pytest.mark.parametrize("gap", [0, 1, 2, 5, 11, 80])
def test_no_curve_jumps_further_than_its_own_ends(gap: int) -> None:
    one, two = part("one", 1, 30), part("two", 31 + gap, 30)
    _, whole = join([one, two])
    a, b = one.layers.speech_curves[-1], two.layers.speech_curves[0]
    between = whole.speech_curves[29 : 31 + gap]
    assert (np.abs(between) <= np.maximum(np.abs(a), np.abs(b)) + 1e-6).all()
    assert np.allclose(whole.emotion_weights.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(whole.voice_weights.sum(axis=1), 1, atol=1e-5)


def test_the_phones_are_heard_where_they_are() -> None:
    _, whole = join([part("one", 1, 25), part("two", 51, 25)])
    assert whole.phone_start.tolist() == [0.0, 2.0]
    assert whole.phone_end.tolist() == [1.0, 3.0]


def test_two_at_once_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="“one” and “two” are heard at the same time .frame 30"):
        join([part("one", 1, 30), part("two", 30, 30)])
    check_apart([("a", Clip(1, 0, 30, FPS)), ("b", Clip(31, 0, None, FPS))])
    with pytest.raises(InputError, match="“a” and “b”"):
        check_apart([("b", Clip(5, 0, 9, FPS)), ("a", Clip(1, 0, 30, FPS))])


def test_a_face_goes_on_feeling_between_its_lines() -> None:
    """But for the time that the next feeling takes to come; before and after as it is told."""
    near, far = Clip(10, 0.0, 20, FPS), Clip(60, 0.0, 40, FPS)
    much, last = Clip(400, 0.0, 10, FPS), Clip(10_000, 0.0, None, FPS)
    felt = felt_around([near, far, much, last], 8, 12)
    pause = round(PAUSE_SECONDS * FPS)
    assert [(clip.before, clip.after) for clip in felt] == [
        (8, 0),  # 30 frames are bridged
        (0, 300 - pause),
        (0, 60 * round(FPS)),  # a minute is enough
        (0, 12),
    ]
    assert [replace(clip, before=0, after=0) for clip in felt] == [near, far, much, last]


def test_what_is_felt_around_is_part_of_the_whole() -> None:
    one, two = part("one", 11, 30), part("two", 101, 40)
    around = replace(one, clip=replace(one.clip, first_frame=19, frames=22, before=8))
    clip, whole = join([around, replace(two, clip=replace(two.clip, frames=35, after=5))])
    assert (clip.felt_from, clip.first_frame, clip.after, whole.frames) == (11, 19, 5, 130)
    assert clip.frames == 130 - 8 - 5
