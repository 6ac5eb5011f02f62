# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of faces without a renderer: a small z-buffer, smooth shading, contact sheets.

Enough to look at motion and to put it into reports; NumPy draws, Pillow writes the captions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from emoface_core.face.head import Head

Picture = NDArray[np.uint8]  # (height, width, 3)

SKIN = (0.87, 0.70, 0.61)
LIPS = (0.74, 0.38, 0.37)
EYE_WHITE = (0.95, 0.95, 0.94)
IRIS = (0.30, 0.42, 0.52)
PUPIL = (0.05, 0.05, 0.06)
BROW = (0.40, 0.28, 0.22)
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


TEETH = (0.93, 0.91, 0.86)
GUMS = (0.66, 0.36, 0.36)
TONGUE = (0.72, 0.40, 0.40)
_MATERIALS = {"teeth": TEETH, "gums": GUMS, "tongue": TONGUE}
_BROW_POINTS, _BROW_HEIGHT = 14, 0.0070  # along a brow; metres at its thickest


@dataclass(frozen=True, slots=True)
class HeadArtist:
    """Draws one head with painted lips and eyes, brows that show, and teeth in its mouth."""

    head: Head
    surface: Surface
    brow_faces: NDArray[np.int32]  # (B,) triangles of the head that brow points lie on
    brow_weights: NDArray[np.float64]  # (B, 3)

    @staticmethod
    def of(head: Head) -> "HeadArtist":
        """Prepare what does not change from frame to frame."""
        painted: dict[tuple[float, float, float], NDArray[np.integer]] = {
            GUMS: head.regions["mouth_inside"],
            LIPS: head.regions["lips"],
        }
        eyes = [eye_paint(head.vertices, head.regions[f"{s}_eyeball"]) for s in ("left", "right")]
        painted |= {colour: np.concatenate([e[colour] for e in eyes]) for colour in eyes[0]}
        skin = vertex_colours(len(head.vertices), painted)
        inside = np.zeros((len(head.teeth.vertices), 3), np.float32)
        for i, material in enumerate(head.teeth.materials):
            inside[head.teeth.faces[head.teeth.face_material == i]] = _MATERIALS[material]
        brow_faces, brow_weights, brow_strips = _brows(head)
        offset = len(skin) + len(inside)
        faces = np.concatenate(
            [head.faces, head.teeth.faces + len(skin), brow_strips + offset]
        ).astype(np.int32)
        brows = np.tile(np.asarray(BROW, np.float32), (len(brow_faces), 1))
        surface = Surface(faces, np.concatenate([skin, inside, brows]))
        return HeadArtist(head, surface, brow_faces, brow_weights)

    def draw(
        self,
        vertices: NDArray[np.floating],
        *,
        camera: Camera = FACE,
        size: tuple[int, int] = (240, 280),
        oversample: int = 2,
    ) -> Picture:
        """Picture of the head with its vertices at `vertices` (5023, 3)."""
        face = np.asarray(vertices, np.float64)
        inside = self.head.teeth.vertices + self.head.teeth.follow(face - self.head.vertices)
        corners = face[self.head.faces[self.brow_faces]]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        brows = (corners * self.brow_weights[:, :, None]).sum(1) + 0.0008 * normal
        everything = np.concatenate([face, inside, brows])
        return render(everything, self.surface, camera=camera, size=size, oversample=oversample)


def _brows(head: Head) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]:
    """Points of two brow strips on the mesh, as triangles and weights, and the strips' faces."""
    points: list[NDArray[np.float64]] = []
    faces: list[list[int]] = []
    along = np.linspace(0, 1, _BROW_POINTS)
    half = 0.5 * _BROW_HEIGHT * (0.25 + 0.75 * np.sqrt(1 - along))
    for side, eye in zip((1, -1), head.eye_centres, strict=True):
        at = abs(eye[0]) - 0.019 + 0.041 * along  # from beside the nose to past the eye
        rise = 0.0172 + 0.0030 * np.sin(np.pi * (0.06 + 0.94 * along))
        line = eye[1] + rise
        start = len(points) * 2 * _BROW_POINTS
        points.append(np.stack([np.r_[at, at] * side, np.r_[line + half, line - half]], axis=1))
        for i in range(_BROW_POINTS - 1):
            a, b, c = start + i, start + i + 1, start + i + _BROW_POINTS
            d = c + 1
            turn = [[a, c, b], [b, c, d]] if side > 0 else [[a, b, c], [b, d, c]]
            faces += turn
    triangles, weights = _seen_from_front(head, np.concatenate(points))
    return triangles, weights, np.array(faces, np.int32)


def _seen_from_front(
    head: Head, points: NDArray[np.floating]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The foremost triangle at each (x, y) and the barycentric weights there."""
    corners = head.vertices[head.faces].astype(np.float64)
    (ax, ay), (bx, by), (cx, cy) = (corners[:, i, :2].T for i in range(3))
    px, py = points[:, :1], points[:, 1:]
    area: NDArray[np.float64] = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    area = np.where(np.abs(area) < 1e-12, np.nan, area)
    first = ((bx - px) * (cy - py) - (cx - px) * (by - py)) / area
    second = ((cx - px) * (ay - py) - (ax - px) * (cy - py)) / area
    weights = np.stack([first, second, 1 - first - second], axis=-1)
    depth = (weights * corners[:, :, 2]).sum(-1)
    inside = (weights >= -1e-6).all(-1)
    best = np.argmax(np.where(inside, depth, -np.inf), axis=1)
    return best.astype(np.int32), weights[np.arange(len(points)), best]


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
