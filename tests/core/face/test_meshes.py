# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes read from files keep their vertices' order; broken ones are refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.face.meshes import read_mesh
from emoface_core.face.topology import check_topology

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5], [0, 0, 0]], np.float32)
TRIANGLES = [[0, 1, 2], [0, 2, 3]]

OBJ = """# a quad; two vertices in one place; texture and normals that other readers split on
v 0 0 0
v 1 0 0
vt 0 0
vn 0 0 1
v 1 1 0
v 0 1 .5
v 0 0 0
f 1/1/1 2//1 3/1 -2
"""
PLY = """ply
format ascii 1.0
comment by hand
element vertex 5
property float x
property float y
property float z
property uchar red
element face 1
property list uchar int vertex_indices
end_header
0 0 0 9
1 0 0 9
1 1 0 9
0 1 .5 9
0 0 0 9
4 0 1 2 3
"""


def binary_ply(order: str) -> bytes:
    name = "little" if order == "<" else "big"
    head = (
        f"ply\nformat binary_{name}_endian 1.0\nelement vertex 5\nproperty float x\n"
        "property double y\nproperty float z\nelement face 1\n"
        "property list uchar uint vertex_index\nproperty uchar tag\nend_header\n"
    )
    rows = np.zeros(5, [("x", order + "f4"), ("y", order + "f8"), ("z", order + "f4")])
    rows["x"], rows["y"], rows["z"] = VERTICES.T
    face = bytes([4]) + np.arange(4, dtype=order + "u4").tobytes() + bytes([7])
    return head.encode() + rows.tobytes() + face


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.obj", OBJ.encode()),
        ("a.ply", PLY.encode()),
        ("a.PLY", PLY.replace("\n", "\r\n").encode()),
        ("le.ply", binary_ply("<")),
        ("be.ply", binary_ply(">")),
    ],
)
def test_every_vertex_stays_where_it_was(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    vertices, faces = read_mesh(path)
    assert np.array_equal(vertices, VERTICES)
    assert faces.tolist() == TRIANGLES


def test_npz_with_and_without_faces(tmp_path: Path) -> None:
    head = load_head()
    np.savez(tmp_path / "a.npz", template=head.vertices, faces=head.faces)
    vertices, faces = read_mesh(tmp_path / "a.npz")
    assert np.array_equal(vertices, head.vertices)
    check_topology(len(vertices), faces)
    np.savez(tmp_path / "b.npz", vertices=head.vertices)
    assert read_mesh(tmp_path / "b.npz")[1].shape == (0, 3)


def test_a_head_through_obj_is_still_flame(tmp_path: Path) -> None:
    head = load_head()
    lines = [f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in head.vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (head.faces + 1).tolist()]
    (tmp_path / "head.obj").write_text("\n".join(lines))
    vertices, faces = read_mesh(tmp_path / "head.obj")
    check_topology(len(vertices), faces)
    assert np.abs(vertices - head.vertices).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.ply", binary_ply("<")[:-9]),
        ("cut2.ply", PLY[:-20].encode()),
        ("no.ply", b"hello"),
        ("header.ply", b"ply\nformat ascii 1.0\nelement vertex many\nend_header\n"),
        ("word.obj", b"v 0 0 zero\n"),
        ("short.obj", b"v 0 0\nv 1 1\n"),
        ("empty.obj", b""),
        ("far.obj", b"v 0 0 0\nf 1 2 3\n"),
        ("nan.obj", b"v 0 nan 0\n"),
        ("junk.npz", b"PK\x03\x04 but not really"),
        ("mesh.fbx", b"Kaydara"),
    ],
)
def test_what_is_broken_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_mesh(path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_mesh(tmp_path / "none.ply")
    np.savez(tmp_path / "other.npz", pictures=np.zeros(3))
    with pytest.raises(InputError, match="pictures"):
        read_mesh(tmp_path / "other.npz")
