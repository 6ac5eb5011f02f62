# SPDX-License-Identifier: GPL-3.0-or-later
"""Small data sets of the true forms, as the tests make them."""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import soundfile

from emoface_core.face.head import load_head
from emoface_core.face.topology import FLAME_VERTICES, flame_faces

RATE = 16000


def sound(path: Path, seconds: float, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    soundfile.write(path, 0.1 * noise, RATE)


def jaw(frames: int, fps: float) -> np.ndarray:
    """(T, V, 3) offsets of a mouth that opens and shuts twice a second."""
    weight = 0.5 - 0.5 * np.cos(4 * np.pi * np.arange(frames) / fps)
    return (weight[:, None, None] * load_head().shape("jawOpen")).astype(np.float32)


def python2_pickle(path: Path, faces: dict[str, np.ndarray]) -> None:
    """As Python 2 with protocol 2 writes it: arrays by numpy.core, their bytes as text."""
    old = pickle.dumps({"key": 0}, 2)[:2]
    parts = [old, b"}", b"("]
    for name, face in faces.items():
        raw = face.astype("<f8").tobytes()
        key = name.encode("latin-1")
        parts += [b"U", bytes([len(key)]), key]
        parts += [b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"K\0", b"\x85"]
        parts += [b"U\1b", b"\x87", b"R", b"(K\1"]
        parts += [b"M" + n.to_bytes(2, "little") for n in face.shape]
        parts += [{2: b"\x86", 3: b"\x87"}[face.ndim]]
        parts += [b"cnumpy\ndtype\n", b"U\2f8", b"K\0", b"K\1", b"\x87", b"R"]
        minus = b"J\xff\xff\xff\xff"
        parts += [b"(K\3", b"U\1<", b"NNN", minus, minus, b"K\0", b"tb"]
        parts += [b"\x89", b"T", len(raw).to_bytes(4, "little"), raw, b"tb"]
    path.write_bytes(b"".join([*parts, b"u."]))


def vocaset(folder: Path, names: list[tuple[str, int]], frames: int = 40) -> Path:
    from emoface_core.training.datasets.vocaset import FPS

    (folder / "vertices_npy").mkdir(parents=True)
    rest = load_head().vertices
    faces = {}
    for number, (speaker, sentence) in enumerate(names):
        name = f"{speaker}_sentence{sentence:02}"
        faces[speaker] = rest + 0.001 * number
        vertices = faces[speaker] + jaw(frames, FPS)
        np.save(folder / "vertices_npy" / f"{name}.npy", vertices.reshape(frames, -1))
        sound(folder / "wav" / f"{name}.wav", frames / FPS, number)
    python2_pickle(folder / "templates.pkl", faces)
    return folder


class Ch:
    """In the place of chumpy's class while a pickle is written."""

    def __init__(self, x):
        self.x = x
        self._dirty_vars = {"x"}


def flame_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """A made-up model of the true form: jaw and eyes hang on the neck, the neck on the root."""
    rng = np.random.default_rng(seed)
    rest = load_head().vertices.astype(np.float64)
    weights = np.zeros((FLAME_VERTICES, 5))
    weights[:, 0] = 1
    weights[:100] = np.eye(5)[1]
    weights[100:200] = np.eye(5)[2]
    regressor = np.zeros((5, FLAME_VERTICES))
    regressor[np.arange(5), np.arange(5)] = 1  # joint j sits at vertex j
    directions = np.zeros((FLAME_VERTICES, 3, 400))
    directions[1000:1100] = 1e-3 * rng.standard_normal((100, 3, 400))
    return {
        "v_template": rest,
        "shapedirs": directions,
        "posedirs": np.zeros((FLAME_VERTICES, 3, 36)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "f": flame_faces().astype(np.uint32),
    }


def flame_pickle(path: Path, arrays: dict[str, np.ndarray], protocol: int = 2) -> None:
    """As FLAME's makers publish it: shapes as a chumpy array, the regressor as a sparse matrix."""
    from scipy import sparse

    package, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
    module.Ch = Ch
    names = Ch.__module__, Ch.__qualname__
    Ch.__module__ = "chumpy.ch"
    sys.modules |= {"chumpy": package, "chumpy.ch": module}
    try:
        held = dict(arrays) | {
            "shapedirs": Ch(arrays["shapedirs"]),
            "J_regressor": sparse.csc_matrix(arrays["J_regressor"]),
            "bs_style": "lbs",
        }
        path.write_bytes(pickle.dumps(held, protocol))
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]
        Ch.__module__, Ch.__qualname__ = names


def arkit_csv(path: Path, values: dict[str, np.ndarray], fps: int = 60, start: int = 0) -> None:
    """As Live Link Face writes it, from frame `start` after 15:26:48."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["Timecode,BlendShapeCount," + ",".join(values)]
    for frame, row in enumerate(zip(*values.values(), strict=True), start):
        second, rest = divmod(frame, fps)
        stamp = f"15:26:{48 + second:02}:{rest:02}.000"
        lines.append(f"{stamp},{len(values)}," + ",".join(f"{value:.6f}" for value in row))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
