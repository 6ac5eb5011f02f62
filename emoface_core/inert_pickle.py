# SPDX-License-Identifier: GPL-3.0-or-later
"""Data out of a pickle without unpickling it: the file's program is read, none of it is run.

Some published data (VOCASET's templates, FLAME's model) exists only as pickles, mostly by Python 2.
A pickle is a program that may call anything. Here its instructions are followed on inert values: a
name stands for itself, an array is rebuilt from its bytes, and all that is not on a short list is
refused by name. Python's own `pickle` is not involved.
"""

import codecs
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError

_MARK = object()
_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_SPARSE = ("csc_matrix", "csc_array")
_SAFE_TYPES = "biufSU"  # kinds of dtype whose bytes are nothing but values
_MOST_VALUES = 1 << 26  # of a sparse matrix


@dataclass(slots=True)
class _Name:
    """A function or class that the file names; never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True)
class _Thing:
    """An instance of a named class, with what the file gives it."""

    of: _Name
    arguments: tuple[Any, ...] = ()
    state: Any = None


class _RefusedError(Exception):
    """The file wants something that is not plain data."""


def read_pickle(path: Path) -> Any:
    """What a pickle holds, if that is plain: None, numbers, text, bytes, lists, tuples, dicts,
    sets, NumPy arrays of numbers or text, SciPy's csc matrices (given as dense arrays) and
    chumpy's arrays (given as plain ones). Text of Python 2 is read as latin-1.

    An expression of chumpy's that is no array is given as None.

    InputError if the file is missing or damaged, or names anything else.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"“{path}” cannot be read ({error.strerror}).", "Check the path."
        ) from None
    try:
        return _Plain()(_Machine(content).run())
    except _RefusedError as refused:
        raise InputError(
            f"“{path}” holds more than plain data ({refused}), so it was not opened.",
            "Use the file as its makers publish it.",
        ) from None
    except (
        ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, OverflowError,
        RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise InputError(
            f"“{path}” is not a readable pickle ({type(error).__name__}: {error}).",
            "Download it again.",
        ) from None


class _Machine:
    """The stack machine of pickle protocols 0 to 5, over inert values."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        while True:
            code = self.take(1)
            if code == b".":
                return self.stack.pop()
            action = _ACTIONS.get(code)
            if action is None:
                raise _RefusedError(f"instruction {code!r}")
            action(self)

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.content):
            raise ValueError("it is cut short")
        self.at += count
        return self.content[self.at - count : self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack("<" + form, self.take(struct.calcsize(form)))[0])

    def sized(self, form: str) -> bytes:
        return self.take(self.number(form))

    def line(self) -> bytes:
        end = self.content.index(b"\n", self.at)
        line = self.content[self.at : end]
        self.at = end + 1
        return line

    def text_line(self) -> str:
        return self.line().decode("ascii")

    def to_mark(self) -> list[Any]:
        at = max(i for i, value in enumerate(self.stack) if value is _MARK)
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def tuple_of(self, count: int) -> None:
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.push(values)

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def append(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _RefusedError("a list that is not one")
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise _RefusedError("a dictionary that is not one")
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def dictionary(self) -> None:
        values = self.to_mark()
        self.push({})
        self.set_items(values)

    def add(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], set):
            raise _RefusedError("a set that is not one")
        self.stack[-1].update(values)

    def integer(self) -> Any:
        line = self.line()
        return line == b"01" if line in (b"00", b"01") else int(line)

    def string_line(self) -> str:
        quoted = self.line()
        if len(quoted) < 2 or quoted[:1] != quoted[-1:] or quoted[:1] not in b"\"'":
            raise ValueError("a text without quotes")
        return codecs.escape_decode(quoted[1:-1])[0].decode("latin-1")

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.push(_Name(str(module), str(name)))

    def call(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        self.push(_called(called, tuple(arguments)))

    def make(self, *, named: bool) -> None:
        if named and self.stack.pop():
            raise _RefusedError("an object made with named arguments")
        arguments, of = self.stack.pop(), self.stack.pop()
        self.push(_made(of, tuple(arguments)))

    def build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Thing):
            raise _RefusedError("a state given to what has none")
        self.stack[-1].state = state

    def instance(self) -> None:
        of = _Name(self.text_line(), self.text_line())
        self.push(_made(of, tuple(self.to_mark())))

    def object(self) -> None:
        of, *arguments = self.to_mark()
        self.push(_made(of, tuple(arguments)))


def _little(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _pop_mark(machine: _Machine) -> None:
    machine.to_mark()


# One action an instruction; names of the instructions as in Python's `pickletools`.
_ACTIONS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.take(1),  # PROTO
    b"\x95": lambda m: m.take(8),  # FRAME
    b"(": lambda m: m.push(_MARK),
    b"0": lambda m: m.stack.pop(),
    b"1": _pop_mark,
    b"2": lambda m: m.push(m.stack[-1]),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": lambda m: m.push(m.integer()),
    b"J": lambda m: m.push(m.number("i")),
    b"K": lambda m: m.push(m.number("B")),
    b"M": lambda m: m.push(m.number("H")),
    b"L": lambda m: m.push(int(m.text_line().rstrip("L"))),
    b"\x8a": lambda m: m.push(_little(m.sized("B"))),
    b"\x8b": lambda m: m.push(_little(m.sized("i"))),
    b"F": lambda m: m.push(float(m.text_line())),
    b"G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    b"S": lambda m: m.push(m.string_line()),
    b"T": lambda m: m.push(m.sized("i").decode("latin-1")),
    b"U": lambda m: m.push(m.sized("B").decode("latin-1")),
    b"V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
    b"X": lambda m: m.push(m.sized("I").decode("utf-8", "surrogatepass")),
    b"\x8c": lambda m: m.push(m.sized("B").decode("utf-8", "surrogatepass")),
    b"\x8d": lambda m: m.push(m.sized("Q").decode("utf-8", "surrogatepass")),
    b"B": lambda m: m.push(m.sized("I")),
    b"C": lambda m: m.push(m.sized("B")),
    b"\x8e": lambda m: m.push(m.sized("Q")),
    b"\x96": lambda m: m.push(m.sized("Q")),  # BYTEARRAY8
    b"]": lambda m: m.push([]),
    b"l": lambda m: m.push(m.to_mark()),
    b"a": lambda m: m.append([m.stack.pop()]),
    b"e": lambda m: m.append(m.to_mark()),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.to_mark())),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"}": lambda m: m.push({}),
    b"d": _Machine.dictionary,
    b"s": lambda m: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
    b"u": lambda m: m.set_items(m.to_mark()),
    b"\x8f": lambda m: m.push(set()),
    b"\x90": lambda m: m.add(m.to_mark()),
    b"\x91": lambda m: m.push(frozenset(m.to_mark())),
    b"p": lambda m: m.put(int(m.text_line())),
    b"q": lambda m: m.put(m.number("B")),
    b"r": lambda m: m.put(m.number("I")),
    b"\x94": lambda m: m.put(len(m.memo)),
    b"g": lambda m: m.push(m.memo[int(m.text_line())]),
    b"h": lambda m: m.push(m.memo[m.number("B")]),
    b"j": lambda m: m.push(m.memo[m.number("I")]),
    b"c": lambda m: m.push(_Name(m.text_line(), m.text_line())),
    b"\x93": _Machine.stack_global,
    b"R": _Machine.call,
    b"\x81": lambda m: m.make(named=False),
    b"\x92": lambda m: m.make(named=True),
    b"b": _Machine.build,
    b"i": _Machine.instance,
    b"o": _Machine.object,
}


def _called(called: Any, arguments: tuple[Any, ...]) -> Any:
    """What a call of a listed function would give, as an inert value."""
    if not isinstance(called, _Name):
        raise _RefusedError("a call of what is no function")
    function = (called.module.replace("__builtin__", "builtins"), called.name)
    array = called.module in _ARRAY_MODULES and called.name in ("_reconstruct", "scalar")
    buffer = called.module in _NUMERIC_MODULES and called.name == "_frombuffer"
    if array or buffer or function == ("numpy", "dtype"):
        return _Thing(called, arguments)
    if function == ("builtins", "bytes") and not arguments:
        return b""
    if function == ("_codecs", "encode") and arguments[1:] == ("latin1",):
        return str(arguments[0]).encode("latin-1")  # how Python 3 writes bytes for Python 2
    if called.module in ("copy_reg", "copyreg") and called.name in ("_reconstructor", "__newobj__"):
        return _made(arguments[0], ())
    if function == ("builtins", "set") and len(arguments) == 1:
        return list(arguments[0])  # as Python 2 writes a set; a list asks nothing of its members
    raise _RefusedError(str(called))


def _made(of: Any, arguments: tuple[Any, ...]) -> _Thing:
    """An inert instance of a listed class."""
    if not isinstance(of, _Name):
        raise _RefusedError("an object of what is no class")
    listed = (
        of.module.split(".")[0] == "chumpy"
        or (of.module.startswith("scipy.sparse") and of.name in _SPARSE)
        or (of.module == "numpy" and of.name in ("ndarray", "dtype"))
    )
    if not listed:
        raise _RefusedError(str(of))
    return _Thing(of, arguments)


class _Plain:
    """From inert values to the plain ones they stand for."""

    def __init__(self) -> None:
        self.under_way: set[int] = set()
        self.done: dict[int, Any] = {}  # what is named often is worked out once

    def __call__(self, value: Any) -> Any:
        if isinstance(value, (list, tuple, dict, set, frozenset, _Thing)):
            if id(value) in self.done:
                return self.done[id(value)]
            if id(value) in self.under_way:
                raise _RefusedError("something that holds itself")
            self.under_way.add(id(value))
            self.done[id(value)] = made = self._inside(value)
            self.under_way.discard(id(value))
            return made
        if isinstance(value, _Name):
            raise _RefusedError(str(value))
        if value is _MARK:
            raise ValueError("a mark is left over")
        return value

    def _inside(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self(k): self(v) for k, v in value.items()}
        if isinstance(value, _Thing):
            return self._thing(value)
        return type(value)(self(item) for item in value)

    def _thing(self, thing: _Thing) -> Any:
        name = thing.of.name
        if name == "_reconstruct":
            return self._array(thing)
        if name == "_frombuffer":
            raw, kind, shape, order = thing.arguments
            return _shaped(_bytes(raw), _dtype(kind), shape, order)
        if name == "scalar":
            kind, raw = thing.arguments
            return _shaped(_bytes(raw), _dtype(kind), (), "C")[()]
        if name in _SPARSE:
            return self._dense(thing)
        if thing.of.module.split(".")[0] == "chumpy":
            return self._chumpy(thing)
        raise _RefusedError(str(thing.of))

    def _chumpy(self, thing: _Thing) -> Any:
        """An array, or a choice of an array's values; other expressions are not worked out."""
        state = thing.state if isinstance(thing.state, dict) else {}
        if thing.of.name == "Ch":
            return self(state.get("x"))
        if thing.of.name == "Select":
            chosen = np.ravel(self(state["a"]))[self(state["idxs"])]
            return chosen.reshape(self(state["preferred_shape"]))
        return None

    def _array(self, thing: _Thing) -> NDArray:
        state = thing.state
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ValueError("an array without its contents")
        shape, kind, columns_first, raw = state[-4:]
        return _shaped(_bytes(raw), _dtype(kind), shape, "F" if columns_first else "C")

    def _dense(self, thing: _Thing) -> NDArray:
        state = thing.state
        shape = tuple(int(n) for n in state.get("_shape", state.get("shape")))
        rows, ends = (np.asarray(self(state[name]), np.int64) for name in ("indices", "indptr"))
        if len(shape) != 2 or shape[0] * shape[1] > _MOST_VALUES or len(ends) != shape[1] + 1:
            raise ValueError("a sparse matrix of a wrong size")
        dense = np.zeros(shape)
        columns = np.repeat(np.arange(shape[1]), np.diff(ends))
        np.add.at(dense, (rows, columns), self(state["data"]))
        return dense


def _bytes(raw: Any) -> bytes:
    if isinstance(raw, str):  # of Python 2
        return raw.encode("latin-1")
    if not isinstance(raw, bytes):
        raise _RefusedError("an array of objects")
    return raw


def _dtype(thing: Any) -> np.dtype:
    if not (isinstance(thing, _Thing) and thing.of.name == "dtype" and thing.arguments):
        raise ValueError("an array without a type")
    code = str(thing.arguments[0])
    if code.lstrip("<>|=")[:1] not in _SAFE_TYPES or not code.lstrip("<>|=")[1:].isdigit():
        raise _RefusedError(f"an array of type “{code}”")
    order: Literal["<", ">"] = "<"
    if isinstance(thing.state, tuple) and len(thing.state) > 1 and thing.state[1] == ">":
        order = ">"
    return np.dtype(code.lstrip("<>|=")).newbyteorder(order)


def _shaped(raw: bytes, kind: np.dtype, shape: Any, order: Literal["C", "F"]) -> NDArray:
    values = np.frombuffer(raw, kind) if raw else np.zeros(0, kind)
    array = values.reshape(tuple(int(n) for n in shape), order=order)
    return array.astype(kind.newbyteorder("="))
