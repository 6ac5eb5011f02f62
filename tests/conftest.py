# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test shares: the slow tests in real programs run only when asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before NumPy or torch load: the tests run beside each other on few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ON_REQUEST = Path(__file__).parent / "real_blender"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--real", action="store_true", help="also run tests/real_blender")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path == ON_REQUEST and not config.getoption("--real"):
        return True
    return None
