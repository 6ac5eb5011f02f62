# SPDX-License-Identifier: GPL-3.0-or-later
"""The contacts that speech cannot do without, as functions of the rig's weights.

Lips that shut on p b m, and the lower lip at the upper teeth on f v, are measured on the mesh with
the measures of `emoface_core.face`, on the few vertices of the mouth that they read, and solved for
the shape `mouthClose`, which raises the lower lip against the open jaw. Both teachers use this, and
the engine, so that a contact is a contact and not a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from emoface_core.face.head import Head, load_head
from emoface_core.face.measures import lip_gap, lip_teeth_gap

Weights = NDArray[np.float64]  # (N, K)
Track = NDArray[np.float64]  # (N,)

_SOLVE_STEPS, _SOLVE_REACH = 4, 0.5
CORNERS_IN_F = 0.22  # of mouthSmile: the corners draw the lower lip along the row of teeth
_PARTED_IN_F = 0.0018  # metres between the lips in f and v, at the least


@dataclass(frozen=True, slots=True)
class MouthRig:
    """A head's rig, seen at its mouth only."""

    index: Mapping[str, int]
    mouth: Head  # the head, but only the vertices that the measures of the lips read
    shapes: NDArray[np.float32]  # (K, 3M)
    close_slope: float  # metres that `mouthClose` takes from the lips' gap, per unit
    shrug_slope: float  # likewise `mouthShrugLower`
    jaw_slope: float  # metres that `jawOpen` adds to it
    rim_rows: NDArray[np.float64]  # (2, K) height and depth of the lower lip's rim
    bite: NDArray[np.float64]  # (2,) where that rim must go to touch the teeth

    def columns(self, name: str) -> list[int]:
        """Index of a shape, or of its left and right halves if it has those."""
        names = [name] if name in self.index else [f"{name}_L", f"{name}_R"]
        return [self.index[n] for n in names]

    def vertices(self, weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, M, 3) vertices of the mouth for rig weights (N, K)."""
        moved = np.asarray(weights, np.float32) @ self.shapes
        return self.mouth.vertices + moved.reshape(len(moved), *self.mouth.vertices.shape)

    def lip_gap(self, weights: NDArray[np.floating]) -> Track:
        """(N,) gap between the lips in metres, 0 where they just meet."""
        return np.asarray(lip_gap(self.vertices(weights), self.mouth), np.float64)

    def lip_teeth_gap(self, weights: NDArray[np.floating]) -> Track:
        """(N,) distance of the lower lip from the upper incisors, metres."""
        return np.asarray(lip_teeth_gap(self.vertices(weights), self.mouth), np.float64)

    def with_gap(self, weights: Weights, target: Track | float) -> Weights:
        """The weights with `mouthClose` changed until the lips are `target` metres apart."""
        solved = weights.copy()
        close = self.index["mouthClose"]
        for _ in range(_SOLVE_STEPS):
            step = (self.lip_gap(solved) - target) / self.close_slope
            solved[:, close] += np.clip(step, -_SOLVE_REACH, _SOLVE_REACH)
        return solved

    def with_bite(self, weights: Weights) -> Weights:
        """The weights with the lower lip rolled and raised until it meets the upper teeth."""
        knobs = [self.index["mouthClose"], self.index["mouthRollLower"]]
        solved = weights.copy()
        solved[:, knobs] = 0
        missing = self.bite - solved @ self.rim_rows.T
        solved[:, knobs] = np.linalg.solve(self.rim_rows[:, knobs], missing.T).T
        return solved


def mouth_rig_of(head: Head) -> MouthRig:
    """Look at the mouth of any head with the rig's shapes."""
    ids, places = np.unique(head.mouth_grid, return_inverse=True)
    grid = places.reshape(head.mouth_grid.shape).astype(np.int32)
    mouth = replace(head, vertices=head.vertices[ids], mouth_grid=grid)
    index = {name: i for i, name in enumerate(head.shape_names)}
    shapes = head.shapes[:, ids]

    open_jaw = np.zeros((4, len(index)))
    open_jaw[:, index["jawOpen"]] = 0.3
    open_jaw[1, index["mouthClose"]] = 0.1
    open_jaw[2, index["mouthShrugLower"]] = 0.1
    open_jaw[3, index["jawOpen"]] += 0.1
    flat = shapes.reshape(len(shapes), -1)
    gaps = lip_gap(mouth.vertices + (open_jaw @ flat).reshape(4, -1, 3), mouth)

    rim = grid[3, 7:10]  # the middle of the lower lip, where it touches the upper one
    rim_rows = np.asarray(shapes[:, rim, 1:].mean(axis=1).T, np.float64)
    rig = MouthRig(
        index=index,
        mouth=mouth,
        shapes=np.ascontiguousarray(flat, np.float32),
        close_slope=float(gaps[0] - gaps[1]) / 0.1,
        shrug_slope=float(gaps[0] - gaps[2]) / 0.1,
        jaw_slope=float(gaps[3] - gaps[0]) / 0.1,
        rim_rows=rim_rows,
        bite=np.zeros(2),
    )
    return replace(rig, bite=_find_bite(rig))


def _find_bite(rig: MouthRig) -> NDArray[np.float64]:
    """Height and depth of the lower lip's rim where it is closest to the upper teeth.

    Found on the mesh, with the jaw and the upper lip as they are in an f, among the places that
    leave the lips apart.
    """
    raised, rolled = np.meshgrid(np.linspace(-0.06, 0.12, 37), np.linspace(0, 0.6, 31))
    tried = np.zeros((raised.size, len(rig.index)))
    tried[:, rig.columns("jawOpen")] = 0.06
    tried[:, rig.columns("mouthUpperUp")] = 0.20
    tried[:, rig.columns("mouthSmile")] = CORNERS_IN_F
    tried[:, rig.index["mouthClose"]] = raised.ravel()
    tried[:, rig.index["mouthRollLower"]] = rolled.ravel()
    distance = rig.lip_teeth_gap(tried) + np.maximum(_PARTED_IN_F - rig.lip_gap(tried), 0)
    return np.asarray(rig.rim_rows @ tried[np.argmin(distance)])


@cache
def mouth_rig() -> MouthRig:
    """The mouth of the bundled head."""
    return mouth_rig_of(load_head())
