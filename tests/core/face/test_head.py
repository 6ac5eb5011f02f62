# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that ships: its figures, its rig, its parts."""

import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.face.corrections import fit_sphere, seam_gap
from emoface_core.face.head import SHAPE_STEP, Head, load_head, read_head, save_head
from emoface_core.face.spirals import spirals
from emoface_core.face.symmetry import mirrored
from emoface_core.face.topology import (
    boundary_loops,
    check_topology,
    components,
    edges,
    half_edges,
)
from emoface_core.face.transfer import nearest_on_line, pair_name

BASE_REGIONS = (
    "lips", "nose", "eyes", "brows", "ears", "forehead", "cheeks", "jaw", "neck", "scalp",
    "eyeballs",
)  # fmt: skip


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def card_figures(label: str) -> list[float]:
    """Numbers in the figure of the card's row that begins with a label."""
    card = (files("emoface_core.assets") / "head.md").read_text(encoding="utf-8")
    row = next(line for line in card.splitlines() if line.startswith(f"| {label}"))
    return [float(number) for number in re.findall(r"\d+\.?\d*", row.split("|")[2])]


def test_the_card_belongs_to_the_file(head: Head) -> None:
    card = (files("emoface_core.assets") / "head.md").read_text(encoding="utf-8")
    assert head.digest in card
    for owed in ("Max-Planck-Gesellschaft", "CC BY 4.0", "ICT-FaceKit", "MIT", "RingNet"):
        assert owed in card


@pytest.mark.parametrize("part", ["face, vertices", "face, points between"])
def test_it_lies_on_the_surface_it_was_laid_onto(part: str) -> None:
    mean, most = card_figures(part)
    assert 0 < mean <= 0.20
    assert mean < most <= 0.6


def test_no_triangle_looks_the_wrong_way() -> None:
    assert card_figures("triangles of the face") == [0]


def test_it_is_flame(head: Head) -> None:
    check_topology(len(head.vertices), head.faces)
    assert np.isfinite(head.vertices).all()
    assert np.isfinite(head.shapes).all()
    assert head.shapes.shape == (57, 5023, 3)
    assert head.vertices[:, 1].max() - head.vertices[:, 1].min() == pytest.approx(0.3, abs=0.05)


def test_left_and_right_mirror_each_other_exactly(head: Head) -> None:
    assert np.array_equal(head.mirror[head.mirror], np.arange(5023))
    assert np.array_equal(mirrored(head.vertices, head.mirror), head.vertices)
    for name in head.shape_names:
        partner = mirrored(head.shape(pair_name(name)), head.mirror)
        assert np.array_equal(partner, head.shape(name)), name


def test_its_left_is_at_plus_x(head: Head) -> None:
    moved = np.linalg.norm(head.shape("mouthSmile_L"), axis=1)
    assert (moved @ head.vertices[:, 0]) / moved.sum() > 0.02


def test_shapes_are_smooth_but_where_lips_and_lids_part(head: Head) -> None:
    # Along every edge of the skin a shape stretches or shears by no more than a real face could;
    # a vertex that went astray in the transfer would stand out by far.
    pairs = edges(head.faces)
    length = np.linalg.norm(head.vertices[pairs[:, 0]] - head.vertices[pairs[:, 1]], axis=1)
    for name, offsets in zip(head.shape_names, head.shapes, strict=True):
        apart = np.linalg.norm(offsets[pairs[:, 0]] - offsets[pairs[:, 1]], axis=1)
        assert (apart < 0.012).all(), (name, apart.max())
        assert np.quantile(apart / np.maximum(length, 1e-4), 0.99) < 1.6, name


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75, 1.0])
def test_lids_keep_off_the_eyeballs(head: Head, strength: float) -> None:
    posed = head.pose(eyeBlink_L=strength, eyeBlink_R=strength)
    for pairs, ball in (
        (head.lid_pairs_left, "left_eyeball"),
        (head.lid_pairs_right, "right_eyeball"),
    ):
        centre, radius = fit_sphere(head.vertices[head.regions[ball]].astype(np.float64))
        upper = posed[pairs[:, 0]]
        assert (np.linalg.norm(upper - centre, axis=1) - radius).min() > 1e-4


def test_lids_meet_when_shut(head: Head) -> None:
    posed = head.pose(eyeBlink_L=1, eyeBlink_R=1).astype(np.float64)
    open_eye = head.vertices.astype(np.float64)
    for pairs in (head.lid_pairs_left, head.lid_pairs_right):
        upper, lower = pairs.T
        gap = np.linalg.norm(nearest_on_line(posed[upper], posed[lower]) - posed[upper], axis=1)
        assert gap[1:-1].max() <= 5e-4
        was = nearest_on_line(open_eye[upper], open_eye[lower]) - open_eye[upper]
        assert np.linalg.norm(was, axis=1).max() > 6e-3


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.6, 1.0])
def test_lips_meet_and_do_not_cross(head: Head, strength: float) -> None:
    posed = head.pose(jawOpen=strength, mouthClose=strength)
    reach = 0.9 * np.abs(posed[head.mouth_grid[3, [0, 16]], 0]).min()
    gap = seam_gap(posed, head.mouth_grid, np.linspace(-reach, reach, 41))
    assert np.abs(gap).max() < 2e-4


def test_the_lips_are_two(head: Head) -> None:
    posed = head.pose(jawOpen=1)
    upper, lower = head.inner_lip_pairs.T
    middle = slice(4, 11)
    assert (posed[upper, 1] - posed[lower, 1])[middle].min() > 0.02
    assert np.linalg.norm(head.shape("jawOpen")[upper[5:10]], axis=1).max() < 0.006
    assert np.isin(upper, head.regions["upper_lip"]).all()
    assert np.isin(lower, head.regions["lower_lip"]).all()


def test_no_triangle_of_the_neutral_lies_on_its_back(head: Head) -> None:
    # Two triangles of an edge may fold sharply only in lips, lids, nostrils and ears.
    corners = head.vertices.astype(np.float64)[head.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    sides = half_edges(head.faces)
    face_of = {
        tuple(np.roll(f, k)[:2]): i for i, f in enumerate(head.faces.tolist()) for k in range(3)
    }
    plain = set(
        np.concatenate([head.regions[r] for r in ("cheeks", "jaw", "forehead", "brows", "neck")])
    )
    inside = nostrils(head)
    for a, b in sides:
        if (b, a) in sides and {a, b} <= plain and not {a, b} & inside:
            assert normal[face_of[a, b]] @ normal[face_of[b, a]] > 0, (a, b)


def nostrils(head: Head) -> set[int]:
    middle = np.array([0.007, -0.011, 0.0575])
    near = [
        np.linalg.norm(head.vertices - middle * [side, 1, 1], axis=1) < 0.014 for side in (1, -1)
    ]
    return set(np.flatnonzero(near[0] | near[1]).tolist())


def test_regions_share_out_the_head(head: Head) -> None:
    count = np.zeros(5023, int)
    for name in BASE_REGIONS:
        count[head.regions[name]] += 1
        ids = head.regions[name]
        assert np.array_equal(np.sort(head.mirror[ids]), ids), f"{name} is lopsided"
    assert (count == 1).all()
    assert set(head.regions["upper_lip"]).isdisjoint(head.regions["lower_lip"])
    assert (
        head.vertices[head.regions["forehead"], 1].min()
        > head.vertices[head.regions["nose"], 1].min()
    )


@pytest.mark.parametrize(
    ("shape", "region"),
    [
        ("browInnerUp_L", {"brows", "forehead", "eyes"}),
        ("browOuterUp_L", {"brows", "forehead", "eyes"}),
        ("eyeBlink_L", {"eyes"}),
        ("eyeLookUp_L", {"eyes", "eyeballs"}),
        ("mouthPucker", {"lips", "jaw"}),
        ("mouthClose", {"lips", "jaw"}),
        ("jawOpen", {"lips", "jaw"}),
        ("noseSneer_L", {"nose", "cheeks", "lips", "jaw"}),
        ("cheekPuff_L", {"cheeks", "lips", "jaw"}),
    ],
)
def test_shapes_move_most_what_they_are_named_after(
    head: Head, shape: str, region: set[str]
) -> None:
    owner = np.empty(5023, dtype="<U10")
    for name in BASE_REGIONS:
        owner[head.regions[name]] = name
    moved = np.linalg.norm(head.shape(shape), axis=1)
    assert set(owner[moved > 0.85 * moved.max()]) <= region


@pytest.mark.parametrize("side", ["L", "R"])
def test_eyeballs_turn_as_a_whole(head: Head, side: str) -> None:
    ball = head.regions["left_eyeball" if side == "L" else "right_eyeball"]
    centre = head.eye_centres[0 if side == "L" else 1].astype(np.float64)
    before = head.vertices[ball].astype(np.float64) - centre
    front = before[before[:, 2].argmax()]
    for name, axis, sign in (("Up", 1, 1), ("Down", 1, -1), ("Out", 0, 1), ("In", 0, -1)):
        after = before + head.shape(f"eyeLook{name}_{side}")[ball]
        assert np.linalg.norm(after, axis=1) == pytest.approx(
            np.linalg.norm(before, axis=1), abs=5e-6
        )
        seen = after[before[:, 2].argmax()] - front
        outward = 1 if side == "L" or axis == 1 else -1
        assert seen[axis] * sign * outward > 0.004
        far = head.regions["right_eyeball" if side == "L" else "left_eyeball"]
        assert not head.shape(f"eyeLook{name}_{side}")[far].any()


def test_the_coarse_mesh_is_one(head: Head) -> None:
    coarse = head.coarse
    count = len(coarse.ids)
    assert 200 <= count <= 320
    assert len(np.unique(components(coarse.faces, count))) == 3
    assert len(boundary_loops(coarse.faces)) == 2
    assert len(np.unique(coarse.faces)) == count
    assert spirals(coarse.faces, count, 9).shape == (count, 9)
    dense = np.isin(
        coarse.ids, np.concatenate([head.regions[r] for r in ("lips", "eyes", "brows")])
    )
    assert dense.mean() > 0.3


def test_its_weights_bring_back_what_is_smooth(head: Head) -> None:
    coarse = head.coarse
    assert coarse.up_weight.min() >= 0
    assert np.abs(coarse.up_weight.sum(axis=1) - 1).max() < 1e-6
    piece = components(head.faces, 5023)
    used = coarse.up_weight > 0
    assert (piece[coarse.ids[coarse.up_index]] == piece[:, None])[used].all()
    one = np.eye(len(coarse.ids))
    assert np.allclose(coarse.up(one)[:, coarse.ids], one, atol=1e-5)
    again = coarse.up(head.vertices[coarse.ids].T).T
    assert np.linalg.norm(again - head.vertices, axis=1)[head.regions["face"]].mean() < 0.005
    # What happens on one lip must not leak to the other across the shut mouth.
    lower = np.isin(coarse.ids, head.regions["lower_lip"]).astype(float)
    assert coarse.up(lower)[head.inner_lip_pairs[3:-3, 0]].max() < 0.05


def test_the_lower_teeth_follow_the_jaw_and_nothing_else(head: Head) -> None:
    teeth = head.teeth
    assert len(teeth.vertices) < 6000
    assert set(teeth.materials) == {"teeth", "gums", "tongue"}
    assert np.bincount(teeth.face_material).min() > 100
    lower, upper = teeth.jaw_weight > 0.9, teeth.jaw_weight < 0.01
    assert min(lower.sum(), upper.sum()) > 1000
    dropped = teeth.follow(head.shape("jawOpen"))
    assert np.abs(dropped[upper]).max() < 4e-4
    front = lower & (teeth.vertices[:, 2] > np.quantile(teeth.vertices[:, 2], 0.9))
    assert dropped[front, 1].max() < -0.02
    half = teeth.follow(0.5 * head.shape("jawOpen"))
    assert np.allclose(half, dropped / 2, atol=1e-7)
    for name in head.shape_names:
        if not name.startswith("jaw"):
            assert np.abs(teeth.follow(head.shape(name))).max() < 1e-3, name
    many = teeth.follow(np.stack([head.shape("jawOpen"), head.shape("jawLeft")]))
    assert np.allclose(many[0], dropped, atol=1e-7)


def test_teeth_are_behind_the_lips(head: Head) -> None:
    x, y = head.teeth_edge[:, 0], head.teeth_edge[:, 1]
    assert np.abs(x).max() < 0.02
    assert np.ptp(y) < 0.002
    seam = head.vertices[head.inner_lip_pairs[7]]
    assert head.teeth_edge[:, 2].max() < seam[:, 2].min()
    assert 0 < seam[:, 1].mean() - y.mean() < 0.006


def test_saved_and_read_again_it_is_the_same(head: Head, tmp_path: Path) -> None:
    save_head(tmp_path / "again.npz", head)
    again = read_head(tmp_path / "again.npz")
    assert again.digest == head.digest
    assert again.shape_names == head.shape_names
    assert all(np.array_equal(again.regions[name], ids) for name, ids in head.regions.items())
    assert np.array_equal(again.coarse.up_weight, head.coarse.up_weight)
    assert np.abs(again.shapes - head.shapes).max() <= SHAPE_STEP
    (tmp_path / "cut.npz").write_bytes((tmp_path / "again.npz").read_bytes()[:5000])
    with pytest.raises(InputError):
        read_head(tmp_path / "cut.npz")


def test_it_cannot_be_changed_by_accident(head: Head) -> None:
    with pytest.raises(ValueError, match="read-only"):
        head.shapes[0] = 1
    with pytest.raises(KeyError):
        head.shape("mouthGrin")


def test_the_mouth_is_a_grid(head: Head) -> None:
    pairs = {tuple(pair) for pair in edges(head.faces).tolist()}
    for row in head.mouth_grid.tolist():
        assert all(tuple(sorted(p)) in pairs for p in pairwise([*row, row[0]]))
    for column in head.mouth_grid.T.tolist():
        assert all(tuple(sorted(p)) in pairs for p in pairwise(column))
