# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that makes the head says what is missing before it works for a minute."""

from pathlib import Path

import pytest

from emoface_core.face.build_head import main


@pytest.mark.parametrize(("data", "out"), [("here", "nowhere/head.npz"), ("nowhere", "head.npz")])
def test_a_missing_folder_is_a_sentence(tmp_path: Path, capsys, data: str, out: str) -> None:
    (tmp_path / "here").mkdir()
    assert main([str(tmp_path / data), "--out", str(tmp_path / out)]) == 2
    said = capsys.readouterr()
    assert "nowhere" in said.err and said.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
