# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are whole or absent, readable by whom they should be, and never unpickled."""

from pathlib import Path

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.files import atomic_path, load_npz


def test_a_failing_body_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "out.npz"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    plain, target = tmp_path / "plain", tmp_path / "out.bin"
    plain.write_bytes(b"")
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode == plain.stat().st_mode


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"), atomic_path(tmp_path / "no" / "out"):
        pass


def test_npz_with_pickles_or_damage_is_refused(tmp_path: Path) -> None:
    pickled, damaged = tmp_path / "pickled.npz", tmp_path / "damaged.npz"
    np.savez(pickled, x=np.array([{}], dtype=object))
    damaged.write_bytes(b"PK\x03\x04 not a zip")
    for path in (pickled, damaged, tmp_path / "missing.npz"):
        with pytest.raises(InputError):
            load_npz(path)
