# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a mesh from .npz, .ply or .obj with its vertices in the file's own order.

Order is all that ties a mesh to its topology, so nothing is merged, split or sorted, and normals
and texture coordinates, which make other readers duplicate vertices, are passed over.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.errors import InputError
from emoface_core.files import load_npz

Vertices = NDArray[np.float32]
Faces = NDArray[np.int32]

_PLY_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
_VERTEX_NAMES = ("vertices", "template", "v", "verts", "v_template", "neutral")
_FACE_NAMES = ("faces", "f", "triangles")


def read_mesh(path: Path | str) -> tuple[Vertices, Faces]:
    """Vertices (V, 3) and triangles (F, 3) of a mesh; polygons are cut into fans.

    An .npz holds `vertices` (or `template`) and, if it has any, `faces`; without them F is 0.
    InputError if the file is missing, damaged, of another kind, or holds no mesh.
    """
    path = Path(path)
    readers = {".npz": _read_npz, ".ply": _read_ply, ".obj": _read_obj}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"“{path}” is not a mesh this can read.", "Use .npz, .ply or .obj.")
    if not path.is_file():
        raise InputError(f"There is no file “{path}”.", "Check the path.")
    try:
        vertices, faces = reader(path)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError) as error:
        raise InputError(f"“{path}” is damaged ({error}).", "Export it again.") from None
    except OSError as error:
        raise InputError(f"“{path}” cannot be read ({error}).", "Check its permissions.") from None
    return _checked(path, np.asarray(vertices), np.asarray(faces))


def _checked(path: Path, vertices: NDArray, faces: NDArray) -> tuple[Vertices, Faces]:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not len(vertices):
        raise InputError(f"“{path}” holds no vertices (V, 3).", "Export a mesh.")
    if not np.isfinite(vertices).all():
        raise InputError(f"“{path}” has vertices that are not numbers.", "Repair the mesh.")
    faces = faces.reshape(-1, 3)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise InputError(f"“{path}” has faces that name missing vertices.", "Export it again.")
    return vertices.astype(np.float32), faces.astype(np.int32)


def _read_npz(path: Path) -> tuple[NDArray, NDArray]:
    arrays = load_npz(path)
    vertices = next((arrays[name] for name in _VERTEX_NAMES if name in arrays), None)
    if vertices is None:
        raise InputError(
            f"“{path}” holds no array named “vertices”.",
            f"It holds: {', '.join(sorted(arrays)) or 'nothing'}.",
        )
    none = np.zeros((0, 3), np.int32)
    return vertices, next((arrays[name] for name in _FACE_NAMES if name in arrays), none)


def _fans(polygons: list[list[int]]) -> NDArray[np.int64]:
    """Triangles (F, 3) of polygons, each from its first corner."""
    fans = [(p[0], p[k], p[k + 1]) for p in polygons for k in range(1, len(p) - 1)]
    return np.array(fans, np.int64).reshape(-1, 3)


def _read_obj(path: Path) -> tuple[NDArray, NDArray]:
    vertices: list[list[float]] = []
    polygons: list[list[int]] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if not words:
                continue
            if words[0] == "v":
                vertices.append([float(word) for word in words[1:4]])
            elif words[0] == "f":
                corners = [int(word.split("/")[0]) for word in words[1:]]
                # OBJ counts from 1, and from the end when negative.
                polygons.append([c - 1 if c > 0 else len(vertices) + c for c in corners])
    return np.array(vertices, np.float64), _fans(polygons)


def _read_ply(path: Path) -> tuple[NDArray, NDArray]:
    content = path.read_bytes()
    head, mark, body = content.partition(b"end_header")
    if not content.startswith(b"ply") or not mark:
        raise ValueError("it has no PLY header")
    body = body[body.index(b"\n") + 1 :]
    form, elements = _ply_header(head.decode("ascii", "replace"))
    if form == "ascii":
        return _ply_ascii(body, elements)
    if form not in ("binary_little_endian", "binary_big_endian"):
        raise ValueError(f"its format is “{form}”")
    return _ply_binary(body, elements, "<" if form == "binary_little_endian" else ">")


# An element: its name, how many there are, and its properties as (name, type, count type or "").
_Element = tuple[str, int, list[tuple[str, str, str]]]


def _ply_header(text: str) -> tuple[str, list[_Element]]:
    form = ""
    elements: list[_Element] = []
    for words in (line.split() for line in text.splitlines()):
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:2] == ["property", "list"]:
            elements[-1][2].append((words[4], _PLY_TYPES[words[3]], _PLY_TYPES[words[2]]))
        elif words[:1] == ["property"]:
            elements[-1][2].append((words[2], _PLY_TYPES[words[1]], ""))
    return form, elements


def _ply_ascii(body: bytes, elements: list[_Element]) -> tuple[NDArray, NDArray]:
    rows = iter(body.decode("ascii").splitlines())
    vertices: list[list[float]] = []
    polygons: list[list[int]] = []
    for name, count, properties in elements:
        for _ in range(count):
            words = next(rows, "").split()
            if name == "vertex":
                at = [p[0] for p in properties]
                vertices.append([float(words[at.index(axis)]) for axis in "xyz"])
            elif name == "face":
                polygons.append(_ascii_polygon(words, properties))
    return np.array(vertices, np.float64), _fans(polygons)


def _ascii_polygon(words: list[str], properties: list[tuple[str, str, str]]) -> list[int]:
    place = 0
    for name, _, counted in properties:
        size = int(words[place]) if counted else 1
        place += bool(counted)
        if counted and name in ("vertex_indices", "vertex_index"):
            if len(words) < place + size:
                raise ValueError("a face is cut short")
            return [int(word) for word in words[place : place + size]]
        place += size
    raise ValueError("its faces name no vertices")


def _ply_binary(body: bytes, elements: list[_Element], order: str) -> tuple[NDArray, NDArray]:
    place = 0
    vertices = np.zeros((0, 3))
    polygons: list[list[int]] = []
    for name, count, properties in elements:
        if not any(counted for _, _, counted in properties):
            row = np.dtype([(n, order + kind) for n, kind, _ in properties])
            table = np.frombuffer(body, row, count, place)
            place += row.itemsize * count
            if name == "vertex":
                vertices = np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)
            continue
        for _ in range(count):
            for field, kind, counted in properties:
                size = 1
                if counted:
                    size = int(np.frombuffer(body, order + counted, 1, place)[0])
                    place += np.dtype(counted).itemsize
                values = np.frombuffer(body, order + kind, size, place)
                place += values.nbytes
                if name == "face" and field in ("vertex_indices", "vertex_index"):
                    polygons.append(values.astype(np.int64).tolist())
    return vertices, _fans(polygons)
