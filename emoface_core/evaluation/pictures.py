# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of faces without a renderer: a small z-buffer, smooth shading, contact sheets.

Enough to look at motion and to put it into reports; NumPy draws, Pillow writes the captions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]  # (height, width, 3)

SKIN = (0.87, 0.70, 0.61)
LIPS = (0.74, 0.38, 0.37)
EYE_WHITE = (0.95, 0.95, 0.94)
IRIS = (0.30, 0.42, 0.52)
PUPIL = (0.05, 0.05, 0.06)
BROW = (0.52, 0.38, 0.31)
BACKGROUND = (0.93, 0.93, 0.94)
_INSIDE = 0.28  # how bright the back of a surface is, so that a mouth looks like a cave


@dataclass(frozen=True, slots=True)
class Camera:
    """Orthographic, looking at `centre` (metres) and showing `height` metres from top to bottom.

    `yaw` turns the head to the viewer's right, `pitch` tips it forward, both in degrees.
    """

    centre: tuple[float, float, float]
    height: float
    yaw: float = 0.0
    pitch: float = 0.0

    def rotation(self) -> NDArray[np.float64]:
        """(3, 3) from the face's frame to the camera's (x right, y up, z to the viewer)."""
        yaw, pitch = np.radians([self.yaw, self.pitch])
        turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        tip = np.array(
            [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
        )
        return np.asarray(tip @ turn)


FACE = Camera((0.0, -0.017, 0.0), 0.235)
MOUTH = Camera((0.0, -0.048, 0.0), 0.10)


@dataclass(frozen=True, slots=True)
class Surface:
    """What can be drawn: triangles and a colour for every vertex (0 to 1)."""

    faces: NDArray[np.int32]
    colours: NDArray[np.float32]


def vertex_colours(
    count: int, painted: Mapping[tuple[float, float, float], NDArray[np.integer]]
) -> NDArray[np.float32]:
    """(count, 3) skin, with the vertices of each entry of `painted` in that entry's colour."""
    colours = np.tile(np.asarray(SKIN, np.float32), (count, 1))
    for colour, indices in painted.items():
        colours[np.asarray(indices)] = colour
    return colours


def eye_paint(
    vertices: NDArray[np.floating], eyeball: NDArray[np.integer]
) -> dict[tuple[float, float, float], NDArray[np.integer]]:
    """White, iris and pupil of one eyeball, by the angle from straight ahead."""
    ball = np.asarray(vertices, np.float64)[eyeball]
    centre = (ball.min(0) + ball.max(0)) / 2
    toward = (ball - centre) / np.linalg.norm(ball - centre, axis=1, keepdims=True)
    angle = np.degrees(np.arccos(np.clip(toward[:, 2], -1, 1)))
    return {
        EYE_WHITE: eyeball,
        IRIS: eyeball[angle < 30],
        PUPIL: eyeball[angle < 13],
    }


def render(
    vertices: NDArray[np.floating],
    surface: Surface,
    *,
    camera: Camera = FACE,
    size: tuple[int, int] = (240, 280),
    oversample: int = 2,
) -> Picture:
    """Draw one mesh: `vertices` (V, 3) metres, `size` (width, height) pixels."""
    width, height = size[0] * oversample, size[1] * oversample
    scale = height / camera.height
    seen = (np.asarray(vertices, np.float64) - camera.centre) @ camera.rotation().T
    places = seen * [scale, -scale, 1] + [width / 2, height / 2, 0]
    drawn = _rasterise(places, surface.faces, _lit(seen, surface), width, height)
    big = drawn.reshape(size[1], oversample, size[0], oversample, 3)
    return np.asarray(np.clip(big.mean((1, 3)) * 255 + 0.5, 0, 255), np.uint8)


def _lit(seen: NDArray[np.float64], surface: Surface) -> NDArray[np.float64]:
    """(V, 3) colours in the light of a key lamp from above left and a fill from the viewer."""
    corners = seen[surface.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    smooth = np.zeros_like(seen)
    for corner in range(3):
        np.add.at(smooth, surface.faces[:, corner], normal)
    smooth /= np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-20
    key = np.array([-0.45, 0.62, 0.64])
    light = 0.30 + 0.62 * np.maximum(smooth @ key, 0) + 0.22 * np.maximum(smooth[:, 2], 0)
    light = np.where(smooth[:, 2] < -0.05, _INSIDE, light)
    return np.asarray(surface.colours * light[:, None])


def _rasterise(
    places: NDArray[np.float64],
    faces: NDArray[np.int32],
    colours: NDArray[np.float64],
    width: int,
    height: int,
) -> NDArray[np.float64]:
    """(height, width, 3): every pixel of every triangle's box at once, the nearest one kept."""
    x, y, z = places.T
    fx, fy = x[faces], y[faces]
    left = np.maximum(np.ceil(fx.min(1) - 0.5), 0).astype(np.int64)
    right = np.minimum(np.floor(fx.max(1) - 0.5), width - 1).astype(np.int64)
    top = np.maximum(np.ceil(fy.min(1) - 0.5), 0).astype(np.int64)
    bottom = np.minimum(np.floor(fy.max(1) - 0.5), height - 1).astype(np.int64)
    area: NDArray[np.float64] = (fx[:, 1] - fx[:, 0]) * (fy[:, 2] - fy[:, 0]) - (
        fx[:, 2] - fx[:, 0]
    ) * (fy[:, 1] - fy[:, 0])
    columns, rows = right - left + 1, bottom - top + 1
    kept = np.flatnonzero((columns > 0) & (rows > 0) & (np.abs(area) > 1e-12))
    counts = (columns * rows)[kept]
    triangle = np.repeat(kept, counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    px = left[triangle] + place % columns[triangle]
    py = top[triangle] + place // columns[triangle]

    ax, ay = fx[triangle], fy[triangle]
    cx, cy = px + 0.5, py + 0.5
    w0 = (ax[:, 1] - cx) * (ay[:, 2] - cy) - (ax[:, 2] - cx) * (ay[:, 1] - cy)
    w1 = (ax[:, 2] - cx) * (ay[:, 0] - cy) - (ax[:, 0] - cx) * (ay[:, 2] - cy)
    weights = np.stack([w0, w1], 1) / area[triangle, None]
    weights = np.concatenate([weights, 1 - weights.sum(1, keepdims=True)], 1)
    hit = (weights >= -1e-9).all(1)
    triangle, weights, pixel = triangle[hit], weights[hit], (py * width + px)[hit]

    depth = (z[faces[triangle]] * weights).sum(1)
    order = np.lexsort((depth, pixel))
    last = np.flatnonzero(np.diff(pixel[order], append=-1))  # the nearest of each pixel
    top_most = order[last]
    picture = np.tile(np.asarray(BACKGROUND, np.float64), (height * width, 1))
    shade = (colours[faces[triangle[top_most]]] * weights[top_most][:, :, None]).sum(1)
    picture[pixel[top_most]] = shade
    return picture.reshape(height, width, 3)


def contact_sheet(
    pictures: Sequence[Picture],
    captions: Sequence[str] = (),
    *,
    columns: int = 8,
    title: str = "",
) -> Picture:
    """Pictures of one size side by side, a caption under each and a title above all."""
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    height, width = pictures[0].shape[:2]
    font = _font(13)
    line = 18 if captions else 2
    head = 24 if title else 0
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + 2), head + rows * (height + line)), "white")
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((6, 4), title, fill="black", font=font)
    for i, picture in enumerate(pictures):
        at = (i % columns * (width + 2), head + i // columns * (height + line))
        sheet.paste(Image.fromarray(picture), at)
        if i < len(captions):
            draw.text((at[0] + 4, at[1] + height + 1), captions[i], fill="black", font=font)
    return np.asarray(sheet)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu where it is found, for it knows the phonetic letters; else Pillow's own."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)
