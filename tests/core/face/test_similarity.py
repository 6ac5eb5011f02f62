# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding how a mesh is scaled, turned and moved, even if it is another person's."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.face.similarity import Similarity, find_similarity, fit_similarity, residuals


def rotation(seed: int) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


def another_person(head: np.ndarray) -> np.ndarray:
    """Head (V, 3) with a longer chin, a wider skull and another nose."""
    changed = head * [1.06, 1.0, 0.97]
    changed[:, 1] -= 0.012 * np.exp(-(((head - [0, -0.08, 0.04]) / 0.03) ** 2).sum(axis=1))
    changed[:, 2] += 0.008 * np.exp(-(((head - [0, -0.01, 0.07]) / 0.015) ** 2).sum(axis=1))
    return changed + 0.0005 * np.random.default_rng(1).normal(size=head.shape)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 1e3),
    shift=st.tuples(*[st.floats(-1e3, 1e3)] * 3),
)
def test_it_is_found_exactly(seed: int, scale: float, shift: tuple[float, float, float]) -> None:
    points = np.random.default_rng(seed).normal(size=(40, 3))
    truth = Similarity(scale, rotation(seed), np.array(shift))
    found = find_similarity(points, truth.apply_points(points))
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert np.allclose(found.rotation, truth.rotation, atol=1e-6)
    assert np.linalg.det(found.rotation) == pytest.approx(1)
    back = found.inverse().apply_points(found.apply_points(points))
    assert np.allclose(back, points, atol=1e-6 * max(1, *np.abs(shift)) / min(1, scale))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_vectors_are_turned_and_scaled_but_not_moved(seed: int) -> None:
    random = np.random.default_rng(seed)
    turn = Similarity(float(random.uniform(0.1, 10)), rotation(seed), random.normal(size=3))
    a, b = random.normal(size=(2, 7, 3))
    assert np.allclose(turn.apply_points(a + b), turn.apply_points(a) + turn.apply_vectors(b))


def axis_turns() -> list[np.ndarray]:
    """The 24 ways to turn axes into axes."""
    turns = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            turn = np.zeros((3, 3))
            turn[range(3), order] = signs
            if np.linalg.det(turn) > 0:
                turns.append(turn)
    return turns


@pytest.mark.parametrize("turn", axis_turns())
@pytest.mark.parametrize("scale", [1.0, 100.0, 39.37])
def test_another_person_turned_and_in_other_units(turn: np.ndarray, scale: float) -> None:
    head = load_head().vertices.astype(np.float64)
    target = scale * another_person(head) @ turn.T + [5, -3, 2]
    found = find_similarity(head, target)
    assert found.scale == pytest.approx(scale, rel=0.06)
    angle = np.degrees(np.arccos(np.clip((np.trace(found.rotation @ turn.T) - 1) / 2, -1, 1)))
    assert angle < 2


def test_an_opened_mouth_does_not_pull_it_askew() -> None:
    head = load_head()
    talking = head.pose(jawOpen=1, browDown_L=1).astype(np.float64)
    found = find_similarity(head.vertices, talking)
    assert found.scale == pytest.approx(1, abs=1.5e-3)
    still = np.linalg.norm(talking - head.vertices, axis=1) < 1e-5
    askew = residuals(found, head.vertices, talking)[still].max()
    plain = residuals(fit_similarity(head.vertices, talking), head.vertices, talking)[still].max()
    assert askew < plain / 3


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.zeros((5, 3)), np.ones((5, 3))),
        (np.arange(12).reshape(4, 3) * [1, 0, 0], np.ones((4, 3))),
        (np.ones((4, 3)), np.ones((5, 3))),
        (np.full((4, 3), np.nan), np.ones((4, 3))),
    ],
)
def test_what_has_no_direction_is_refused(source: np.ndarray, target: np.ndarray) -> None:
    with pytest.raises(InputError):
        find_similarity(source, target)
