# SPDX-License-Identifier: GPL-3.0-or-later
"""The one ease that fades, ramps and blends here share."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=np.floating)


def smoothstep(x: NDArray[F]) -> NDArray[F]:
    """0 up to 0, 1 from 1 on, and 3 x² - 2 x³ between: without a corner at either end."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x), x.dtype)
