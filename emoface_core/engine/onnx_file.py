# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into an ONNX file before a runtime gets it: one file, the standard's own operators.

External data may name any path on the machine, and operators of unknown domains want a library to
be loaded. Both are refused. The few fields of onnx.proto3 that matter are read here, so that the
onnx package is not needed.
"""

from collections.abc import Iterator
from typing import NamedTuple

from emoface_core.errors import InputError

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})  # what the runtime itself has
_MAX_DEPTH = 64


class _Kind(NamedTuple):
    """A message of onnx.proto3: fields that hold messages, a domain, or an external location."""

    children: dict[int, str]
    domain: int = 0
    external: tuple[int, ...] = ()


_KINDS = {
    "model": _Kind({7: "graph", 8: "opset", 20: "training", 25: "function"}),
    "opset": _Kind({}, domain=1),
    "training": _Kind({1: "graph", 2: "graph"}),
    "function": _Kind({7: "node", 9: "opset", 11: "attribute"}, domain=10),
    "graph": _Kind({1: "node", 5: "tensor", 15: "sparse"}),
    "node": _Kind({5: "attribute"}, domain=7),
    "attribute": _Kind(
        {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"}
    ),
    "sparse": _Kind({1: "tensor", 2: "tensor"}),
    "tensor": _Kind({}, external=(13, 14)),  # external_data, data_location
}


def check_onnx(data: bytes, name: str) -> None:
    """InputError unless the file is whole, holds its own weights and only standard operators."""
    try:
        _check(memoryview(data), "model", name, 0)
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"“{name}” is not an ONNX file ({error}).", "Install the model again."
        ) from None


def _check(data: memoryview, kind: str, name: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    what = _KINDS[kind]
    for number, value in _fields(data):
        if number in what.external and value not in (0, b""):
            raise InputError(
                f"“{name}” keeps weights in other files, which is not allowed.",
                "Export the model into a single file.",
            )
        if not isinstance(value, memoryview):
            continue
        if number in what.children:
            _check(value, what.children[number], name, depth + 1)
        elif what.domain and number == what.domain:
            domain = bytes(value).decode("utf-8")
            if domain not in DOMAINS:
                raise InputError(
                    f"“{name}” needs operators of “{domain}”, which is not allowed.",
                    "Export the model with the operators of ONNX itself.",
                )


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of a message in protocol buffers' wire format."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value: int | memoryview
        if wire == 0:
            value, at = _varint(data, at)
        else:
            if wire == 2:
                size, at = _varint(data, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ValueError("not protocol buffers")
            if number == 0 or at + size > len(data):
                raise ValueError("cut short")
            value, at = data[at : at + size], at + size
        yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("not protocol buffers")
