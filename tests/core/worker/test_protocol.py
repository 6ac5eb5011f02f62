# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages: what is written is read back; anything else is refused in a sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoface_core.worker.protocol import (
    MAX_LINE,
    Animate,
    Cancel,
    Error,
    Hello,
    Progress,
    ProtocolError,
    Result,
    Shutdown,
    decode,
    encode,
)

TEXT = st.text(st.characters(exclude_characters="\0"), max_size=40)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
JOB = st.integers(0, 2**40)
MESSAGES = st.one_of(
    st.builds(Hello, *[TEXT] * 4, st.lists(TEXT).map(tuple), JOB, JOB, *[TEXT] * 2, JOB),
    st.builds(
        Animate,
        job=JOB,
        audio=TEXT,
        output=TEXT,
        fps=NUMBER,
        preference=st.none() | NUMBER,
        duration=st.none() | NUMBER,
        neutral=TEXT,
    ),
    st.builds(Cancel, JOB),
    st.just(Shutdown()),
    st.builds(Progress, JOB, TEXT, JOB, JOB),
    st.builds(Result, JOB, TEXT, JOB, NUMBER, NUMBER),
    st.builds(Error, JOB, TEXT, TEXT, TEXT),
)


@given(MESSAGES)
def test_there_and_back(message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_names_that_are_no_text_survive() -> None:
    odd = b"/clips/\xff\xfe.wav".decode("utf-8", "surrogateescape")
    assert decode(encode(Animate(1, odd, odd, 24.0))).audio == odd


GOOD = {"emoface": 1, "type": "progress", "job": 1, "stage": "speak", "done": 1, "total": 2}


@pytest.mark.parametrize(
    "change",
    [
        {"emoface": 2},
        {"emoface": True},
        {"emoface": None},
        {"type": "explode"},
        {"type": ["progress"]},
        {"job": "1"},
        {"job": 1.5},
        {"job": True},
        {"job": None},
        {"job": 10**30},
        {"stage": 5},
        {"stage": "a\0b"},
        {"done": [1]},
        {"surprise": 1},
    ],
)
def test_wrong_fields_are_refused(change: dict) -> None:
    decode(json.dumps(GOOD).encode())
    with pytest.raises(ProtocolError):
        decode(json.dumps(GOOD | change).encode())


@pytest.mark.parametrize("missing", list(GOOD))
def test_missing_fields_are_refused(missing: str) -> None:
    with pytest.raises(ProtocolError):
        decode(json.dumps({k: v for k, v in GOOD.items() if k != missing}).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"Loading model...\n",
        b"\xff\xfe",
        b'{"emoface":1,"type":"cancel","job":1,"job":2}',
        b'{"emoface":1,"type":"result","job":1,"path":"x","frames":1,"fps":NaN,"seconds":1}',
        b'{"emoface":1,"type":"result","job":1,"path":"x","frames":1,"fps":1e999,"seconds":1}',
        b"[" * 100_000,
        b'{"emoface":1,"type":"cancel","job":1}' + b" " * MAX_LINE,
    ],
)
def test_bad_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(line: bytes) -> None:
    try:
        decode(line)
    except ProtocolError as error:
        assert str(error)


def test_what_would_not_be_read_is_not_written() -> None:
    with pytest.raises(ProtocolError):
        encode(Result(1, "x", 1, float("nan"), 1.0))
    with pytest.raises(ProtocolError):
        encode(Error(1, "failed", "x" * MAX_LINE, ""))
