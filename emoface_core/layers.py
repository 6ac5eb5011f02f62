# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake needs: the rig's shapes that move and a curve for each, speech and emotion apart.

NumPy and the standard library alone, relative imports: an add-on may carry it in its package.
"""

import dataclasses
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

FORMAT = 3
_NAMES = (
    "speech_keys", "emotion_keys", "emotion_names", "phone_names", "word_text", "word_phones",
)  # fmt: skip


def _none() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class BakeLayers:
    """A performance as key shapes. T frames, R1 speech keys, R2 emotion keys, V = 5023 vertices.

    A key is a shape of the rig; of an emotion, a shape within a region of the face ("mouthSmile_L"
    in the face, "mouthSmile_L.mouth" in the mouth): the model moves regions apart.

    speech(t)  = sum_r speech_curves[t, r] * speech_basis[r]
    emotion(t) = intensity * sum_r emotion_curve[t, r] * emotion_basis[r]
    where emotion_curve[t, r] = sum_k emotion_weights[t, k] * emotion_curves[t, k, r].
    Both are offsets in metres in FLAME's frame; `to_mesh` takes them to the mesh that was animated.
    """

    speech_keys: tuple[str, ...]  # R1 names
    speech_basis: NDArray[np.float32]  # (R1, V, 3) metres
    speech_curves: NDArray[np.float32]  # (T, R1)
    emotion_keys: tuple[str, ...]  # R2 names
    emotion_basis: NDArray[np.float32]  # (R2, V, 3) metres
    emotion_curves: NDArray[np.float32]  # (T, 8, R2) each emotion alone at intensity 1
    emotion_weights: NDArray[np.float32]  # (T, 8) as chosen, rows sum to 1
    voice_weights: NDArray[np.float32]  # (T, 8) as heard in the voice, rows sum to 1
    intensity: float
    worst_error: float  # metres: how far a vertex may be from the offsets, up to intensity 1.5
    fps: float
    seconds: float
    template: NDArray[np.float32]  # (V, 3) the neutral in FLAME's frame, metres
    faces: NDArray[np.int32]  # (F, 3)
    to_mesh: NDArray[np.float64]  # (4, 4) takes FLAME's frame to the mesh's own: units, turn, place
    emotion_names: tuple[str, ...]
    phone_names: tuple[str, ...]
    phone_start: NDArray[np.float32]  # (S,) seconds
    phone_end: NDArray[np.float32]  # (S,) seconds
    phone_index: NDArray[np.int32]  # (S,) into phone_names; spans are in order and do not overlap
    word_text: tuple[str, ...] = ()  # W words as written; "" for speech that has no text
    word_phones: tuple[str, ...] = ()  # W: what was heard of each, in IPA
    word_start: NDArray[np.float32] = field(default_factory=_none)  # (W,) seconds; in order
    word_end: NDArray[np.float32] = field(default_factory=_none)  # (W,) seconds
    word_fit: NDArray[np.float32] = field(default_factory=_none)  # (W,) 0 to 1: fits its letters

    @property
    def frames(self) -> int:
        """T."""
        return len(self.speech_curves)

    @property
    def emotion_curve(self) -> NDArray[np.float32]:
        """(T, R2) the curves of the emotion keys for the chosen weights, at intensity 1."""
        return np.einsum("tk,tkr->tr", self.emotion_weights, self.emotion_curves)

    def offsets(self, intensity: float | None = None) -> NDArray[np.float32]:
        """(T, V, 3) metres in FLAME's frame. All frames at once: for tests and short clips."""
        strength = self.intensity if intensity is None else intensity
        speech = np.tensordot(self.speech_curves, self.speech_basis, 1)
        emotion = np.tensordot(self.emotion_curve * np.float32(strength), self.emotion_basis, 1)
        return speech + emotion

    def save(self, path: Path) -> None:
        """Write an .npz (no pickles, not compressed: it is read once, at once)."""
        arrays = {f.name: np.asarray(getattr(self, f.name)) for f in dataclasses.fields(self)}
        with Path(path).open("wb") as file:
            np.savez(file, format=np.asarray(FORMAT), **arrays)


def load_layers(path: Path) -> BakeLayers:
    """Read what `BakeLayers.save` wrote. InputError if it is missing, damaged or something else."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if int(arrays.pop("format")) != FORMAT:
            raise ValueError("another version wrote it")
        for name in ("intensity", "worst_error", "fps", "seconds"):
            arrays[name] = float(arrays[name])
        for name in _NAMES:
            arrays[name] = tuple(arrays[name].tolist())
        layers = BakeLayers(**arrays)
        _check(layers)
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"“{path}” does not hold a complete animation ({error}).", "Animate again."
        ) from None
    return layers


def _check(layers: BakeLayers) -> None:
    """ValueError unless shapes agree and all numbers are finite."""
    frames, speech_keys = len(layers.speech_curves), len(layers.speech_keys)
    keys, vertices = len(layers.emotion_keys), len(layers.template)
    names = len(layers.emotion_names)
    shapes = {
        "speech_basis": (speech_keys, vertices, 3),
        "speech_curves": (frames, speech_keys),
        "emotion_basis": (keys, vertices, 3),
        "emotion_curves": (frames, names, keys),
        "emotion_weights": (frames, names),
        "voice_weights": (frames, names),
        "to_mesh": (4, 4),
        "word_start": (len(layers.word_text),),
        "word_end": (len(layers.word_phones),),
        "word_fit": (len(layers.word_text),),
    }
    for name, shape in shapes.items():
        array = getattr(layers, name)
        if array.shape != shape:
            raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds a number that is not finite")
    if not np.isfinite(layers.speech_curves).all():
        raise ValueError("speech_curves holds a number that is not finite")
