# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the head that ships, from FLAME's open template and the ICT face.

python -m emoface_core.face.build_head DATA -o HEAD.npz
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.face import apertures, corrections, regions
from emoface_core.face.coarse import coarse_mesh
from emoface_core.face.correspondences import correspond
from emoface_core.face.head import CoarseMesh, Head, read_head, save_head
from emoface_core.face.head_card import HeadFigures, measure, write_card
from emoface_core.face.ict import (
    GUMS_AND_TONGUE,
    LEFT_EYEBALL,
    TEETH,
    UPPER_INCISORS,
    IctFace,
    read_ict,
)
from emoface_core.face.interior import mouth_interior
from emoface_core.face.registration import Surface, lay_over, snap, vertex_normals
from emoface_core.face.similarity import Similarity, find_similarity
from emoface_core.face.symmetry import mirror_map, mirrored, symmetrised
from emoface_core.face.transfer import carry_shapes, symmetric_shapes
from emoface_core.files import check_folder, load_npz

Floats = NDArray[np.float64]
_FLIP = np.array([-1.0, 1.0, 1.0])
_POLES = (3929, 3930)  # FLAME's vertices behind the left and the right eyeball
_LEFT_BALL, _RIGHT_BALL = slice(3931, 4477), slice(4477, 5023)  # FLAME's eyeballs
_SKIN = 3931  # FLAME's vertices without the eyeballs
_EAR_FIRMNESS, _EAR_PULL = 2.0, 0.03
_NOSTRIL_FIRMNESS = 1.0
_NOSTRIL = np.array([0.007, -0.011, 0.0575])  # metres: the middle of the left one's cavity
_NOSTRIL_RADIUS = 0.0085
_EYE_FORWARD = np.array([0.0, 0.0, 0.0003])  # metres: nearer to the lids, which still clear it
# Degrees that the eyes turn at full strength: about what ARKit's shapes do.
_GAZE = {"Up": 25.0, "Down": 30.0, "In": 30.0, "Out": 30.0}
# How many times as many coarse vertices a region gets as its area would give it.
_DENSITY = {
    "lips": 7, "eyes": 4, "brows": 4, "jaw": 2, "nose": 1.5, "forehead": 1.5, "cheeks": 1.2,
    "eyeballs": 3, "neck": 0.25, "scalp": 0.15, "ears": 0.05,
}  # fmt: skip
_COARSE_VERTICES = 256
_ROUNDING = 1e-5  # metres


@dataclass(frozen=True, slots=True)
class _Flame:
    """FLAME's template, made symmetric, and what is known of its mesh."""

    vertices: Floats  # (5023, 3)
    faces: NDArray[np.int64]
    mirror: NDArray[np.int32]
    corners: NDArray[np.int64]  # (51, 3) of the landmarks
    weights: Floats  # (51, 3)
    mouth: NDArray[np.int32]  # see apertures.mouth_grid
    eye: NDArray[np.int32]  # the left eye's, see apertures.eye_grid

    @property
    def skin_faces(self) -> NDArray[np.int64]:
        return self.faces[(self.faces < _SKIN).all(axis=1)]

    def landmarks(self, vertices: NDArray) -> Floats:
        """The 51 landmarks (51, 3) on some vertices."""
        return (vertices[self.corners] * self.weights[..., None]).sum(axis=1)


def build(data_dir: Path, out: Path) -> HeadFigures:
    """Make `out` (head.npz), and its card beside it, from the files in `data_dir`/face.

    A head that is already at `out` is left as it is if it comes out the same again but for
    rounding, and else gives its coarse mesh to the new one: trained models speak of its vertices.
    Takes a minute or two. InputError if a file is missing. Needs SciPy.
    """
    check_folder(out.parent)  # before minutes of work, not after
    folder = Path(data_dir) / "face"
    flame = _read_flame(folder / "flame2023_open_template.npz")
    ict = read_ict(folder)
    frame = _upright(find_similarity(ict.vertices[ict.landmarks], flame.landmarks(flame.vertices)))
    placed = frame.apply_points(ict.vertices)
    deltas = {name: frame.apply_vectors(d) for name, d in zip(ict.names, ict.deltas, strict=True)}
    vertices, shapes, surface, zones, loose = _laid(flame, ict, placed, deltas)
    centre, radius = _eyeball(placed[LEFT_EYEBALL.start : LEFT_EYEBALL.stop])
    vertices = _with_eyeballs(flame, vertices, centre, radius)
    shapes = _mended(flame, vertices, shapes, centre)
    old = read_head(out) if out.is_file() else None
    coarse = old.coarse if old else None
    head = _assembled(flame, vertices, shapes, ict, placed, deltas, centre, coarse)
    if old is None or not _alike(old, head):
        save_head(out, head)
    reference = load_npz(folder / "flame_regions_reference.npz")
    figures = measure(out, surface, zones, loose, flame.eye, reference)
    write_card(out.with_suffix(".md"), figures)
    return figures


def _alike(one: Head, other: Head) -> bool:
    """Whether two heads are the same but for rounding: to a hundredth of a millimetre."""
    return (
        one.shape_names == other.shape_names
        and np.allclose(one.vertices, other.vertices, rtol=0, atol=_ROUNDING)
        and np.allclose(one.shapes, other.shapes, rtol=0, atol=_ROUNDING)
        and one.teeth.vertices.shape == other.teeth.vertices.shape
        and np.allclose(one.teeth.vertices, other.teeth.vertices, rtol=0, atol=_ROUNDING)
        and one.regions.keys() == other.regions.keys()
        and all(np.array_equal(one.regions[name], other.regions[name]) for name in one.regions)
    )


def _read_flame(path: Path) -> _Flame:
    data = load_npz(path)
    faces = data["faces"].astype(np.int64)
    mirror = mirror_map(data["vertices"], faces)
    vertices = symmetrised(data["vertices"].astype(np.float64), mirror)
    corners = faces[data["landmark51_face"]]
    weights = data["landmark51_bary"].astype(np.float64)
    marks = (vertices[corners] * weights[..., None]).sum(axis=1)
    return _Flame(
        vertices=vertices,
        faces=faces,
        mirror=mirror,
        corners=corners,
        weights=weights,
        mouth=apertures.mouth_grid(vertices, faces, regions.mouth_rim(vertices, faces, marks)),
        eye=apertures.eye_grid(vertices, faces, _POLES[0]),
    )


def _upright(found: Similarity) -> Similarity:
    """The part of a similarity that keeps left and right: a nod, and no shift sideways."""
    r = found.rotation
    angle = np.arctan2(r[2, 1] - r[1, 2], r[1, 1] + r[2, 2])
    nod = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    return Similarity(found.scale, nod, found.translation * [0, 1, 1])


def _laid(
    flame: _Flame, ict: IctFace, placed: Floats, deltas: Mapping[str, Floats]
) -> tuple[Floats, dict[str, Floats], Surface, NDArray, NDArray]:
    """FLAME's skin on the ICT face, its shapes, the surface, the skin's zones, and loose ones."""
    vertices, faces = flame.vertices[:_SKIN], flame.skin_faces
    mirror = flame.mirror[:_SKIN]
    match = correspond(
        vertices, faces, mirror, (flame.corners, flame.weights), flame.mouth, flame.eye, ict, placed
    )
    inward = _NOSTRIL - vertices
    depth = np.linalg.norm(inward, axis=1)
    faced = (vertex_normals(vertices, faces) * inward).sum(axis=1) > 0.3 * depth
    nostrils = faced & (depth < _NOSTRIL_RADIUS)
    nostrils |= nostrils[mirror]
    loose = nostrils.copy()
    loose[list(_POLES)] = True
    held = loose.copy()
    held[flame.mouth[:3]] = True
    firmness = np.where(match.ears, _EAR_FIRMNESS, 0.0)
    pull = np.where(held, 0.0, np.where(match.ears, _EAR_PULL, 1.0))
    firmness[nostrils] = _NOSTRIL_FIRMNESS
    laid = lay_over(
        vertices, faces, match.surface, match.pins, match.hints,
        zones=match.zones, pull=pull, mirror=mirror, firmness=firmness,
    )  # fmt: skip
    laid = snap(
        laid, faces, match.surface, zones=match.zones, move=~held & ~match.ears, mirror=mirror
    )
    shapes = carry_shapes(laid, faces, match.surface, deltas, zones=match.zones, loose=loose)
    return laid, symmetric_shapes(shapes, mirror), match.surface, match.zones, loose


def _eyeball(ball: Floats) -> tuple[Floats, float]:
    """Centre and radius of an eyeball without its cornea, which lids would have to jump over."""
    centre, radius = corrections.fit_sphere(ball)
    for _ in range(10):
        off = np.abs(np.linalg.norm(ball - centre, axis=1) - radius)
        centre, radius = corrections.fit_sphere(ball[off < np.quantile(off, 0.7)])
    return centre + _EYE_FORWARD, radius


def _with_eyeballs(flame: _Flame, skin: Floats, centre: Floats, radius: float) -> Floats:
    """All 5023 vertices: shut lips, and FLAME's eyeballs put where ICT's are."""
    skin = skin + corrections.shut_neutral(skin, flame.skin_faces, flame.mouth)
    skin = symmetrised(skin, flame.mirror[:_SKIN])
    vertices = np.concatenate([skin, np.zeros((len(flame.vertices) - _SKIN, 3))])
    ball = flame.vertices[_LEFT_BALL]
    middle, own = corrections.fit_sphere(ball)
    vertices[_LEFT_BALL] = (ball - middle) * (radius / own) + centre
    vertices[_RIGHT_BALL] = mirrored(vertices, flame.mirror)[_RIGHT_BALL]
    return vertices


def _mended(
    flame: _Flame,
    vertices: Floats,
    shapes: Mapping[str, Floats],
    centre: Floats,
) -> dict[str, Floats]:
    """Shapes for all vertices: lids and lips that meet, eyes that turn, left as right."""
    skin, faces, mirror = vertices[:_SKIN], flame.skin_faces, flame.mirror
    parts = dict(shapes)
    parts["eyeBlink_L"] = corrections.close_lids(skin, faces, flame.eye, parts["eyeBlink_L"])
    parts["eyeBlink_R"] = mirrored(parts["eyeBlink_L"], mirror[:_SKIN])
    shut = skin + parts["jawOpen"] + parts["mouthClose"]
    parts["mouthClose"] = parts["mouthClose"] + corrections.close_lips(
        skin, faces, flame.mouth, shut
    )
    whole = {}
    for name, offsets in parts.items():
        whole[name] = np.concatenate([offsets, np.zeros((len(vertices) - _SKIN, 3))])
        if name.startswith("eyeLook"):
            _turn_eyes(whole[name], name, vertices, centre)
    return symmetric_shapes(whole, mirror)


def _turn_eyes(offsets: Floats, name: str, vertices: Floats, centre: Floats) -> None:
    """Write the turn of one eyeball into an eyeLook shape."""
    direction, side = name.removeprefix("eyeLook").split("_")
    ball, at, outward = (
        (_LEFT_BALL, centre, 1.0) if side == "L" else (_RIGHT_BALL, centre * _FLIP, -1.0)
    )
    degrees = _GAZE[direction]
    up = {"Up": degrees, "Down": -degrees}.get(direction, 0.0)
    left = {"Out": degrees * outward, "In": -degrees * outward}.get(direction, 0.0)
    offsets[ball] = corrections.turn(vertices[ball], at, up=up, left=left)


def _assembled(
    flame: _Flame,
    vertices: Floats,
    shapes: Mapping[str, Floats],
    ict: IctFace,
    placed: Floats,
    deltas: Mapping[str, Floats],
    centre: Floats,
    coarse: CoarseMesh | None,
) -> Head:
    faces, mirror, mouth = flame.faces, flame.mirror, flame.mouth
    areas = regions.derive_regions(vertices, faces, shapes, flame.landmarks(vertices), mirror)
    areas |= regions.lip_parts(areas["lips"], faces, mouth, len(vertices))
    density = np.ones(len(vertices))
    for name, times in _DENSITY.items():
        density[areas[name]] = times
    lids = np.column_stack([flame.eye[3, 1:14], flame.eye[3, 29:16:-1]])
    jaw = areas["jaw"]
    drop = np.linalg.norm(shapes["jawOpen"][jaw], axis=1)
    tips = placed[UPPER_INCISORS.start : UPPER_INCISORS.stop]
    return Head(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        shape_names=tuple(shapes),
        shapes=np.stack(list(shapes.values())).astype(np.float32),
        regions=MappingProxyType(areas),
        mirror=mirror,
        mouth_grid=mouth,
        inner_lip_pairs=np.column_stack([mouth[3, 31:16:-1], mouth[3, 1:16]]).astype(np.int32),
        teeth_edge=tips[tips[:, 1] < tips[:, 1].min() + 0.0008].astype(np.float32),
        lid_pairs_left=lids.astype(np.int32),
        lid_pairs_right=mirror[lids].astype(np.int32),
        eye_centres=np.stack([centre, centre * _FLIP]).astype(np.float32),
        coarse=coarse
        or coarse_mesh(vertices, faces, count=_COARSE_VERTICES, density=density, mirror=mirror),
        teeth=mouth_interior(
            ict.part(GUMS_AND_TONGUE), ict.part(TEETH), placed, deltas, shapes,
            jaw[drop > 0.7 * drop.max()],
        ),
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a head and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core.face.build_head")
    parser.add_argument("data", type=Path, help="the folder that holds face/")
    parser.add_argument("-o", "--out", type=Path, required=True, help="file to write")
    options = parser.parse_args(arguments)
    try:
        figures = build(options.data, options.out)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
