# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of jobs as files, parts of them, and result files that are believed only if true."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon.command import jobs, results
from blender_addon.command.jobs import BakeJob
from blender_addon.command.results import Result
from emoface_core.errors import InputError


def read(path: Path, text: str, common: BakeJob | None = None) -> list[BakeJob]:
    path.write_text(text, "utf-8")
    return jobs.read_list(path, common or BakeJob())


def test_a_list_and_what_its_jobs_have_in_common(tmp_path: Path) -> None:
    text = json.dumps(
        [
            {"open": "a.blend", "strip": ["x", "y"], "object": "Ada"},
            {"audio": "b.wav", "start-frame": 5, "intensity": 1, "text": "b.txt"},
            {"all": True, "emotion": "sad"},
        ]
    )
    common = BakeJob(strip="common", emotion="happy", text="of the common one")
    found = read(tmp_path / "jobs.json", text, common)
    assert found == [
        BakeJob(open="a.blend", strip=("x", "y"), object="Ada", emotion="happy"),
        BakeJob(audio="b.wav", start_frame=5, intensity=1, emotion="happy", text="b.txt"),
        BakeJob(all=True, emotion="sad"),
    ]
    assert found[0].strips == ("x", "y")
    assert BakeJob(strip="x").strips == ("x",)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("comma", [",", ";"])
def test_a_table_as_spreadsheets_save_it(tmp_path: Path, comma: str, mark: str) -> None:
    text = mark + comma.join(["strip", "object", "intensity", "start-frame", "all"]) + "\r\n"
    text += comma.join(["Anna 1|Anna 2", "Änne", "0.5", "", ""]) + "\r\n\r\n"
    text += comma.join(["", "Ben", "", "7", "yes"]) + "\r\n"
    assert read(tmp_path / "jobs.csv", text) == [
        BakeJob(strip=("Anna 1", "Anna 2"), object="Änne", intensity=0.5),
        BakeJob(all=True, object="Ben", start_frame=7),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "strip,object\nx\n", "“a.csv”, line 2: It is longer or shorter"),
        ("a.csv", "strip,object\nx,y,z\n", "longer or shorter"),
        ("a.csv", "strip,intensity\nx,loud\n", "“intensity” cannot be “loud”"),
        ("a.csv", "strip,emotion\nx,sad\n\ny,mad\n", "line 4: There is no emotion “mad”"),
        ("a.csv", "strip\n", "not a table of jobs"),
        ("a.csv", "", "not a table of jobs"),
        ("a.json", "[{}]", "needs a sound"),
        ("a.json", '[{"strip": "a", "all": true}]', "one sound, not “strip” and “all”"),
        ("a.json", '[{"strip": [1]}]', "“strip” cannot be"),
        ("a.json", '[{"audio": "a", "emotion": "furious"}]', "There is no emotion “furious”"),
        ("a.json", '[{"audio": "a", "intensity": NaN}]', "is not within"),
        ("a.json", '[{"all": true, "text": "a"}]', "several"),
        ("a.json", '[{"strip": ["a", "b"], "text": "a"}]', "several"),
        ("a.json", '[{"audio": "a", "id": "../x"}]', "cannot be an id"),
        ("a.json", '[{"audio": "a", "id": "X"}, {"audio": "a", "id": "x"}]', "job 2: Two jobs"),
        ("a.json", "[" * 100000, "not JSON"),
    ],
)
def test_a_bad_list_is_a_sentence(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read(tmp_path / name, text)
    assert "\n" not in str(caught.value)


def test_text_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("strip\nÄnne\n".encode("latin-1"))
    with pytest.raises(InputError, match="not a text in UTF-8"):
        jobs.read_list(path, BakeJob())


def test_parts() -> None:
    assert jobs.parse_part("2/5") == (2, 5)
    for wrong in ("0/5", "6/5", "1", "a/b", "1/0", "-1/5", "²/5"):
        with pytest.raises(InputError):
            jobs.parse_part(wrong)


@pytest.fixture
def done(tmp_path: Path) -> tuple[Path, BakeJob]:
    """A job that is done, with its result file."""
    save = tmp_path / "out.blend"
    save.write_bytes(b"blend")
    job = BakeJob(id="shot", open=str(tmp_path / "in.blend"), audio="a.wav", save=str(save))
    path = results.result_path(tmp_path / "results", job, 3)
    saved = results.digest_of_file(save)
    results.write_result(path, Result(job, "done", fingerprint="f", source="s", saved=saved))
    return path, job


def test_a_result_is_believed_while_nothing_changed(done: tuple[Path, BakeJob]) -> None:
    path, job = done
    assert path.name == "shot.json"
    assert results.is_done(path, job, "f", "s")
    assert not results.is_done(path, job, "other sound", "s")
    assert not results.is_done(path, job, "f", "other scene")
    Path(job.save).write_bytes(b"changed by hand")
    assert not results.is_done(path, job, "f", "s")
    Path(job.save).unlink()
    assert not results.is_done(path, job, "f", "s")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"emoface_result": 2, "state": "done"}'])
def test_a_damaged_result_is_not_believed(done: tuple[Path, BakeJob], text: str) -> None:
    path, job = done
    path.write_text(text)
    assert not results.is_done(path, job, "f", "s")


def test_a_file_that_is_saved_over_itself_is_done(done: tuple[Path, BakeJob]) -> None:
    path, job = done
    job = replace(job, open=job.save)
    assert results.is_done(path, job, "f", results.digest_of_file(Path(job.save)))
