# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser draws what is in front, where it is, and lights it from above."""

import numpy as np
import pytest

from emoface_core.evaluation.pictures import (
    BACKGROUND,
    Camera,
    Surface,
    contact_sheet,
    eye_paint,
    render,
    vertex_colours,
)

VIEW = Camera((0.0, 0.0, 0.0), 2.0)


def quad(z, size, colour):
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * size + [0, 0, z]
    return corners, np.array([[0, 1, 2], [0, 2, 3]]), np.tile(np.float32(colour), (4, 1))


def two_quads(first, second):
    vertices = np.concatenate([first[0], second[0]])
    faces = np.concatenate([first[1], second[1] + 4]).astype(np.int32)
    return vertices, Surface(faces, np.concatenate([first[2], second[2]]))


@pytest.mark.parametrize("swap", [False, True])
def test_the_nearer_surface_hides_the_farther_one(swap):
    near, far = quad(0.5, 0.3, (1, 0, 0)), quad(-0.5, 0.8, (0, 0, 1))
    picture = render(
        *two_quads(*((far, near) if swap else (near, far))), camera=VIEW, size=(40, 40)
    )
    background = np.round(np.array(BACKGROUND) * 255)
    assert picture[20, 20].argmax() == 0
    assert picture[6, 20].argmax() == 2
    assert np.abs(picture[1, 1] - background).max() <= 1
    # 0.8 of the half picture: 0.64 of its pixels, exactly.
    covered = (np.abs(picture.astype(int) - background).max(-1) > 2).mean()
    assert covered == pytest.approx(0.64, abs=0.02)


def test_directions_and_shading():
    quad_vertices, faces, colours = quad(0.0, 0.2, (1, 0.5, 0.5))
    surface = Surface(faces.astype(np.int32), colours)
    offset = np.array([0.5, 0.6, 0])
    moved = render(quad_vertices + offset, surface, camera=VIEW, size=(40, 40))
    rows, columns = np.nonzero(np.abs(moved.astype(int) - 237).max(-1) > 15)
    assert columns.mean() > 25  # +x is to the right
    assert rows.mean() < 15  # +y is up
    front = render(quad_vertices, surface, camera=VIEW, size=(40, 40))[20, 20]
    back = render(quad_vertices * [-1, 1, 1], surface, camera=VIEW, size=(40, 40))[20, 20]
    assert front[0] > 2 * back[0]


def test_a_camera_that_turns_shows_the_side():
    point = np.array([[0.5, 0.0, 0.0]])
    turned = point @ Camera((0, 0, 0), 1, yaw=90).rotation().T
    np.testing.assert_allclose(np.abs(turned), [[0, 0, 0.5]], atol=1e-12)


def test_eyes_look_ahead():
    angles = np.linspace(0, np.pi, 50)
    ball = np.stack([np.sin(angles), np.zeros(50), np.cos(angles)], 1)
    ball = np.concatenate([ball, ball[:, [1, 0, 2]]])
    ball = np.concatenate([ball, ball * [-1, -1, 1]])
    paint = list(eye_paint(ball, np.arange(len(ball))).values())
    assert ball[paint[2], 2].min() > 0.9  # the pupil faces +z
    assert len(paint[2]) < len(paint[1]) < len(paint[0])
    colours = vertex_colours(5, {(1.0, 0.0, 0.0): np.array([2])})
    assert colours[2].tolist() == [1, 0, 0]


def test_contact_sheet():
    pictures = [np.full((10, 12, 3), 40 * i, np.uint8) for i in range(5)]
    sheet = contact_sheet(pictures, ["a", "ʃ"], columns=3, title="title")
    assert sheet.shape == (24 + 2 * 28, 3 * 14, 3)
    assert (sheet[24 + 28 + 5, 5] == 120).all()
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
