# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance: curves that any part of the motion can be made from, as often as wanted."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from emoface_core.audio.mel import NETWORK_RATE
from emoface_core.emotions import EMOTIONS, MAX_INTENSITY
from emoface_core.engine.emotion import mixed_weights
from emoface_core.engine.interface import BranchCurves
from emoface_core.engine.neutral import Neutral
from emoface_core.engine.phones_heard import PhonesHeard
from emoface_core.engine.rest import rest_weight
from emoface_core.engine.rig import Rig
from emoface_core.engine.store import RowStore
from emoface_core.engine.timeline import cubic, frame_times, rows_for, snap_to_closures
from emoface_core.engine.words_heard import HeardWord
from emoface_core.files import atomic_path
from emoface_core.layers import BakeLayers

Floats = NDArray[np.float32]
Progress = Callable[[str, int, int], None]

CHUNK_FRAMES = 256
_KEPT_FRAMES = 4096  # clips up to here keep their sampled curves: 14 MB
_MANY_ROWS = 1024
# Parts of the tolerance that keys may cost which are left out as they hardly move.
# 0.25 + 1.5 * 0.5 = 1, so it holds at the highest intensity too.
_SPEECH_SHARE = 0.25
_EMOTION_SHARE = 0.5
_LIPS = "mouthClose"  # always kept: what styles a performance later keeps its contacts with it


@dataclass(frozen=True, slots=True)
class Timing:
    """The scene's frames: frame t is the sound at t / fps."""

    fps: float
    seconds: float
    frames: int
    snap: bool  # move frames onto lip closures that fall between them


@dataclass(frozen=True, slots=True)
class FaceCurves:
    """The model's curves at some moments, as the rig wants them."""

    content: Floats  # (n, K)
    layers: Floats  # (n, 8, K)
    attention: Floats  # (n, R)


class CurveStore:
    """The model's curves at 50 a second, however many, and the lips' gap that they make."""

    def __init__(self, rig: Rig, folder: Path | None) -> None:
        self._rig = rig
        self._shapes = len(rig.head.shapes)
        columns = (1 + len(EMOTIONS)) * self._shapes + len(rig.regions)
        self._store = RowStore(columns, folder)
        self._gap: list[Floats] = []
        self._quiet: list[Floats] = []

    @property
    def rows(self) -> int:
        """Frames so far."""
        return self._store.rows

    @property
    def lip_gap(self) -> Floats:
        """(rows,) metres, of speech alone."""
        return np.concatenate(self._gap)

    @cached_property
    def rest(self) -> Floats:
        """(rows,) how far speech is faded out, once all frames are there."""
        return rest_weight(np.concatenate(self._quiet))

    def append(self, curves: BranchCurves, quiet: Floats) -> None:
        """Add the next frames, with the probability (n,) that nobody speaks in them."""
        self._quiet.append(quiet)
        self._gap.append(self._rig.lip_gap(curves.content))
        layers = curves.emotion_layers.reshape(len(quiet), -1)
        self._store.append(np.concatenate([curves.content, layers, curves.attention], axis=1))

    def at(self, times: NDArray[np.float64]) -> FaceCurves:
        """The curves at some seconds."""
        first, last = rows_for(times, self.rows)
        if (
            last - first > 16 * len(times) + _MANY_ROWS
        ):  # few and far between: not all that lies there
            return _joined([self.at(part) for part in np.split(times, len(times))])
        k = self._shapes
        stored = self._store.read(first, last).copy()
        stored[:, :k] *= 1.0 - self.rest[first:last, None]
        rows = cubic(stored, times * NETWORK_RATE - first)
        content, layers, attention = np.split(rows, [k, (1 + len(EMOTIONS)) * k], axis=1)
        return FaceCurves(content, layers.reshape(len(rows), -1, k), np.clip(attention, 0.0, 1.0))

    def close(self) -> None:
        """Drop everything."""
        self._store.close()


def _joined(parts: list[FaceCurves]) -> FaceCurves:
    return FaceCurves(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(FaceCurves))
    )


@dataclass
class Performance:
    """What a face does over a clip. Offsets are metres from the neutral in FLAME's frame.

    T frames at `timing.fps`; speech is what the face does with no emotion, emotion what the chosen
    one adds; both are made on demand, so memory does not grow with the clip.
    """

    rig: Rig
    curves: CurveStore
    neutral: Neutral
    timing: Timing
    voice: Floats  # (N, 8) at 50 a second
    chosen: Floats | None  # (8,)
    preference: float | None
    intensity: float
    phone_names: tuple[str, ...]
    phones: PhonesHeard
    words: tuple[HeardWord, ...]

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.timing.fps

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return self.timing.seconds

    @property
    def frames(self) -> int:
        """T."""
        return self.timing.frames

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """(T,) the moment each frame shows: t / fps, but for those moved onto a lip closure."""
        times = frame_times(self.frames, self.fps)
        if self.timing.snap:
            times = snap_to_closures(times, self.fps, self.curves.lip_gap)
        return np.minimum(times, (self.curves.rows - 1) / NETWORK_RATE)

    @cached_property
    def voice_weights(self) -> Floats:
        """(T, 8) the emotion heard in the voice."""
        position = self.times * NETWORK_RATE
        index = np.minimum(position.astype(int), len(self.voice) - 2)
        part = (position - index)[:, None].astype(np.float32)
        return self.voice[index] * (1 - part) + self.voice[index + 1] * part

    @cached_property
    def emotion_weights(self) -> Floats:
        """(T, 8) the emotion shown."""
        return mixed_weights(self.voice_weights, self.chosen, self.preference)

    def curves_at(self, frames: NDArray[np.intp]) -> FaceCurves:
        """The curves of some frames."""
        if self.frames > _KEPT_FRAMES:
            return self.curves.at(self.times[frames])
        kept = self._all_curves
        return FaceCurves(*(getattr(kept, f.name)[frames] for f in fields(FaceCurves)))

    @cached_property
    def _all_curves(self) -> FaceCurves:
        return self.curves.at(self.times)

    def chunk(self, first: int, last: int) -> tuple[Floats, Floats]:
        """(speech, emotion) of frames first..last, each (last - first, V, 3)."""
        curves = self.curves_at(np.arange(first, last))
        chosen = self.emotion_weights[first:last] * np.float32(self.intensity)
        layer = np.einsum("tk,tks->ts", chosen, curves.layers)
        return self.rig.speech(curves.content), self.rig.emotion(layer, curves.attention)

    def chunks(self, size: int = CHUNK_FRAMES) -> Iterator[tuple[Floats, Floats]]:
        """`chunk` after chunk of `size` frames."""
        for first in range(0, self.frames, size):
            yield self.chunk(first, min(first + size, self.frames))

    def save(self, path: Path, progress: Progress | None = None) -> None:
        """Write OUT.npz (see the design): whole or not at all, never much in memory.

        `progress` may raise to stop. OSError if the disk is full.
        """
        report = progress or (lambda _stage, _done, _total: None)
        shape = (self.frames, len(self.neutral.template), 3)
        small = {
            "fps": np.asarray(self.fps),
            "seconds": np.asarray(self.seconds),
            "template": self.neutral.template,
            "faces": np.asarray(self.rig.head.faces, np.int32),
            "to_mesh": self.neutral.to_mesh,
            "emotion_weights": self.emotion_weights,
            "voice_weights": self.voice_weights,
            "emotion_names": np.asarray(EMOTIONS),
            "intensity": np.asarray(self.intensity),
            "phone_names": np.asarray(self.phone_names),
            "phone_start": self.phones.start,
            "phone_end": self.phones.end,
            "phone_index": self.phones.index,
            "word_text": np.asarray([word.text for word in self.words], str),
            "word_phones": np.asarray([word.phones for word in self.words], str),
            "word_start": np.asarray([word.start for word in self.words], np.float32),
            "word_end": np.asarray([word.end for word in self.words], np.float32),
            "word_fit": np.asarray([word.fit for word in self.words], np.float32),
        }
        # One member of a zip after the other: the motion is made three times, and never held.
        parts: dict[str, Callable[[Floats, Floats], Floats]] = {
            "offsets": lambda speech, emotion: speech + emotion,
            "speech_offsets": lambda speech, _: speech,
            "emotion_offsets": lambda _, emotion: emotion,
        }
        done, total = 0, len(parts) * self.frames
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as zf:
            for name, array in small.items():
                with zf.open(f"{name}.npy", "w") as member:
                    npy.write_array(member, array, allow_pickle=False)
            for name, make in parts.items():
                with zf.open(f"{name}.npy", "w", force_zip64=True) as member:
                    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                    npy.write_array_header_1_0(member, header)
                    for speech, emotion in self.chunks():
                        report("write", done, total)
                        member.write(np.ascontiguousarray(make(speech, emotion), "<f4").data)
                        done += len(speech)
        report("write", total, total)

    def layers(self, tolerance: float = 1e-4, progress: Progress | None = None) -> BakeLayers:
        """A key for each of the rig's shapes, and for each part of one that an emotion moves.

        Exact for every emotion and mixture, but for the keys that are left out because together
        they move no vertex by `tolerance` metres, at any intensity up to 1.5. `progress` may raise
        to stop.
        """
        report = progress or (lambda _stage, _done, _total: None)
        rig = self.rig
        part_shapes = rig.parts.reshape(-1, len(rig.head.vertices), 3)
        pieces = [
            np.arange(first, min(first + _MANY_ROWS, self.frames))
            for first in range(0, self.frames, _MANY_ROWS)
        ]
        peaks = np.zeros(len(rig.head.shapes)), np.zeros(len(part_shapes))
        for number, frames in enumerate(pieces):
            report("fit", number, 2 * len(pieces))
            content, felt = self._key_curves(frames)
            np.maximum(peaks[0], np.abs(content).max(axis=0), out=peaks[0])
            np.maximum(peaks[1], np.abs(felt).max(axis=(0, 1)), out=peaks[1])
        names, parts = rig.head.shape_names, rig.part_names
        speech, speech_error = _moving(
            rig.head.shapes, peaks[0], _SPEECH_SHARE * tolerance, names.index(_LIPS)
        )
        emotion, emotion_error = _moving(
            part_shapes, peaks[1], _EMOTION_SHARE * tolerance, parts.index(f"{_LIPS}.mouth")
        )
        speech_curves = np.empty((self.frames, len(speech)), np.float32)
        emotion_curves = np.empty((self.frames, len(EMOTIONS), len(emotion)), np.float32)
        for number, frames in enumerate(pieces):
            report("fit", len(pieces) + number, 2 * len(pieces))
            content, felt = self._key_curves(frames)
            speech_curves[frames] = content[:, speech]
            emotion_curves[frames] = felt[:, :, emotion]
        report("fit", 2 * len(pieces), 2 * len(pieces))
        return BakeLayers(
            speech_keys=tuple(names[i] for i in speech),
            speech_basis=rig.head.shapes[speech],
            speech_curves=speech_curves,
            emotion_keys=tuple(parts[i] for i in emotion),
            emotion_basis=part_shapes[emotion],
            emotion_curves=emotion_curves,
            emotion_weights=self.emotion_weights,
            voice_weights=self.voice_weights,
            intensity=self.intensity,
            worst_error=speech_error + MAX_INTENSITY * emotion_error,
            fps=self.fps,
            seconds=self.seconds,
            template=self.neutral.template,
            faces=np.asarray(rig.head.faces, np.int32),
            to_mesh=self.neutral.to_mesh,
            emotion_names=EMOTIONS,
            phone_names=self.phone_names,
            phone_start=self.phones.start,
            phone_end=self.phones.end,
            phone_index=self.phones.index,
            word_text=tuple(word.text for word in self.words),
            word_phones=tuple(word.phones for word in self.words),
            word_start=np.asarray([word.start for word in self.words], np.float32),
            word_end=np.asarray([word.end for word in self.words], np.float32),
            word_fit=np.asarray([word.fit for word in self.words], np.float32),
        )

    def _key_curves(self, frames: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Of some frames: (n, K) of speech, and (n, 8, K * R) of each emotion at intensity 1."""
        curves = self.curves_at(frames)
        parts = curves.layers[..., None] * curves.attention[:, None, None, :]
        return curves.content, parts.reshape(len(frames), len(EMOTIONS), -1)

    def close(self) -> None:
        """Drop the curves, and the temporary file if there is one."""
        self.curves.close()

    def __enter__(self) -> "Performance":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _moving(
    shapes: Floats, peaks: NDArray[np.float64], tolerance: float, always: int
) -> tuple[NDArray[np.intp], float]:
    """Which of the shapes (n, V, 3) to keep, and the most that any vertex misses by the others.

    `peaks` (n,) is how strong each one gets. What moves least is left out first, but not the
    shape numbered `always`.
    """
    distance = np.linalg.norm(shapes, axis=2) * peaks[:, None]  # (n, V) metres
    missed = np.zeros(distance.shape[1])
    kept = np.ones(len(shapes), bool)
    for index in np.argsort(distance.max(axis=1)):
        if (missed + distance[index]).max() > tolerance:
            break
        if index == always:
            continue
        missed += distance[index]
        kept[index] = False
    return np.flatnonzero(kept), float(missed.max())
