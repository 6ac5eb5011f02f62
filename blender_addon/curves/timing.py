# SPDX-License-Identifier: GPL-3.0-or-later
"""From a strip's place on the timeline to the part of a sound that is heard, and when. No bpy."""

import math
from dataclasses import dataclass

Cut = tuple[int, float, int]  # of a strip: first frame, second of its sound there, frames

MOST_FRAMES = 10_000  # that a face may feel before its sounds, or after them
_EPSILON = 1e-4  # frames; below it a difference is rounding


@dataclass(frozen=True, slots=True)
class Clip:
    """A part of a sound on the timeline.

    `first_frame` is the scene frame at which second `start` of the sound is heard; `frames` of it
    are heard (None: to the sound's end), at `fps` frames a second. `before` and `after` are frames
    around these in which the face is silent, but feels already, or still.
    """

    first_frame: int
    start: float
    frames: int | None
    fps: float
    before: int = 0
    after: int = 0

    @property
    def seconds(self) -> float | None:
        """How long it is heard; None: to the sound's end."""
        return None if self.frames is None else self.frames / self.fps

    @property
    def felt_from(self) -> int:
        """The scene frame at which the face begins to feel."""
        return self.first_frame - self.before


def clip_of_strip(
    *,
    content_start: float,
    left: int,
    right: int,
    trimmed: float,
    sound_offset: float,
    fps: float,
) -> Clip | None:
    """The part of a sound that a strip plays; None if it plays nothing.

    Blender plays at frame f the second (f - content_start + trimmed) / fps - sound_offset of the
    file (measured by mixdown in 4.5, 5.0 and 5.2). Before the file's beginning it is silent, so
    the clip begins at the first whole frame at which there is sound.
    """
    first = max(left, math.ceil(content_start - trimmed + sound_offset * fps - _EPSILON))
    if first >= right:
        return None
    start = (first - content_start + trimmed) / fps - sound_offset
    return Clip(first, max(0.0, start), right - first, fps)


def frames_per_second(fps: int, fps_base: float) -> float:
    """The scene's true rate, such as 30 / 1.001."""
    return fps / fps_base
