# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test shares: the slow tests in real programs run only when asked for."""

from __future__ import annotations

import os
import sys
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


EXIT = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[EXIT] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave before the bpy 4.2 module is torn down.

    It crashes there once any property had a Python callback, even one that was unregistered: three
    lines without EmoFace show it. The Blender program and later modules do not.
    """
    bpy = sys.modules.get("bpy")
    if bpy is not None and bpy.app.version < (4, 3):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(EXIT, 1))
