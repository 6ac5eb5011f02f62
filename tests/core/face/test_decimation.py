# SPDX-License-Identifier: GPL-3.0-or-later
"""Thinned meshes keep their form; coarse meshes keep their pieces."""

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.face.coarse import coarse_mesh
from emoface_core.face.decimation import decimate
from emoface_core.face.head import load_head
from emoface_core.face.registration import Surface
from emoface_core.face.symmetry import mirror_map, mirrored
from emoface_core.face.topology import boundary_loops, components, half_edges


def eyeball() -> tuple[np.ndarray, np.ndarray]:
    head = load_head()
    ids = head.regions["left_eyeball"]
    faces = head.faces[np.isin(head.faces[:, 0], ids)] - ids[0]
    return head.vertices[ids].astype(np.float64), faces


def test_a_ball_thinned_is_still_a_ball() -> None:
    vertices, faces = eyeball()
    kept, thin = decimate(vertices, faces, 180)
    assert len(kept) == 180
    assert len(thin) == 2 * 180 - 4  # Euler: still closed
    assert not boundary_loops(thin)
    assert all((b, a) in half_edges(thin) for a, b in half_edges(thin))
    away = Surface(vertices[kept], thin).closest(vertices).distance
    assert away.max() < 0.06 * np.ptp(vertices[:, 0])
    centre = vertices.mean(axis=0)
    corners = vertices[kept][thin]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((corners.mean(axis=1) - centre) * across).sum(axis=1).min() > 0


def test_what_is_flat_goes_first_and_rims_stay() -> None:
    side = np.linspace(0, 1, 11)
    y, x = np.meshgrid(side, side, indexing="ij")
    vertices = np.stack([x, y, np.where(x > 0.55, x - 0.55, 0)], axis=-1).reshape(-1, 3)
    at = np.arange(121).reshape(11, 11)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)
    kept, thin = decimate(vertices, faces, 50)
    rim = np.flatnonzero((x.ravel() % 1 == 0) | (y.ravel() % 1 == 0))
    assert np.isin(rim, kept).all()
    assert Surface(vertices[kept], thin).closest(vertices).distance.max() < 0.06


def test_a_coarse_mesh_has_the_pieces_and_rims_of_the_mesh_and_is_dense_where_told() -> None:
    head = load_head()
    lips = head.regions["lips"]
    density = np.where(np.isin(np.arange(5023), lips), 7.0, 1.0)
    coarse = coarse_mesh(
        head.vertices.astype(np.float64), head.faces,
        count=256, density=density, mirror=head.mirror,
    )  # fmt: skip
    assert 256 <= len(coarse.ids) <= 298
    assert np.bincount(components(coarse.faces, len(coarse.ids))).min() >= 3
    assert len(boundary_loops(coarse.faces)) == 2
    assert np.array_equal(np.sort(head.mirror[coarse.ids]), coarse.ids)
    assert np.isin(coarse.ids, lips).mean() > 2 * len(lips) / 5023


def test_too_coarse_is_refused() -> None:
    vertices, faces = eyeball()
    with pytest.raises(InputError, match="more vertices"):
        coarse_mesh(
            vertices, faces, count=-60, density=np.ones(546), mirror=np.arange(546, dtype=np.int32)
        )


def test_mirrors_are_found() -> None:
    head = load_head()
    found = mirror_map(head.vertices.astype(np.float64), head.faces)
    assert np.array_equal(found[found], np.arange(5023))
    assert np.abs(mirrored(head.vertices, found) - head.vertices).max() < 5e-5
    aside = np.array([[4.0, 0, 0], [5.0, 0, 0], [4.0, 1, 0]])
    with pytest.raises(InputError):
        mirror_map(aside, np.array([[0, 1, 2]]))
