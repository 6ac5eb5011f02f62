# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers' simple expressions over all frames, and nothing but those."""

import numpy as np
import pytest

from blender_addon.curves.expression import UnknownError, evaluate

A, B = np.array([0.0, 1.0, -2.0]), np.array([3.0, 0.5, 4.0])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a * b", A * B),
        ("b*max(0,min(2,1.250+0.300*a-2*b))", B * np.clip(1.25 + 0.3 * A - 2 * B, 0, 2)),
        ("-b*(a+b)", -B * (A + B)),
        (" 2 - +a", 2 - A),
    ],
)
def test_sums_products_and_limits(text: str, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(evaluate(text, {"a": A, "b": B}), wanted)


@pytest.mark.parametrize(
    "text",
    ["c", "a / b", "a if b else a", "max(a)", "abs(a)", "().__class__", "'a'", "a b", "",
     "__import__('os')", "max(a, b, key=a)", "noise.random()"],
)  # fmt: skip
def test_anything_else_is_not_told(text: str) -> None:
    with pytest.raises(UnknownError):
        evaluate(text, {"a": A, "b": B})
