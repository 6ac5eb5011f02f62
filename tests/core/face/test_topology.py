# SPDX-License-Identifier: GPL-3.0-or-later
"""Connectivity, and what is said of a mesh that is not FLAME's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_core.errors import InputError
from emoface_core.face.topology import (
    FLAME_VERTICES,
    boundary_loops,
    check_topology,
    components,
    edges,
    face_list_digest,
    flame_faces,
    half_edges,
    rings,
)

# Two triangles sharing an edge, and a third apart from them.
KITE = np.array([[0, 1, 2], [2, 1, 3], [4, 5, 6]])


def shuffled(faces: np.ndarray, seed: int) -> np.ndarray:
    """The same triangles in another order, each begun at another corner."""
    random = np.random.default_rng(seed)
    turned = [np.roll(face, random.integers(3)) for face in faces]
    return np.array(turned)[random.permutation(len(faces))]


def test_flame_is_as_published() -> None:
    faces = flame_faces()
    assert np.bincount(components(faces, FLAME_VERTICES)).tolist() == [3931, 546, 546]
    assert len(edges(faces)) == 14995
    assert sorted(len(loop) for loop in boundary_loops(faces)) == [30, 32]
    assert face_list_digest(faces).startswith("cb2e0bc686b21ecb")


def test_rings_walk_counter_clockwise_from_border_to_border() -> None:
    around = rings(KITE, 7)
    assert around[1] == [3, 2, 0]  # seen from above with 0 1 2 counter-clockwise
    assert around[4] == [5, 6]
    assert around[0] == [1, 2]


def test_closed_rings_begin_at_the_smallest_neighbour() -> None:
    for vertex, ring in enumerate(rings(flame_faces(), FLAME_VERTICES)):
        border = len(ring) != (flame_faces() == vertex).any(axis=1).sum()
        assert border or ring[0] == min(ring)
        if vertex > 300:
            break


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_depends_on_how_the_triangles_are_listed(seed: int) -> None:
    again = shuffled(flame_faces()[:400], seed)
    n = int(again.max()) + 1
    assert rings(again, n) == rings(flame_faces()[:400], n)
    assert face_list_digest(again) == face_list_digest(flame_faces()[:400])
    assert np.array_equal(components(again, n), components(flame_faces()[:400], n))


def test_an_edge_used_twice_the_same_way_is_refused() -> None:
    with pytest.raises(InputError, match="0–1"):
        half_edges([[0, 1, 2], [0, 1, 3]])


def test_flame_passes_however_it_is_listed() -> None:
    check_topology(FLAME_VERTICES, shuffled(flame_faces(), 1))
    check_topology(FLAME_VERTICES, flame_faces()[:, ::-1])


def test_quads_cut_the_other_way_pass() -> None:
    faces = flame_faces().astype(np.int64).copy()
    sides = half_edges(faces)
    a, b, c = faces[0].tolist()
    d = sides[b, a]
    across = np.flatnonzero((np.sort(faces, axis=1) == sorted((a, b, d))).all(axis=1))[0]
    faces[0], faces[across] = (a, d, c), (d, b, c)
    check_topology(FLAME_VERTICES, faces)


def test_another_count_is_said() -> None:
    with pytest.raises(InputError, match="5118 vertices; FLAME's has 5023"):
        check_topology(5118, flame_faces())
    with pytest.raises(InputError, match="9975 triangles; FLAME's has 9976"):
        check_topology(FLAME_VERTICES, flame_faces()[1:])


def test_another_order_is_said() -> None:
    order = np.random.default_rng(0).permutation(FLAME_VERTICES)
    with pytest.raises(InputError, match="in another order"):
        check_topology(FLAME_VERTICES, order[flame_faces()])


def test_two_vertices_swapped_are_found() -> None:
    order = np.arange(FLAME_VERTICES)
    order[[100, 3000]] = order[[3000, 100]]
    with pytest.raises(InputError, match="in another order"):
        check_topology(FLAME_VERTICES, order[flame_faces()])


@pytest.mark.parametrize("faces", [np.zeros((0, 3), int), np.zeros((4, 4), int), [[0, 1, 9000]]])
def test_what_is_no_triangle_list_is_refused(faces: np.ndarray) -> None:
    with pytest.raises(InputError):
        check_topology(FLAME_VERTICES, faces)
