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
from emoface_core.engine.rig import Mixer, Rig
from emoface_core.engine.store import RowStore
from emoface_core.engine.timeline import cubic, frame_times, rows_for, snap_to_closures
from emoface_core.face.basis import fit_keys
from emoface_core.files import atomic_path
from emoface_core.layers import BakeLayers

Floats = NDArray[np.float32]
Progress = Callable[[str, int, int], None]

CHUNK_FRAMES = 256
_KEPT_FRAMES = 4096  # clips up to here keep their sampled curves: 14 MB
_MANY_ROWS = 1024
# Parts of the whole tolerance; 0.5 + 1.5 * 0.33 < 1, so it holds at the highest intensity too.
_SPEECH_SHARE = 0.5
_EMOTION_SHARE = 0.33
# The emotion as chosen keeps the tolerance; the eight alone, which another choice would mix, keep
# nine times as much (0.3 mm). All eight at full precision would need three times as many keys.
_OTHER_EMOTIONS = 0.11


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
    base: Floats  # (n, K)
    layers: Floats  # (n, 8, K)
    attention: Floats  # (n, M)


class CurveStore:
    """The model's curves at 50 a second, however many, and the lips' gap that they make."""

    def __init__(self, rig: Rig, folder: Path | None) -> None:
        self._rig = rig
        self._shapes, self._points = len(rig.mixer.shapes), rig.map_points
        self._columns = (2 + len(EMOTIONS)) * self._shapes + self._points
        self._store = RowStore(self._columns, folder)
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
        content, base, attention = curves.content, curves.emotion_base, curves.attention
        if self._rig.additive:  # content + emotion, written as a mixture that is all emotion
            base, attention = content + base, np.ones_like(attention)
        self._quiet.append(quiet)
        self._gap.append(self._rig.lip_gap(content, base, attention))
        layers = curves.emotion_layers.reshape(len(content), -1)
        self._store.append(np.concatenate([content, base, layers, attention], axis=1))

    def at(self, times: NDArray[np.float64]) -> FaceCurves:
        """The curves at some seconds."""
        first, last = rows_for(times, self.rows)
        if (
            last - first > 16 * len(times) + _MANY_ROWS
        ):  # few and far between: not all that lies there
            return _joined([self.at(part) for part in np.split(times, len(times))])
        k = self._shapes
        stored = self._store.read(first, last).copy()
        stored[:, : 2 * k] *= 1.0 - self.rest[first:last, None]
        rows = cubic(stored, times * NETWORK_RATE - first)
        content, base, layers, attention = np.split(
            rows, [k, 2 * k, rows.shape[1] - self._points], 1
        )
        return FaceCurves(
            content, base, layers.reshape(len(rows), -1, k), np.clip(attention, 0.0, 1.0)
        )

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
        mixer = self.rig.mixer
        curves = self.curves_at(np.arange(first, last))
        weight = mixer.weight(curves.attention)
        chosen = self.emotion_weights[first:last] * np.float32(self.intensity)
        layer = np.einsum("tk,tks->ts", chosen, curves.layers)
        return mixer.speech(curves.content, curves.base, weight), mixer.emotion(layer, weight)

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
        """Key shapes and curves, within `tolerance` metres at any intensity up to 1.5.

        That holds for the emotion as chosen; another choice made from `emotion_curves` without a
        new fit is within three times the tolerance at intensity 1.
        """
        report = progress or (lambda _stage, _done, _total: None)
        speech = fit_keys(
            _SpeechMotion(self, lambda: report("fit", 0, 2)), _SPEECH_SHARE * tolerance
        )
        emotion = fit_keys(
            _EmotionMotion(self, lambda: report("fit", 1, 2)), _EMOTION_SHARE * tolerance
        )
        report("fit", 2, 2)
        # Least squares is linear: the eight curves mixed as chosen are the curve of the mixture.
        each_emotion = emotion.curves.reshape(self.frames, len(EMOTIONS) + 1, -1)[:, :-1]
        size = np.maximum(np.abs(each_emotion).max(axis=(0, 1)), 1e-6)  # curves stay within 1
        return BakeLayers(
            speech_basis=speech.basis,
            speech_curves=speech.curves,
            emotion_basis=emotion.basis * (size / np.float32(_OTHER_EMOTIONS))[:, None, None],
            emotion_curves=each_emotion / size,
            emotion_weights=self.emotion_weights,
            voice_weights=self.voice_weights,
            intensity=self.intensity,
            worst_error=speech.worst + MAX_INTENSITY * emotion.worst,
            fps=self.fps,
            seconds=self.seconds,
            template=self.neutral.template,
            faces=np.asarray(self.rig.head.faces, np.int32),
            to_mesh=self.neutral.to_mesh,
            emotion_names=EMOTIONS,
            phone_names=self.phone_names,
            phone_start=self.phones.start,
            phone_end=self.phones.end,
            phone_index=self.phones.index,
        )

    def close(self) -> None:
        """Drop the curves, and the temporary file if there is one."""
        self.curves.close()

    def __enter__(self) -> "Performance":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Motion:
    """Rows for the fit: made by `_make(rows, mixer)` of the subclass.

    `step` is called before each piece of work; it may raise to stop.
    """

    def __init__(self, performance: Performance, step: Callable[[], None]) -> None:
        self._step = step
        self._performance = performance
        self._mixer = performance.rig.mixer
        self.telling = performance.rig.telling_vertices
        self._few = (self.telling, performance.rig.telling_mixer)

    def whole(self, rows: NDArray[np.intp]) -> Floats:
        self._step()
        return self._make(rows, self._mixer)

    def part(self, rows: NDArray[np.intp], vertices: NDArray[np.intp]) -> Floats:
        self._step()
        if self._few[0] is not vertices:
            self._few = (vertices, self._mixer.at(vertices))
        return self._make(rows, self._few[1])

    def _make(self, rows: NDArray[np.intp], mixer: Mixer) -> Floats:
        raise NotImplementedError


class _SpeechMotion(_Motion):
    """The T frames of the speech layer."""

    @property
    def rows(self) -> int:
        return self._performance.frames

    def _make(self, rows: NDArray[np.intp], mixer: Mixer) -> Floats:
        curves = self._performance.curves_at(rows)
        return mixer.speech(curves.content, curves.base, mixer.weight(curves.attention))


class _EmotionMotion(_Motion):
    """Row 9 t + k is emotion k alone at frame t, made small; row 9 t + 8 the mixture as chosen."""

    @property
    def rows(self) -> int:
        return self._performance.frames * (len(EMOTIONS) + 1)

    def _make(self, rows: NDArray[np.intp], mixer: Mixer) -> Floats:
        frames, which = np.divmod(rows, len(EMOTIONS) + 1)
        needed, place = np.unique(frames, return_inverse=True)
        curves = self._performance.curves_at(needed)
        shares = np.concatenate([_OTHER_EMOTIONS * np.eye(len(EMOTIONS)), np.zeros((1, 8))])[which]
        chosen = which == len(EMOTIONS)
        shares[chosen] = self._performance.emotion_weights[frames[chosen]]
        mixed = np.einsum("nk,nkj->nj", shares.astype(np.float32), curves.layers[place])
        return mixer.emotion(mixed, mixer.weight(curves.attention)[place])
