# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows come back as they went in, from memory and from disk."""

from pathlib import Path

import numpy as np
import pytest

from emoface_core.engine import store
from emoface_core.engine.store import RowStore


@pytest.mark.parametrize("in_memory", [100, 1 << 20])
def test_rows_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(store, "_IN_MEMORY", in_memory)
    rows = np.random.default_rng(0).standard_normal((500, 7)).astype(np.float32)
    held = RowStore(7, tmp_path)
    for first in range(0, 500, 60):
        held.append(rows[first : first + 60])
        np.testing.assert_array_equal(held.read(first, first + 60), rows[first : first + 60])
    np.testing.assert_array_equal(held.read(-5, 10), rows[:10])
    np.testing.assert_array_equal(held.read(490, 900), rows[490:])
    assert len(held.read(700, 800)) == 0
    held.close()
    assert not list(tmp_path.iterdir())
