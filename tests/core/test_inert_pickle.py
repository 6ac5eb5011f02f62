# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles are read and never run."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emoface_core.errors import InputError
from emoface_core.inert_pickle import read_pickle
from tests.core.training.datasets.made import python2_pickle

PLAIN = {
    "none": None,
    "numbers": [1, -2, 300, 70000, 2**40, -(2**70), 1.5, True, False],
    "text": ("häé\n", b"\0\xff", ""),
    "deep": {"a": {"b": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}},
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_of_every_protocol(tmp_path, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(PLAIN, protocol))
    assert read_pickle(path) == PLAIN


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.arange(3, dtype=">u4"),
        np.array([True, False]),
        np.array(["ab", "c"]),
        np.zeros((0, 3), np.float32),
        np.float64(2.5),
    ],
    ids=str,
)
def test_arrays_of_every_protocol(tmp_path, protocol, array):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"a": array}, protocol))
    found = read_pickle(path)["a"]
    assert found.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found, array)


def test_a_pickle_of_python_2(tmp_path):
    face = np.random.default_rng(0).standard_normal((7, 3))
    python2_pickle(tmp_path / "x.pkl", {"FaceTalk_A_TA": face})
    assert np.array_equal(read_pickle(tmp_path / "x.pkl")["FaceTalk_A_TA"], face)


class Bad:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_by_name_and_not_run(tmp_path, protocol):
    path, proof = tmp_path / "x.pkl", tmp_path / "proof"
    held = {"FaceTalk_A_TA": Bad(os.mkdir, (str(proof),))}
    path.write_bytes(pickle.dumps(held, protocol))
    with pytest.raises(InputError, match=r"mkdir\).*not opened"):
        read_pickle(path)
    assert not proof.exists()
    pickle.loads(path.read_bytes())  # noqa: S301 - it does work where it is let
    assert proof.is_dir()


@pytest.mark.parametrize(
    "call",
    [
        (eval, ("1+1",)),
        (getattr, ("", "join")),
        (np.load, ("x.npy",)),
        (np.array, ([object],)),
        (Path, ("x",)),
    ],
)
def test_other_calls_are_refused(tmp_path, call):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps([Bad(*call)]))
    with pytest.raises(InputError):
        read_pickle(path)


def test_arrays_of_objects_and_bare_names_are_refused(tmp_path):
    for held in (np.array([1, "a"], object), np.zeros(2, [("a", "f4")]), os.system, pickle.Pickler):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(held))
        with pytest.raises(InputError, match="more than plain data"):
            read_pickle(tmp_path / "x.pkl")


def test_what_holds_itself_is_refused(tmp_path):
    loop: list = []
    loop.append(loop)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(loop))
    with pytest.raises(InputError):
        read_pickle(tmp_path / "x.pkl")


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_damage_is_one_sentence(tmp_path, cut, at, byte):
    content = bytearray(pickle.dumps(PLAIN | {"a": np.arange(4)}, 2))
    content[at % len(content)] = byte
    path = tmp_path / "x.pkl"
    path.write_bytes(content[: len(content) - cut])
    try:
        read_pickle(path)
    except InputError as error:
        assert "x.pkl" in error.message


def test_what_is_named_often_is_read_once(tmp_path):
    value: list = []
    for _ in range(60):  # 2**60 lists, written out
        value = [value, value]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value))
    assert len(read_pickle(tmp_path / "x.pkl")) == 2


def test_missing(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_pickle(tmp_path / "none.pkl")
