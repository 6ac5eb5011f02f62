# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex metrics against numbers worked by hand, and what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoface_core.errors import InputError
from emoface_core.evaluation.clips import Clip, paired, read_clip
from emoface_core.evaluation.metrics import pool, squared_errors, vertex_errors
from emoface_core.evaluation.regions import Regions, read_regions

FACES = np.array([[0, 1, 2], [1, 2, 3]], np.int32)
REGIONS = Regions(
    lips=np.array([0, 1], np.int32),
    eyes_and_forehead=np.array([2, 3], np.int32),
    upper_face=np.array([3], np.int32),
    source="the test",
)


def clip(offsets, fps=30.0, template=None):
    offsets = np.asarray(offsets, np.float32)
    if template is None:
        template = np.arange(12, dtype=np.float32).reshape(4, 3) / 100
    return Clip(offsets, template, FACES, fps)


def random_clip(seed, frames=6):
    return clip(np.random.default_rng(seed).normal(0, 0.01, (frames, 4, 3)))


def test_hand_worked():
    truth = np.zeros((2, 4, 3))
    pred = np.zeros((2, 4, 3))
    pred[0, 0] = (0.003, 0.004, 0)  # 5 mm: worst lip of frame 0
    pred[0, 1] = (0.001, 0, 0)
    pred[1, 1] = (0, 0, 0.001)  # 1 mm: worst lip of frame 1
    pred[1, 2] = (0.002, 0, 0)  # 2 mm at the eyes
    pred[1, 3] = (0, 0.001, 0)
    found = vertex_errors(clip(pred), clip(truth), REGIONS)
    assert found.lve_sq_m2 == pytest.approx((25e-6 + 1e-6) / 2, rel=1e-4)
    assert found.lve_mm == pytest.approx(3.0, rel=1e-4)
    assert found.eve_sq_m2 == pytest.approx((0 + 4e-6) / 2, rel=1e-4)
    assert found.eve_mm == pytest.approx(1.0, rel=1e-4)
    assert found.mve_mm == pytest.approx((5 + 1 + 1 + 2 + 1) / 8, rel=1e-4)
    # |offset|² of vertex 3 over time: truth 0, 0; prediction 0, 1e-6: population std 0.5e-6.
    assert found.fdd_m2 == pytest.approx(-0.5e-6, rel=1e-4)
    assert found.fdd_abs_m2 == pytest.approx(0.5e-6, rel=1e-4)
    # Centroid removed. Frame 0: (3,4,0) and (1,0,0) less their mean (2,2,0): sqrt(5).
    # Frame 1: (0,0,0) and (0,0,1) less (0,0,.5): .5.
    assert found.lve_centred_mm == pytest.approx((np.sqrt(5) + 0.5) / 2, rel=1e-4)


def test_root_of_the_mean_is_not_the_mean_of_roots():
    found = vertex_errors(random_clip(1), random_clip(2), REGIONS)
    assert found.lve_mm < 1000 * np.sqrt(found.lve_sq_m2)


@given(st.integers(0, 1000), st.integers(1, 600))
def test_a_clip_against_itself_is_zero(seed, frames):
    one = random_clip(seed, frames)
    found = vertex_errors(one, one, REGIONS)
    assert (found.lve_sq_m2, found.eve_mm, found.mve_mm, found.fdd_m2) == (0, 0, 0, 0)
    assert found.frames == frames


@given(st.integers(0, 1000))
def test_distances_are_symmetric_and_fdd_changes_sign(seed):
    one, other = random_clip(seed), random_clip(seed + 1)
    there, back = vertex_errors(one, other, REGIONS), vertex_errors(other, one, REGIONS)
    assert there.lve_sq_m2 == pytest.approx(back.lve_sq_m2)
    assert there.mve_mm == pytest.approx(back.mve_mm)
    assert there.fdd_m2 == pytest.approx(-back.fdd_m2)


def test_duplicates_in_a_region_change_nothing(tmp_path):
    path = tmp_path / "masks.npz"
    np.savez(path, lips=[1, 0, 1, 1], eye_region=[2, 2], forehead=[3], upper_face=[3])
    regions = read_regions(path)
    assert regions.lips.tolist() == [0, 1]
    assert regions.eyes_and_forehead.tolist() == [2, 3]
    one, other = random_clip(1), random_clip(2)
    assert vertex_errors(one, other, regions) == vertex_errors(one, other, REGIONS)


def test_a_shared_move_is_forgiven_only_by_the_centred_error():
    truth = random_clip(3)
    pred = clip(truth.offsets + np.float32(0.002))
    found = vertex_errors(pred, truth, REGIONS)
    assert found.lve_centred_mm == pytest.approx(0, abs=1e-4)
    assert found.lve_mm == pytest.approx(2 * np.sqrt(3), rel=1e-3)


def test_places_are_compared_not_offsets():
    truth = random_clip(4)
    moved = truth.template + np.float32(0.001)
    pred = clip(truth.offsets - np.float32(0.001), template=moved)
    assert squared_errors(pred, truth).max() < 1e-12


def test_pooling_weighs_frames_or_clips():
    short = vertex_errors(clip(np.full((1, 4, 3), 0.003)), clip(np.zeros((1, 4, 3))), REGIONS)
    long = vertex_errors(clip(np.zeros((3, 4, 3))), clip(np.zeros((3, 4, 3))), REGIONS)
    by_frames, by_clips = pool([short, long]), pool([short, long], by_frames=False)
    assert by_frames.lve_sq_m2 == pytest.approx(short.lve_sq_m2 / 4)
    assert by_clips.lve_sq_m2 == pytest.approx(short.lve_sq_m2 / 2)
    assert by_frames.frames == 4


def test_signed_fdd_cancels_over_a_set_and_its_size_does_not():
    still, moving = clip(np.zeros((2, 4, 3))), clip(np.zeros((2, 4, 3)))
    moving.offsets[1] = 0.01
    both = [vertex_errors(still, moving, REGIONS), vertex_errors(moving, still, REGIONS)]
    assert both[0].fdd_m2 > 0
    assert pool(both).fdd_m2 == 0
    assert pool(both).fdd_abs_m2 == pytest.approx(both[0].fdd_m2)


def test_the_longer_clip_is_cut():
    pred, truth = paired(random_clip(1, 12), random_clip(2, 10))
    assert (pred.frames, truth.frames) == (10, 10)
    pred, truth = paired(random_clip(1, 10), random_clip(2, 12))
    assert (pred.frames, truth.frames) == (10, 10)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (clip(np.zeros((6, 4, 3)), fps=25), "25 frames a second"),
        (clip(np.zeros((60, 4, 3))), "not the same clip"),
        (
            Clip(np.zeros((6, 5, 3), np.float32), np.zeros((5, 3), np.float32), FACES, 30.0),
            "5 vertices",
        ),
        (
            Clip(np.zeros((6, 4, 3), np.float32), np.zeros((4, 3), np.float32), FACES[::-1], 30.0),
            "other faces",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(other, says):
    with pytest.raises(InputError, match=says):
        paired(other, random_clip(1))


def test_regions_of_another_mesh_are_refused(tmp_path):
    path = tmp_path / "masks.npz"
    np.savez(path, lips=[0, 99], eye_region=[2], forehead=[3])
    with pytest.raises(InputError, match="vertex 99"):
        vertex_errors(random_clip(1), random_clip(2), read_regions(path))
    np.savez(path, lips=[0, 1])
    with pytest.raises(InputError, match="eye_region, forehead"):
        read_regions(path)
    np.savez(path, lips=[0.5], eye_region=[2], forehead=[3])
    with pytest.raises(InputError, match="not a list of vertex numbers"):
        read_regions(path)


def test_reading_a_clip(tmp_path):
    path = tmp_path / "out.npz"
    good = {
        "offsets": np.zeros((3, 4, 3), np.float32),
        "template": np.zeros((4, 3), np.float32),
        "faces": FACES,
        "fps": np.float64(30),
    }
    np.savez(path, **good)
    assert read_clip(path).frames == 3
    for change, says in [
        ({"offsets": np.zeros((3, 4))}, "wrong shape"),
        ({"offsets": np.full((3, 4, 3), np.nan)}, "not numbers"),
        ({"fps": np.float64(0)}, "frame rate"),
        ({"template": np.zeros((5, 3))}, "wrong shape"),
    ]:
        np.savez(path, **(good | change))
        with pytest.raises(InputError, match=says):
            read_clip(path)
    np.savez(path, offsets=good["offsets"])
    with pytest.raises(InputError, match="no template, faces, fps"):
        read_clip(path)
