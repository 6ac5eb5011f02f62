# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the head that was made, and write the card that ships beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.face import measures
from emoface_core.face.corrections import seam_gap
from emoface_core.face.head import Head, read_head
from emoface_core.face.registration import Surface, looks_away
from emoface_core.face.symmetry import mirrored
from emoface_core.face.transfer import nearest_on_line, pair_name
from emoface_core.files import atomic_path


@dataclass(frozen=True, slots=True)
class HeadFigures:
    """What was measured on the head as it was stored; lengths in millimetres."""

    digest: str
    megabytes: float
    face_mean: float  # distance of the face's vertices to the ICT surface
    face_95: float
    skin_mean: float  # of all skin but the mouth's inside and the backs of the eyes' pockets
    skin_95: float
    between_mean: float  # of points between the face's vertices: triangle and edge middles
    between_95: float
    flipped: int  # triangles of the face that look away from the ICT surface
    lid_gap: float  # the widest, both eyes shut
    lip_gap: float  # the widest, jawOpen + mouthClose
    lip_cross: float  # the deepest, jawOpen + mouthClose
    asymmetry: float  # the largest, of neutral and shapes
    overlap: dict[str, float]  # own regions with the published ones, intersection over union


def measure(
    path: Path,
    surface: Surface,
    zones: NDArray,
    loose: NDArray,
    eye: NDArray,
    reference: dict[str, NDArray],
) -> HeadFigures:
    """Figures of a stored head against the surface that it was laid onto."""
    head = read_head(path)
    skin = len(zones)
    vertices = head.vertices[:skin].astype(np.float64)
    faces = head.faces[(head.faces < skin).all(axis=1)]
    measured = ~loose
    measured[head.regions["mouth_inside"]] = False
    pockets = eye[:2].ravel()
    measured[pockets] = measured[head.mirror[pockets]] = False
    face = np.zeros(skin, bool)
    face[head.regions["face"]] = True
    face &= measured
    distance = 1e3 * surface.closest(vertices, zones=zones).distance
    inner = faces[face[faces].all(axis=1)]
    middles = np.concatenate(
        [vertices[inner].mean(axis=1)]
        + [vertices[inner[:, pair]].mean(axis=1) for pair in ([0, 1], [1, 2], [2, 0])]
    )
    part = np.tile(zones[inner].max(axis=1), 4)
    between = 1e3 * surface.closest(middles, zones=part).distance
    lips = _lip_distances(head)
    return HeadFigures(
        digest=head.digest,
        megabytes=path.stat().st_size / 1e6,
        face_mean=float(distance[face].mean()),
        face_95=float(np.quantile(distance[face], 0.95)),
        skin_mean=float(distance[measured].mean()),
        skin_95=float(np.quantile(distance[measured], 0.95)),
        between_mean=float(between.mean()),
        between_95=float(np.quantile(between, 0.95)),
        flipped=int(looks_away(vertices, inner, surface, zones).sum()),
        lid_gap=_lid_gap(head, eye),
        lip_gap=float(lips.max()),
        lip_cross=float(max(0.0, -lips.min())),
        asymmetry=_asymmetry(head),
        overlap=_overlaps(head, reference),
    )


def _lid_gap(head: Head, eye: NDArray) -> float:
    """The farthest that the shut upper lid's margin is from the lower's, in millimetres."""
    posed = head.pose(eyeBlink_L=1, eyeBlink_R=1).astype(np.float64)
    gaps = []
    for ring in (eye[3], head.mirror[eye[3]]):
        upper, line = posed[ring[1:14]], posed[np.append(ring[14:], ring[0])]
        gaps.append(np.linalg.norm(nearest_on_line(upper, line) - upper, axis=1).max())
    return 1e3 * float(max(gaps))


def _lip_distances(head: Head) -> NDArray:
    """Height of the upper lip's edge over the lower's along the seam, jaw open and mouth shut."""
    posed = head.pose(jawOpen=1, mouthClose=1)
    reach = np.abs(posed[head.mouth_grid[3, [0, 16]], 0]).min()
    seam = seam_gap(posed, head.mouth_grid, np.linspace(-0.95 * reach, 0.95 * reach, 39))
    return 1e3 * np.concatenate([seam, measures.lip_gaps(posed[None], head)[0]])


def _asymmetry(head: Head) -> float:
    worst = np.abs(head.vertices - mirrored(head.vertices, head.mirror)).max()
    for name in head.shape_names:
        other = mirrored(head.shape(pair_name(name)), head.mirror)
        worst = max(worst, np.abs(head.shape(name) - other).max())
    return 1e3 * float(worst)


def _overlaps(head: Head, reference: dict[str, NDArray]) -> dict[str, float]:
    published = {
        name: set(reference[name].tolist())
        for name in ("lips", "forehead", "nose", "neck", "scalp", "face")
    }
    published["eyes"] = set(reference["eye_region"].tolist())
    published["ears"] = set(reference["left_ear"].tolist() + reference["right_ear"].tolist())
    own = {name: set(ids.tolist()) for name, ids in head.regions.items()}
    return {
        name: len(own[name] & ids) / len(own[name] | ids) for name, ids in sorted(published.items())
    }


_CARD = """# The head

A neutral head with FLAME's topology (5023 vertices, 9976 triangles; metres, y up, facing +z), 57
expression shapes named as ARKit's with `_L` and `_R`, regions, a coarse mesh for the attention
map, and teeth, gums and tongue that follow the jaw. Made by `python3 build.py assets`; not edited
by hand. It is nobody's face.

## What it is made from
- The triangles: FLAME 2023 Open, © Max-Planck-Gesellschaft, CC BY 4.0. Li, Bolkart, Black, Li and
  Romero, “Learning a model of facial shape and expression from 4D scans”, ACM TOG 36(6), 2017.
  Its template gave the start of the registration and the ears' fine form; its vertices were moved.
- The form, the 57 expressions, teeth, gums and tongue: ICT Face Model Light (ICT-FaceKit), © USC
  Institute for Creative Technologies, MIT License. Changed: carried onto FLAME's triangles, made
  symmetric, the lips shut in the neutral, lids and lips made to meet, teeth and gums thinned.
- The 51 landmarks on the template: RingNet, © Max-Planck-Gesellschaft, MIT License.

The regions are our own, read from the rig's movements, the landmarks and the mesh's rings. FLAME's
published regions were used for the overlaps below and for nothing else.

MIT License, for the parts above that are under it: permission is hereby granted, free of charge,
to any person obtaining a copy of this software and associated documentation files (the
“Software”), to deal in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software,
and to permit persons to whom the Software is furnished to do so, subject to the following
conditions: the above copyright notice and this permission notice shall be included in all copies
or substantial portions of the Software. THE SOFTWARE IS PROVIDED “AS IS”, WITHOUT WARRANTY OF ANY
KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS
FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.

## How it was made
Seams of lips and lids, which run along closed loops of edges on both meshes, were pinned to each
other; landmarks and ears set the start; the mesh was then drawn to the surface along its normals,
stiff at first, then softer, the upper lip only to the upper lip, the lower to the lower. Shapes
were read where each vertex lies. `eyeBlink` and `mouthClose` were then made exact by the smoothest
field that brings margin to margin. The eyeballs are FLAME's, put where ICT's are, and turn about
their centres with `eyeLook*` ({gaze}); half a shape is half the chord, not half the angle.

## Figures
Printed by `python3 build.py assets`, measured on the stored file. “Face” is the region of that
name; “skin” is all but the eyeballs, the mouth's inside, the nostrils and the pockets behind the
lids. Ears keep FLAME's form at ICT's place, so the skin's figure is mostly theirs.

| what | figure |
|---|---|
| face, vertices to the ICT surface: mean, 95 % within | {face_mean:.3f} mm, {face_95:.3f} mm |
| face, points between vertices: mean, 95 % within | {between_mean:.3f} mm, {between_95:.3f} mm |
| skin, vertices: mean, 95 % within | {skin_mean:.3f} mm, {skin_95:.3f} mm |
| triangles of the face that look the wrong way | {flipped} |
| lids, `eyeBlink` full: widest gap | {lid_gap:.3f} mm |
| lips, `jawOpen` + `mouthClose` full: widest gap, deepest crossing | {lips} |
| left against right, neutral and shapes | {asymmetry:.4f} mm |
| file | {megabytes:.2f} MB |

Overlap (intersection over union) of own regions with the published ones:
{overlap}.

What is weak: the inside of the mouth and of the nostrils is plausible, not measured; `mouthClose`
alone pulls the lower face over the mouth, as ICT's does, and is meant to go with `jawOpen`; a jaw
fully open stretches the lips' red thin.

Digest of mesh and rig: `{digest}`
"""


def write_card(path: Path, figures: HeadFigures) -> None:
    """Write the card of the head as Markdown."""
    values = {name: getattr(figures, name) for name in HeadFigures.__slots__}
    values["overlap"] = ", ".join(f"{name} {share:.2f}" for name, share in figures.overlap.items())
    values["lips"] = f"{figures.lip_gap:.3f} mm, {figures.lip_cross:.3f} mm"
    values["gaze"] = "30° to the sides and down, 25° up"
    with atomic_path(path) as temporary:
        temporary.write_text(_CARD.format(**values), encoding="utf-8")
