# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's messages: one JSON object a line, versioned, checked field by field by their types.

Standard library alone and relative imports: an add-on may carry this package inside its own.
"""

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

VERSION = 1
MAX_LINE = 1 << 18  # bytes, line end included; a spoken text is the longest thing that travels
MAX_TEXT = 40_000  # letters of a spoken text: each is at most 6 bytes in JSON


class ProtocolError(Exception):
    """A line that no worker or client of this version would write."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The worker's first line: who it is and what it can do."""

    version: str  # of emoface_core
    engine: str  # onnx | torch
    device: str  # cpu | cuda | mps
    model: str
    emotions: tuple[str, ...]
    vertices: int
    faces: int
    face_digest: str
    python: str
    pid: int


@dataclass(frozen=True, slots=True)
class Animate:
    """Make the motion for a sound file and leave it as BakeLayers at `output`, renamed into place.

    Frame t is the sound at `start - before + t / fps` seconds. Outside `start`..`start + duration`
    there is silence (a trimmed strip's hidden sound is not heard and not anticipated). `neutral`: a
    mesh file (.npz with vertices and faces) of the face to be moved; "" is the head itself.
    """

    job: int
    audio: str
    output: str
    fps: float
    emotion: str = "auto"  # a name, "auto", or a mixture such as "happy=0.7,surprised=0.3"
    intensity: float = 1.0
    preference: float | None = None  # 0 all voice, 1 all choice; None: 1 if an emotion is chosen
    start: float = 0.0
    duration: float | None = None  # seconds; None: to the end
    before: float = 0.0  # seconds in which the face feels before it, and
    after: float = 0.0  # after it
    volume: float = 1.0
    text: str = ""  # the words that are spoken, if they are known
    neutral: str = ""
    tolerance: float = 1e-4  # metres: worst vertex of speech and emotion together


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a job as soon as may be; it ends in an Error with code "cancelled"."""

    job: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the worker."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `done` of `total` steps of a stage (listen, speak, fit, write)."""

    job: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Result:
    """A job is done: its layers lie at `path`, complete."""

    job: int
    path: str
    frames: int
    fps: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Error:
    """A job failed (job 0: the worker itself could not start). `code` is for programs."""

    job: int
    code: str
    message: str
    hint: str


Request: TypeAlias = Animate | Cancel | Shutdown
Event: TypeAlias = Hello | Progress | Result | Error
Message: TypeAlias = Request | Event
_KINDS: dict[str, type] = {
    kind.__name__.lower(): kind
    for kind in (Hello, Animate, Cancel, Shutdown, Progress, Result, Error)
}


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53


def _is_float(value: Any) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_str(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


_CHECKS: dict[Any, tuple[Callable[[Any], bool], Callable[[Any], Any]]] = {
    int: (_is_int, int),
    float: (_is_float, float),
    float | None: (
        lambda v: v is None or _is_float(v),
        lambda v: None if v is None else float(v),
    ),
    str: (_is_str, str),
    tuple[str, ...]: (lambda v: isinstance(v, list) and all(map(_is_str, v)), tuple),
}


def encode(message: Message) -> bytes:
    """One line, line end included. ProtocolError if it would not be read back."""
    body = {"emoface": VERSION, "type": type(message).__name__.lower()}
    body |= dataclasses.asdict(message)
    try:
        # ASCII alone: lone surrogates of odd file names survive as escapes.
        line = json.dumps(body, allow_nan=False).encode("ascii") + b"\n"
    except ValueError as error:
        raise ProtocolError(f"not sendable: {error}") from None
    if len(line) > MAX_LINE:
        raise ProtocolError(f"a message of {len(line)} bytes is too long")
    return line


def decode(line: bytes) -> Message:
    """The message of a line. ProtocolError (one sentence) for anything but an exact message."""
    if len(line) > MAX_LINE:
        raise ProtocolError("the line is too long")
    try:
        body = json.loads(
            line.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ProtocolError("not a JSON object")
    if not _is_int(body.get("emoface")) or body.pop("emoface") != VERSION:
        raise ProtocolError(f"not of protocol version {VERSION}")
    name = body.pop("type", None)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ProtocolError(f"unknown type {name!r}")
    return _build(kind, body)


def _build(kind: type, body: dict[str, Any]) -> Message:
    values = {}
    for field in dataclasses.fields(kind):
        if field.name not in body:
            if field.default is dataclasses.MISSING:
                raise ProtocolError(f"{kind.__name__} without {field.name}")
            continue
        check, convert = _CHECKS[field.type]
        value = body.pop(field.name)
        if not check(value):
            raise ProtocolError(f"{kind.__name__}.{field.name} cannot be {value!r:.80}")
        values[field.name] = convert(value)
    if body:
        raise ProtocolError(f"{kind.__name__} has no field {next(iter(body))!r:.80}")
    return kind(**values)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
