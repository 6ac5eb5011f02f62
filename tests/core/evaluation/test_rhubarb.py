# SPDX-License-Identifier: GPL-3.0-or-later
"""Rhubarb's cues: put in order, and what is said when it cannot be run."""

import shutil

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.evaluation.rhubarb import Cue, rhubarb_cues, shape_events, tidy


def raw(*cues):
    return [{"start": start, "end": end, "value": value} for value, start, end in cues]


def test_overruns_are_cut_and_neighbours_joined():
    cues = tidy(raw(("X", 0, 0.12), ("B", 0.08, 0.12), ("A", 0.12, 0.2), ("A", 0.2, 0.3)))
    assert cues == [Cue("X", 0, 0.08), Cue("B", 0.08, 0.12), Cue("A", 0.12, 0.3)]
    assert [(e.start, e.end) for e in shape_events(cues, "A")] == [(0.12, 0.3)]


def fake_package(folder, body):
    (folder / "dist").mkdir()
    (folder / "dist/index.js").write_text(f"export const Rhubarb = {{ getLipSync: {body} }};")
    (folder / "package.json").write_text('{"type": "module"}')


def test_a_missing_package_is_said(tmp_path):
    with pytest.raises(InputError, match=r"node|rhubarb-lip-sync-wasm"):
        rhubarb_cues({"x": np.zeros(160)}, tmp_path)


def test_cues_come_back_and_are_kept(tmp_path):
    if shutil.which("node") is None:
        with pytest.raises(InputError, match="node"):
            rhubarb_cues({"x": np.zeros(160)}, tmp_path)
        return
    # A stand-in for the package: one cue as long as the sound it was given.
    fake_package(
        tmp_path,
        "async (pcm) => { console.log('chatter'); "
        "return { mouthCues: [{ start: 0, end: pcm.length / 32000, value: 'A' }] }; }",
    )
    cache = tmp_path / "cues.json"
    clips = {"x": np.zeros(16000), "y": np.zeros(8000)}
    found = rhubarb_cues(clips, tmp_path, cache=cache)
    assert found == {"x": [Cue("A", 0, 1.0)], "y": [Cue("A", 0, 0.5)]}
    (tmp_path / "dist/index.js").unlink()
    assert rhubarb_cues(clips, tmp_path, cache=cache) == found


def test_a_failure_is_one_sentence(tmp_path):
    if shutil.which("node") is None:
        return
    fake_package(tmp_path, "async () => { throw new Error('out of phones'); }")
    with pytest.raises(InputError, match="Rhubarb failed"):
        rhubarb_cues({"x": np.zeros(160)}, tmp_path)
