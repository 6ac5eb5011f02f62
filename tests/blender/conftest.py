# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty Blender for every test, and a small made-up performance to bake."""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from blender_addon.command import cli
from blender_addon.curves.timing import Clip
from blender_addon.work.batch import queue
from blender_addon.work.job import desk
from blender_addon.work.session import session
from emoface_core.audio.files import read_audio
from emoface_core.emotions import EMOTIONS
from emoface_core.layers import BakeLayers

V, F = 5023, 9976
SPEECH_KEYS = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthUpperUp_L",
               "mouthLowerDown_R", "mouthPress_L", "mouthSmile_L", "mouthRollLower")  # fmt: skip
EMOTION_KEYS = ("browDown_L", "eyeSquint_L", "cheekSquint_L", "mouthSmile_L", "mouthSmile_L.mouth")


@pytest.fixture(autouse=True)
def empty_blender() -> Iterator[None]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield


@pytest.fixture
def addon(empty_blender: None) -> Iterator[None]:
    """The add-on turned on, and nothing of it under way afterwards."""
    import addon_utils  # to be found once bpy is there

    assert addon_utils.enable("blender_addon") is not None
    yield
    queue.abandon()
    desk.abandon()
    desk.failure = None
    with worker_spared():
        addon_utils.disable("blender_addon")


@contextmanager
def worker_spared() -> Iterator[None]:
    """Put the worker aside from what would end it: one serves all tests."""
    client, session._client = session._client, None
    yield
    session._client = client


@pytest.fixture
def warm_command(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command leaves the worker to the next test; returns what it would have done."""
    calls: list[str] = []
    kept = SimpleNamespace(client=session.client, close=lambda: calls.append("closed"))
    monkeypatch.setattr(cli, "session", kept)
    return calls


@pytest.fixture(scope="session", autouse=True)
def last_worker() -> Iterator[None]:
    yield
    session.close()


def template() -> NDArray[np.float32]:
    """A made-up head in FLAME's frame: an uneven ellipsoid, 5023 points in a fixed order."""
    rng = np.random.default_rng(5)
    points = rng.normal(size=(V, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return (points * [0.08, 0.12, 0.10] + 0.01 * points**2).astype(np.float32)


def triangles() -> NDArray[np.int32]:
    """9976 different triangles that use every vertex."""
    first = np.arange(F) % V
    return np.stack([first, (first + 1) % V, (first + 2 + np.arange(F) // V) % V], 1).astype("i4")


def layers(frames: int = 60, fps: float = 25.0, to_mesh: NDArray | None = None) -> BakeLayers:
    """A smooth performance of 9 speech and 5 emotion keys, moving up to about 5 mm."""
    rng = np.random.default_rng(7)
    time = np.arange(frames, dtype=np.float64)[:, None] / fps

    def curves(n: int) -> NDArray[np.float32]:
        rate, phase = rng.uniform(0.5, 6, n), rng.uniform(0, 7, n)
        return (0.9 * np.sin(2 * np.pi * rate * time + phase)).astype(np.float32)

    weights = np.abs(curves(8)) + 0.01
    weights /= weights.sum(axis=1, keepdims=True)
    return BakeLayers(
        speech_keys=SPEECH_KEYS,
        speech_basis=rng.normal(0, 0.001, (9, V, 3)).astype(np.float32),
        speech_curves=curves(9),
        emotion_keys=EMOTION_KEYS,
        emotion_basis=rng.normal(0, 0.001, (5, V, 3)).astype(np.float32),
        emotion_curves=np.stack([curves(5) for _ in range(8)], axis=1),
        emotion_weights=weights,
        voice_weights=weights,
        intensity=1.0,
        worst_error=4e-5,
        fps=fps,
        seconds=frames / fps,
        template=template(),
        faces=triangles(),
        to_mesh=np.eye(4) if to_mesh is None else to_mesh,
        emotion_names=EMOTIONS,
        phone_names=("sil",),
        phone_start=np.zeros(1, np.float32),
        phone_end=np.full(1, frames / fps, np.float32),
        phone_index=np.zeros(1, np.int32),
    )


def clip(frames: int = 60, fps: float = 25.0, first: int = 1) -> Clip:
    return Clip(first, 0.0, frames, fps)


def add_face(name: str = "Head", vertices: NDArray | None = None) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    points = template() if vertices is None else vertices
    mesh.from_pydata(points.tolist(), [], triangles().tolist())
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def write_voice(path: Path, seconds: float) -> Path:
    """The demo's voice from its start, over and over."""
    spoken = read_audio(Path(str(files("emoface_core.assets") / "demo.flac")))
    samples = np.resize(spoken, round(16000 * seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def evaluated(obj: bpy.types.Object, frame: float) -> NDArray[np.float32]:
    """The mesh's vertices (V, 3) in its own space at a frame, as Blender shows them."""
    whole = int(np.floor(frame))
    bpy.context.scene.frame_set(whole, subframe=frame - whole)
    mesh = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)
