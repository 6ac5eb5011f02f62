# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of mouth and lids agree with what the rig was told to do."""

from dataclasses import replace

import numpy as np
import pytest

from emoface_core.face import measures
from emoface_core.face.head import Head, load_head


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def frames(head: Head, *poses: dict[str, float]) -> np.ndarray:
    return np.stack([head.pose(**pose) for pose in poses])


def test_the_neutral_mouth_is_shut(head: Head) -> None:
    still = frames(head, {}, {"browDown_L": 1.0}, {"eyeBlink_R": 1.0})
    assert np.abs(measures.lip_gap(still, head)).max() < 1e-5
    assert np.abs(measures.jaw_opening(still, head)).max() < 1e-4


def test_the_gap_follows_the_jaw(head: Head) -> None:
    opened = frames(head, *({"jawOpen": w} for w in np.linspace(0, 1, 6)))
    gap = measures.lip_gap(opened, head)
    assert (np.diff(gap) > 0.003).all()
    assert 0.02 < gap[-1] < 0.04
    assert np.allclose(measures.jaw_opening(opened, head), np.linspace(0, 1, 6) * 0.0332, atol=2e-3)


@pytest.mark.parametrize("jaw", [0.1, 0.4, 1.0])
def test_lips_shut_over_an_open_jaw(head: Head, jaw: float) -> None:
    shut = frames(head, {"jawOpen": jaw, "mouthClose": jaw})
    assert np.abs(measures.lip_gaps(shut, head)).max() < 3e-4
    assert measures.jaw_opening(shut, head)[0] > 0.9 * jaw * 0.0332


def test_pressed_lips_read_below_nothing_and_parted_ones_above(head: Head) -> None:
    pressed, parted = frames(
        head,
        {"mouthPress_L": 1, "mouthPress_R": 1},
        {"mouthUpperUp_L": 0.5, "mouthUpperUp_R": 0.5},
    )
    assert measures.lip_gap(pressed[None], head)[0] < -5e-4
    assert measures.lip_gap(parted[None], head)[0] > 2e-3


def test_the_jaw_is_not_the_lips(head: Head) -> None:
    skin = frames(head, {"mouthFunnel": 1}, {"mouthShrugLower": 1}, {"mouthSmile_L": 1})
    assert np.abs(measures.jaw_opening(skin, head)).max() < 1e-3


def test_width_of_the_mouth(head: Head) -> None:
    poses = ({}, {"mouthPucker": 1}, {"mouthSmile_L": 1, "mouthSmile_R": 1})
    neutral, round_, broad = measures.mouth_width(frames(head, *poses), head)
    assert round_ < neutral - 0.005
    assert broad > neutral + 0.01
    assert 0.035 < neutral < 0.06


def test_lids(head: Head) -> None:
    poses = ({}, {"eyeBlink_L": 1}, {"eyeWide_L": 1, "eyeWide_R": 1}, {"eyeBlink_L": 0.5})
    gaps = measures.lid_gaps(frames(head, *poses), head)
    assert np.abs(gaps[0, 0] - gaps[0, 1]) < 1e-6
    assert abs(gaps[1, 0]) < 5e-4
    assert gaps[1, 1] == pytest.approx(gaps[0, 1], abs=2e-4)
    assert (gaps[2] > gaps[0] + 5e-4).all()
    assert gaps[3, 0] == pytest.approx((gaps[0, 0] + gaps[1, 0]) / 2, abs=1e-5)
    assert measures.lid_gap(frames(head, {}), head)[0] == pytest.approx(gaps[0].mean())


def test_the_lower_lip_finds_the_teeth(head: Head) -> None:
    # Put the lower lip's rim onto the incisors' edge, and it must read as touching.
    touching = head.vertices.copy()
    rim = head.mouth_grid[1:, 4:13]
    touching[rim] += head.teeth_edge.mean(axis=0) - touching[rim[2, 3:6]].mean(axis=0)
    apart = head.pose(jawOpen=0.5)
    gaps = measures.lip_teeth_gap(np.stack([head.vertices, touching, apart]), head)
    assert gaps[1] < 0.002
    assert gaps[2] > gaps[1] + 0.01


def test_long_clips_read_as_short_ones(head: Head) -> None:
    random = np.random.default_rng(0)
    poses = random.uniform(0, 0.5, (300, 1, 1)).astype(np.float32)
    clip = head.vertices + poses * head.shape("jawOpen")
    whole = measures.lip_teeth_gap(clip, head)
    parts = np.concatenate(
        [measures.lip_teeth_gap(clip[i : i + 7], head) for i in range(0, 300, 7)]
    )
    assert np.allclose(whole, parts, atol=1e-7)


def test_another_person_is_measured_by_their_own_neutral(head: Head) -> None:
    other = replace(head, vertices=head.vertices * np.float32(1.1))
    neutral = other.vertices[None]
    assert np.abs(measures.lip_gap(neutral, other)).max() < 1e-6
    assert np.abs(measures.jaw_opening(neutral, other)).max() < 1e-6
    assert (
        measures.mouth_width(neutral, other)[0] > measures.mouth_width(head.vertices[None], head)[0]
    )
