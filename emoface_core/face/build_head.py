# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the head that ships, from FLAME's open template and the ICT face."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emoface_core.face import apertures, regions
from emoface_core.face.coarse import coarse_mesh
from emoface_core.face.head import Head, save_head
from emoface_core.face.interior import mouth_interior
from emoface_core.face.symmetry import mirror_map, mirrored, symmetrised
from emoface_core.face.topology import components
from emoface_core.files import load_npz

# How many times as many coarse vertices a region gets as its area would give it.
_DENSITY = {
    "lips": 7, "eyes": 4, "brows": 4, "jaw": 2, "nose": 1.5, "forehead": 1.5, "cheeks": 1.2,
    "eyeballs": 3, "neck": 0.25, "scalp": 0.15, "ears": 0.05,
}  # fmt: skip
_COARSE_VERTICES = 256
_POLES = (3929, 3930)  # FLAME's vertices behind the left and the right eyeball


@dataclass(frozen=True, slots=True)
class HeadFigures:
    """What was measured on the head that was made; lengths in millimetres."""

    vertices: int
    faces: int


def pair_name(name: str) -> str:
    """The shape that is a shape's mirror image; itself if it moves both sides alike."""
    for one, other in (("_L", "_R"), ("_R", "_L"), ("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    return name


def _landmarks(flame: dict[str, NDArray], vertices: NDArray) -> NDArray:
    corners = vertices[flame["faces"][flame["landmark51_face"]]]
    return (corners * flame["landmark51_bary"][..., None]).sum(axis=1)


def build(data_dir: Path, out: Path) -> HeadFigures:
    """Make `out` (head.npz) and its card beside it from the files in `data_dir`/face."""
    flame = load_npz(data_dir / "face" / "flame2023_open_template.npz")
    ict = load_npz(data_dir / "face" / "ict_facekit.npz")
    first = load_npz(data_dir / "face" / "first_registration.npz")
    faces = flame["faces"]
    mirror = mirror_map(flame["vertices"], faces)
    vertices = symmetrised(first["vertices"], mirror)
    names = tuple(first["expression_names"].tolist())
    raw = dict(zip(names, first["expression_deltas"], strict=True))
    shapes = {n: (raw[n] + mirrored(raw[pair_name(n)], mirror)) / 2 for n in names}
    landmarks = _landmarks(flame, vertices)
    from emoface_core.face.similarity import find_similarity  # noqa: PLC0415

    lm = np.array(
        __import__("json").loads((data_dir / "face" / "ict_vertex_indices.json").read_text())[
            "idx_to_landmark_verts"
        ]
    )[17:]
    placed = find_similarity(ict["neutral"][lm].astype(np.float64), landmarks.astype(np.float64))
    surface = placed.apply_points(ict["neutral"]).astype(np.float32)
    deltas = {
        n: placed.apply_vectors(d).astype(np.float32)
        for n, d in zip(ict["expression_names"].tolist(), ict["expression_deltas"], strict=True)
    }
    head = assemble(flame, vertices, shapes, landmarks, mirror, surface, ict["faces"], deltas)
    save_head(out, head)
    return HeadFigures(len(vertices), len(faces))


def assemble(flame, vertices, shapes, landmarks, mirror, surface, quads, deltas) -> Head:
    faces = flame["faces"]
    areas = regions.derive_regions(vertices, faces, shapes, landmarks, mirror)
    rim = regions.mouth_rim(flame["vertices"], faces, _landmarks(flame, flame["vertices"]))
    mouth = apertures.mouth_grid(flame["vertices"], faces, rim)
    eye = apertures.eye_grid(flame["vertices"], faces, _POLES[0])
    lids = np.column_stack([eye[3, 1:14], eye[3, 29:16:-1]])
    density = np.ones(len(vertices))
    for name, times in _DENSITY.items():
        density[areas[name]] = times
    triangles = np.concatenate([quads[:, :3], quads[quads[:, 3] >= 0][:, [0, 2, 3]]])
    gums = triangles[(triangles >= 14062).all(1) & (triangles < 17039).all(1)]
    teeth = triangles[(triangles >= 17039).all(1) & (triangles < 21451).all(1)]
    open_share = np.linalg.norm(shapes["jawOpen"], axis=1)
    chin = areas["jaw"][open_share[areas["jaw"]] > 0.7 * open_share.max()]
    interior = mouth_interior(gums, teeth, surface, deltas, shapes, chin)
    incisors = np.concatenate(
        [range(17991, 18067), range(18067, 18143), range(18143, 18219), range(18219, 18295)]
    )
    tips = surface[incisors]
    edge = tips[tips[:, 1] < tips[:, 1].min() + 0.0008]
    piece = components(faces, len(vertices))
    centres = []
    for label in np.unique(piece[areas["eyeballs"]]):
        ball = vertices[piece == label]
        system = np.column_stack([2 * ball, np.ones(len(ball))])
        centres.append(np.linalg.lstsq(system, (ball**2).sum(axis=1), rcond=None)[0][:3])
    return Head(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        shape_names=tuple(shapes),
        shapes=np.stack(list(shapes.values())).astype(np.float32),
        regions=MappingProxyType(areas),
        mirror=mirror,
        mouth_grid=mouth,
        inner_lip_pairs=np.column_stack([mouth[3, 31:16:-1], mouth[3, 1:16]]).astype(np.int32),
        teeth_edge=edge.astype(np.float32),
        lid_pairs_left=lids.astype(np.int32),
        lid_pairs_right=mirror[lids].astype(np.int32),
        eye_centres=np.array(centres, np.float32),
        coarse=coarse_mesh(vertices, faces, count=_COARSE_VERTICES, density=density, mirror=mirror),
        teeth=interior,
    )
