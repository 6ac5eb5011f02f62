# SPDX-License-Identifier: GPL-3.0-or-later
"""Spirals: from the triangles alone, within their piece, of one length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.face.spirals import spirals
from emoface_core.face.topology import FLAME_VERTICES, components, flame_faces, rings


def hexagons(rows: int, columns: int) -> np.ndarray:
    """A flat patch of triangles, six at each inner vertex."""
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
    return np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)


def test_the_first_ring_comes_in_order_and_then_the_next() -> None:
    faces = hexagons(7, 7)
    middle = 24
    spiral = spirals(faces, 49, length=19)[middle].tolist()
    assert spiral[0] == middle
    assert spiral[1:7] == rings(faces, 49)[middle]
    second = {w for v in spiral[1:7] for w in rings(faces, 49)[v]} - set(spiral[:7])
    assert set(spiral[7:19]) == second
    steps = [set(rings(faces, 49)[v]) for v in spiral[7:19]]
    joined = sum(spiral[8 + k] in near for k, near in enumerate(steps[:-1]))
    assert joined >= 10  # the second ring is walked around, not jumped over


def test_they_never_leave_their_piece_and_never_repeat_within_it() -> None:
    piece = components(flame_faces(), FLAME_VERTICES)
    for length, dilation in ((9, 1), (9, 2), (15, 3)):
        found = spirals(flame_faces(), FLAME_VERTICES, length, dilation)
        assert found.shape == (FLAME_VERTICES, length)
        assert np.array_equal(found[:, 0], np.arange(FLAME_VERTICES))
        assert (piece[found] == piece[:, None]).all()
        assert all(len(set(row)) == length for row in found.tolist())


def test_a_small_piece_repeats_its_own_vertex() -> None:
    found = spirals([[0, 1, 2], [3, 4, 5]], 6, length=5)
    assert found[4].tolist() == [4, 5, 3, 4, 4]
    assert spirals([[0, 1, 2]], 4, length=3)[3].tolist() == [3, 3, 3]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 14), dilation=st.integers(1, 3))
def test_the_listing_of_the_triangles_does_not_matter(
    seed: int, length: int, dilation: int
) -> None:
    random = np.random.default_rng(seed)
    faces = hexagons(5, 6)
    again = np.array([np.roll(face, random.integers(3)) for face in faces])
    again = again[random.permutation(len(again))]
    assert np.array_equal(
        spirals(again, 30, length, dilation), spirals(faces, 30, length, dilation)
    )


def test_dilation_takes_every_so_many() -> None:
    wide = spirals(flame_faces(), FLAME_VERTICES, 25, 1)
    assert np.array_equal(spirals(flame_faces(), FLAME_VERTICES, 9, 3), wide[:, ::3])


def test_they_wind_one_way_everywhere() -> None:
    # The first ring must run counter-clockwise as seen from outside, on the face as on the eyes.
    head = load_head()
    found = spirals(head.faces, FLAME_VERTICES, 4)
    corner = {tuple(np.roll(face, k)) for face in head.faces.tolist() for k in range(3)}
    inner = found[::37]
    assert all((a, b, c) in corner for a, b, c, _ in inner.tolist())


@pytest.mark.parametrize(("length", "dilation"), [(0, 1), (3, 0), (-1, 1)])
def test_no_length_is_refused(length: int, dilation: int) -> None:
    with pytest.raises(InputError):
        spirals([[0, 1, 2]], 3, length, dilation)
