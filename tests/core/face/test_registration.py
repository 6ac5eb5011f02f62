# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying one mesh onto another, and carrying shapes across, on meshes small enough to know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_core.face.registration import (
    Pins,
    Schedule,
    Surface,
    align_part,
    closest_weights,
    folds,
    lay_over,
    looks_away,
    snap,
    vertex_normals,
    warp,
)
from emoface_core.face.transfer import carry_shapes, nearest_on_line, patch, spread

QUICK = Schedule(stiffness=(3, 1, 0.3, 0.1, 0.03, 0.01), reach=(0.05,) * 6, repeats=2)


def sheet(rows: int, columns: int, height: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A flat grid over [-0.1, 0.1]², facing +z."""
    y, x = np.meshgrid(np.linspace(-0.1, 0.1, rows), np.linspace(-0.1, 0.1, columns), indexing="ij")
    vertices = np.stack([x, y, np.full_like(x, height)], axis=-1).reshape(-1, 3)
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)
    return vertices, faces


def hill(vertices: np.ndarray) -> np.ndarray:
    """The same with a hill upon it."""
    raised = vertices.copy()
    raised[:, 2] += 0.03 * np.exp(-((raised[:, :2] / 0.04) ** 2).sum(axis=1))
    return raised


def corner_pins(vertices: np.ndarray, target: np.ndarray) -> Pins:
    """Pin the four corners of a sheet to another's."""
    ends = [np.argmax(vertices[:, 0] * sx + vertices[:, 1] * sy) for sx, sy in SIGNS]
    goals = [target[np.argmax(target[:, 0] * sx + target[:, 1] * sy)] for sx, sy in SIGNS]
    return Pins.of_vertices(np.array(ends), np.array(goals), len(vertices))


SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_point_of_a_triangle_is_closer_than_the_closest(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners, point = random.normal(size=(3, 3)), 2 * random.normal(size=3)
    weights = closest_weights(point[None], corners[None])[0]
    assert weights.min() >= -1e-12
    assert weights.sum() == pytest.approx(1)
    best = np.linalg.norm(weights @ corners - point)
    others = random.dirichlet((0.5, 0.5, 0.5), 300) @ corners
    assert best <= np.linalg.norm(others - point, axis=1).min() + 1e-9


def test_a_warp_takes_anchors_to_their_targets_and_keeps_what_is_linear() -> None:
    random = np.random.default_rng(0)
    anchors, points = random.normal(size=(2, 30, 3))
    bend = anchors + 0.2 * np.sin(3 * anchors)
    assert np.allclose(warp(anchors, anchors, bend), bend, atol=1e-4)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    assert np.allclose(warp(points, anchors, 2 * anchors @ turn + 1), 2 * points @ turn + 1)


def test_a_flat_sheet_comes_to_lie_on_a_hill() -> None:
    goal, goal_faces = sheet(41, 41)
    surface = Surface(hill(goal), goal_faces)
    vertices, faces = sheet(17, 15)
    pins = corner_pins(vertices, surface.vertices)
    none = Pins.of_vertices(np.array([], int), np.zeros((0, 3)), len(vertices))
    laid = lay_over(vertices, faces, surface, pins, none, schedule=QUICK)
    away = surface.closest(laid).distance
    assert away.mean() < 5e-5
    assert away.max() < 1e-3
    assert not looks_away(laid, faces, surface).any()
    assert laid[:, 2].max() > 0.027
    snapped = snap(laid, faces, surface)
    assert surface.closest(snapped).distance.mean() < 1e-6


def test_hints_fade_where_pins_hold() -> None:
    goal, goal_faces = sheet(31, 31)
    surface = Surface(goal, goal_faces)
    vertices, faces = sheet(11, 11, height=0.004)
    pins = corner_pins(vertices, goal)
    wrong = Pins.of_vertices(np.array([60]), np.array([[0.0, 0.0, 0.02]]), len(vertices))
    hinted = lay_over(vertices, faces, surface, pins, wrong, schedule=QUICK)
    assert abs(hinted[60, 2]) < 1e-3
    none = Pins.of_vertices(np.array([], int), np.zeros((0, 3)), len(vertices))
    held = lay_over(vertices, faces, surface, Pins.join([pins, wrong]), none, schedule=QUICK)
    assert held[60, 2] > 0.01


def test_zones_keep_two_close_surfaces_apart() -> None:
    # Two sheets half a millimetre apart: each half of the mesh is only let onto its own, though
    # the other is nearer.
    low, low_faces = sheet(21, 21)
    high, high_faces = sheet(21, 21, height=0.0005)
    surface = Surface(
        np.concatenate([low, high]),
        np.concatenate([low_faces, high_faces + len(low)]),
        np.concatenate([np.full(len(low_faces), 1), np.full(len(high_faces), 2)]),
    )
    points = np.array([[0.01, 0.01, 0.0004], [0.02, 0.01, 0.0001], [0.0, 0.03, 0.0004]])
    hits = surface.closest(points, zones=np.array([1, 2, 0]))
    assert hits.points[:, 2] == pytest.approx([0, 0.0005, 0.0005])


def test_normals_choose_the_side() -> None:
    front, faces = sheet(9, 9)
    surface = Surface(
        np.concatenate([front, front - [0, 0, 0.002]]),
        np.concatenate([faces, faces[:, ::-1] + len(front)]),
    )
    point = np.array([[0.013, 0.011, -0.0004]])
    assert surface.closest(point).points[0, 2] == pytest.approx(0)
    back = surface.closest(point, normals=np.array([[0.0, 0.0, -1.0]]))
    assert back.points[0, 2] == pytest.approx(-0.002)
    sideways = surface.closest(point, normals=np.array([[1.0, 0.0, 0.0]]))
    assert np.isinf(sideways.distance[0])


def test_hits_on_the_rim_are_known() -> None:
    surface = Surface(*sheet(9, 9))
    hits = surface.closest(np.array([[0.15, 0.01, 0.0], [0.03, 0.01, 0.02]]))
    assert surface.on_rim(hits).tolist() == [True, False]


def test_what_is_not_pulled_follows_the_rest() -> None:
    goal, goal_faces = sheet(31, 31)
    surface = Surface(hill(goal), goal_faces)
    vertices, faces = sheet(15, 15)
    middle = np.linalg.norm(vertices, axis=1) < 0.03
    none = Pins.of_vertices(np.array([], int), np.zeros((0, 3)), len(vertices))
    laid = lay_over(
        vertices, faces, surface, corner_pins(vertices, goal), none,
        pull=np.where(middle, 0.0, 1.0), schedule=QUICK,
    )  # fmt: skip
    assert 0.004 < laid[middle, 2].max() < 0.05
    assert surface.closest(laid).distance[middle].max() > 5e-4
    assert surface.closest(laid).distance[~middle].mean() < 3e-4


def test_the_result_mirrors_if_told_to() -> None:
    goal, goal_faces = sheet(31, 31)
    aside = np.array([0.02, 0, 0])
    bent = hill(goal - aside) + aside  # the hill is off the middle
    vertices, faces = sheet(11, 11)
    mirror = np.arange(121).reshape(11, 11)[:, ::-1].ravel()
    none = Pins.of_vertices(np.array([], int), np.zeros((0, 3)), len(vertices))
    laid = lay_over(
        vertices, faces, Surface(bent, goal_faces), corner_pins(vertices, goal), none,
        mirror=mirror, schedule=QUICK,
    )  # fmt: skip
    assert np.allclose(laid[mirror] * [-1, 1, 1], laid, atol=1e-12)


def test_a_fold_is_seen_and_not_made_by_snapping() -> None:
    vertices, faces = sheet(5, 5)
    turned = vertices.copy()
    turned[12] += [0.12, 0, 0]  # the middle vertex thrown over its neighbour
    assert folds(vertices, turned, faces).any()
    assert not folds(vertices, vertices * 1.2 + 1, faces).any()
    assert looks_away(turned, faces, Surface(*sheet(9, 9))).any()


def test_a_part_is_moved_onto_its_like() -> None:
    goal, faces = sheet(15, 15)
    goal = hill(goal)
    angle = 0.15
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    part = goal @ turn.T * 0.93 + [0.004, -0.003, 0.006]
    moved = align_part(part, vertex_normals(part, faces), Surface(goal, faces))
    away = Surface(goal, faces).closest(moved).distance
    assert np.median(away) < 1e-3
    assert np.median(away) < np.median(Surface(goal, faces).closest(part).distance) / 4


def test_shapes_are_carried_where_the_vertices_lie() -> None:
    goal, goal_faces = sheet(41, 41)
    goal = hill(goal)
    wave = np.stack([np.zeros(len(goal)), goal[:, 0] * 0.1, goal[:, 1] ** 2], axis=1)
    vertices, faces = sheet(13, 17)
    surface = Surface(goal, goal_faces)
    on = surface.closest(hill(vertices)).points
    loose = np.zeros(len(on), bool)
    loose[110] = True
    on[110] += [0, 0, 0.5]  # far off: it must follow its neighbours
    carried = carry_shapes(on, faces, surface, {"wave": wave}, loose=loose)["wave"]
    truth = np.stack([np.zeros(len(on)), on[:, 0] * 0.1, on[:, 1] ** 2], axis=1)
    assert np.abs(carried - truth)[~loose].max() < 2e-5
    assert np.abs(carried - truth)[loose].max() < 5e-3


def test_a_spread_field_bends_no_more_than_it_must() -> None:
    vertices, faces = sheet(15, 15)
    rim = np.flatnonzero(np.abs(vertices[:, :2]).max(axis=1) > 0.099)
    field = spread(vertices, faces, rim, np.repeat(vertices[rim, :1], 3, axis=1))
    assert np.abs(field[:, 0] - vertices[:, 0]).max() < 0.02
    bump = patch(
        vertices, faces, np.array([112]), np.array([[0, 0, 1.0]]), np.isin(range(225), rim)
    )
    assert bump[112, 2] == 1
    assert not bump[rim].any()
    assert bump[:, 2].max() <= 1.05
    assert bump[:, 2].min() > -0.15


def test_the_nearest_point_of_a_line() -> None:
    line = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]], float)
    found = nearest_on_line(np.array([[0.3, 0.2, 0], [2, 0.4, 0], [-1, -1, 0]], float), line)
    assert np.allclose(found, [[0.3, 0, 0], [1, 0.4, 0], [0, 0, 0]])
