# SPDX-License-Identifier: GPL-3.0-or-later
"""Another person's face, in any units and orientation, is brought to FLAME's frame and back."""

from pathlib import Path

import numpy as np
import pytest

from emoface_core.engine.neutral import own_neutral, read_neutral
from emoface_core.errors import InputError
from emoface_core.face.head import load_head

TURN = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)  # y up -> z up


def _write(folder: Path, vertices: np.ndarray, faces: np.ndarray | None) -> Path:
    path = folder / "mesh.npz"
    np.savez(path, vertices=vertices, **({} if faces is None else {"faces": faces}))
    return path


@pytest.mark.parametrize("with_faces", [True, False])
def test_units_turn_and_place(tmp_path: Path, with_faces: bool) -> None:
    head = load_head()
    other = head.vertices * [1.08, 0.95, 1.0]  # somebody with a wider face
    mesh = 100 * other @ TURN.T + [10, 20, 170]
    found = read_neutral(_write(tmp_path, mesh, head.faces if with_faces else None), head)
    back = found.template @ found.to_mesh[:3, :3].T + found.to_mesh[:3, 3]
    np.testing.assert_allclose(back, mesh, atol=1e-2)
    assert np.linalg.norm(found.template - other, axis=1).mean() < 0.01
    turned = found.to_mesh[:3, :3] / np.cbrt(np.linalg.det(found.to_mesh[:3, :3]))
    np.testing.assert_allclose(turned, TURN, atol=0.1)


def test_the_heads_own() -> None:
    own = own_neutral(load_head())
    np.testing.assert_array_equal(own.to_mesh, np.eye(4))


def test_what_is_no_such_face_is_a_sentence(tmp_path: Path) -> None:
    head = load_head()
    shuffled = np.random.default_rng(0).permutation(5023)
    for vertices, faces in (
        (head.vertices[:4000], None),
        (head.vertices[shuffled], None),
        (head.vertices, shuffled[head.faces]),
        (np.zeros((5023, 3)), None),
    ):
        with pytest.raises(InputError) as caught:
            read_neutral(_write(tmp_path, vertices, faces), head)
        assert caught.value.message
