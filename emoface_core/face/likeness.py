# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mesh's vertices lie as a face's do, in any units, turned and placed anyhow."""

from numpy.typing import ArrayLike

from emoface_core.errors import InputError
from emoface_core.face.head import Head
from emoface_core.face.similarity import Similarity, find_similarity, residuals

_NO_FACE = 0.03  # metres: people differ by a third of that, a shuffled mesh by three times as much


def lay_over(vertices: ArrayLike, head: Head, name: str) -> Similarity:
    """The similarity from a mesh's vertices (V, 3) to the head's; InputError if it is no face.

    `name`: of the mesh, for the sentence.
    """
    found = find_similarity(vertices, head.vertices)
    distance = float(residuals(found, vertices, head.vertices).mean())
    if distance > _NO_FACE:
        raise InputError(
            f"The vertices of “{name}” do not lie as a face's do "
            f"({distance * 100:.0f} cm off on average).",
            "Its vertices may be in another order: export it from FLAME without sorting.",
        )
    return found
