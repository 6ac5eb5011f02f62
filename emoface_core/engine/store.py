# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of numbers that stay in memory while they are few and go to a temporary file when many."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_IN_MEMORY = 32 << 20  # bytes: about three minutes of curves


class RowStore:
    """float32 rows of a fixed width, appended in order, read anywhere. OSError if a disk fills."""

    def __init__(self, columns: int, folder: Path | None = None) -> None:
        """`folder`: where the file would go (None: the system's temporary folder)."""
        self.columns = columns
        self.rows = 0
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # closed by `close`
            max_size=_IN_MEMORY, dir=None if folder is None else str(folder)
        )

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add (n, columns) rows, or (n,) numbers if there is one column."""
        data = np.ascontiguousarray(rows, dtype=np.float32)
        self._file.seek(0, 2)
        self._file.write(data.reshape(-1).view(np.uint8).data)
        self.rows += len(data)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Rows first..last (within what there is) as (n, columns)."""
        first, last = max(0, first), min(self.rows, last)
        width = 4 * self.columns
        self._file.seek(first * width)
        data = self._file.read(max(0, last - first) * width)
        return np.frombuffer(data, np.float32).reshape(-1, self.columns)

    def close(self) -> None:
        """Drop all rows."""
        self._file.close()
