# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a strip's sound is on the timeline, frame by frame."""

import pytest

from blender_addon.curves.timing import Clip, clip_of_strip, frames_per_second


def strip(**changes: float) -> Clip | None:
    times = {"content_start": 11, "left": 11, "right": 111, "trimmed": 0, "sound_offset": 0}
    return clip_of_strip(**{**times, "fps": 25, **changes})  # type: ignore[arg-type]


def test_a_plain_strip_is_heard_from_its_start() -> None:
    assert strip() == Clip(11, 0.0, 100, 25)


def test_a_trimmed_strip_begins_later_in_the_sound() -> None:
    assert strip(left=16, right=101) == Clip(16, pytest.approx(0.2), 85, 25)


def test_a_moved_offset_advances_the_sound() -> None:
    # Measured by mixdown: 5 frames trimmed by hand, 7 by the offset, first heard 0.48 s.
    assert strip(left=16, trimmed=7).start == pytest.approx(0.48)


def test_a_positive_sound_offset_delays_the_sound() -> None:
    # Measured by mixdown: the sound then begins at 1.13 s of the timeline, not at 1.0 s.
    clip = strip(content_start=21, left=26, sound_offset=0.33)
    assert clip.first_frame == 30  # the first frame after 21 + 0.33 * 25
    assert clip.start == pytest.approx((30 - 21) / 25 - 0.33)
    earlier = strip(content_start=21, left=26, sound_offset=-0.33)
    assert (earlier.first_frame, earlier.start) == (26, pytest.approx(0.53))


def test_a_strip_that_begins_before_its_sound_waits_for_it() -> None:
    assert strip(left=1) == Clip(11, 0.0, 100, 25)


def test_nothing_is_heard_of_an_empty_part() -> None:
    assert strip(left=111) is None
    assert strip(sound_offset=10) is None


@pytest.mark.parametrize(
    ("fps", "base", "rate"), [(24, 1, 24), (30, 1.001, 29.97002997), (60, 1, 60), (25, 0.5, 50)]
)
def test_the_rate_is_a_quotient(fps: int, base: float, rate: float) -> None:
    assert frames_per_second(fps, base) == pytest.approx(rate)


def test_a_clip_knows_its_length() -> None:
    assert strip().seconds == 4
    assert Clip(1, 0, None, 25).seconds is None
