# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion that stays in the file comes back as it was."""

import numpy as np
import pytest

from blender_addon.curves.motion import Motion, motion_from_bytes
from emoface_core.emotions import EMOTIONS


def motion(frames: int = 90, speech: int = 7, emotion: int = 5) -> Motion:
    rng = np.random.default_rng(3)
    return Motion(
        fps=30 / 1.001,
        speech_keys=tuple(f"s{n}" for n in range(speech)),
        speech=np.cumsum(rng.normal(0, 0.05, (frames, speech)), axis=0).astype("f4"),
        emotion_keys=tuple(f"é{n}" for n in range(emotion)),
        emotion=rng.normal(0, 2, (frames, 8, emotion)).astype("f4"),
        voice=rng.dirichlet(np.ones(8), frames).astype("f4"),
        emotion_names=EMOTIONS,
    )


@pytest.mark.parametrize("sizes", [(90, 7, 5), (1, 1, 1), (40, 0, 3), (40, 3, 0)])
def test_it_comes_back(sizes: tuple[int, int, int]) -> None:
    made = motion(*sizes)
    read = motion_from_bytes(made.to_bytes())
    assert (read.fps, read.speech_keys, read.emotion_keys) == (
        made.fps,
        made.speech_keys,
        made.emotion_keys,
    )
    for name in ("speech", "emotion", "voice"):
        wanted, got = getattr(made, name), getattr(read, name)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, atol=np.abs(wanted).max(initial=0) / 60000)
        assert not got.flags.writeable


def test_smooth_curves_are_small() -> None:
    time = np.arange(300)[:, None] / 30
    curves = np.sin(time * np.linspace(1, 9, 40)).astype("f4")
    made = motion(300, 40, 0)
    made = Motion(made.fps, made.speech_keys, curves, (), made.emotion, made.voice, EMOTIONS)
    assert len(made.to_bytes()) < 0.5 * curves.nbytes


@pytest.mark.parametrize("wrong", [b"", b"\x05\0\0\0nonsense", motion().to_bytes()[:-9]])
def test_what_is_none_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        motion_from_bytes(wrong)
