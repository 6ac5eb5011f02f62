# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured clips for the parallel model: it learns how somebody speaks, and keeps how it feels.

Captures say nothing of the other emotions, nor of phones. Both are taught by the model that
training starts from, so that these skills stay as they are while speech follows the capture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.audio.level import level_gain
from emoface_core.audio.mel import log_mel, network_frames
from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.files import load_npz
from emoface_core.model.config import RATE
from emoface_core.model.emoface import EmoFace
from emoface_core.model.geometry import FaceGeometry
from emoface_core.training.batches import TaughtBatch
from emoface_core.training.config import TrainingConfig
from emoface_core.training.datasets.arkit import on_the_rig
from emoface_core.training.datasets.clips import Clip
from emoface_core.training.datasets.motion import Motion, is_curves, read_curves
from emoface_core.training.datasets.source import check_lengths, needed, open_clips
from emoface_core.training.phones import PHONES
from emoface_core.training.starting import load_start

Reader = Callable[[Clip], Motion]

_RIDGE = 1e-7  # square metres: keeps shapes that look alike from fighting each other
_REST = 0.2  # seconds of silence added to clips shorter than a crop


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A clip as the network hears it and it was captured; N frames."""

    mel: NDArray[np.float32]  # (2N, 80)
    speech: NDArray[np.float32]  # (N, K) the capture, less the emotion it was spoken with
    layers: NDArray[np.float16]  # (N, 8, K) of the model that training starts from
    phones: NDArray[np.int64]  # (N,) likewise
    valid: NDArray[np.float32]  # (N,) 1 where there is a capture
    emotion: int


class FineTuningSource:
    """Crops of captured clips, with emotions drawn anew each time. All clips are kept in memory."""

    def __init__(self, config: TrainingConfig, geometry: FaceGeometry) -> None:
        self.config = config
        data = config.data
        self.frames = round(data.crop_seconds * RATE)
        self.rig = Rig(geometry)
        clips = open_clips(data.kind, Path(data.corpus), data.flame)
        train, kept = needed(clips, Path(data.corpus))
        model = _starting_model(config, geometry)

        def prepared(clip: Clip) -> _Prepared:
            weights, fps = self.rig.curves(clip, clips.read)
            return self._prepare(clip, weights, fps, model)

        self.train = [prepared(clip) for clip in train]
        self.kept = [prepared(clip) for clip in kept]
        heard = sum(len(clip.speech) for clip in self.train)
        self.batches_per_epoch = max(1, heard // (data.batch * self.frames))
        self.hours_per_batch = data.batch * self.frames / RATE / 3600

    def batch(self, index: int) -> TaughtBatch:
        rng = np.random.default_rng([self.config.run.seed, 7, index])
        return self._batch(self.train, rng)

    def held_out(self) -> Iterator[TaughtBatch]:
        for index in range(self.config.data.held_out_batches):
            yield self._batch(self.kept, np.random.default_rng([0, 8, index]))

    def _batch(self, clips: list[_Prepared], rng: np.random.Generator) -> TaughtBatch:
        size, frames = self.config.data.batch, self.frames
        lengths = np.array([len(clip.speech) for clip in clips], float)
        picked = [clips[i] for i in rng.choice(len(clips), size, p=lengths / lengths.sum())]
        starts = [int(rng.integers(0, len(clip.speech) - frames + 1)) for clip in picked]
        at = [slice(start, start + frames) for start in starts]
        drawn = rng.integers(len(EMOTIONS), size=size)
        known = np.array([clip.emotion for clip in picked])
        own = np.where(known >= 0, known, drawn)
        other = (own + rng.integers(1, len(EMOTIONS), size)) % len(EMOTIONS)

        def layer(emotions: NDArray) -> torch.Tensor:
            taken = [c.layers[s, e] for c, s, e in zip(picked, at, emotions, strict=True)]
            return torch.from_numpy(np.stack(taken).astype(np.float32))

        def stacked(name: str) -> torch.Tensor:
            pairs = zip(picked, at, strict=True)
            return torch.from_numpy(np.stack([getattr(clip, name)[s] for clip, s in pairs]))

        mel = [c.mel[2 * s.start : 2 * s.stop] for c, s in zip(picked, at, strict=True)]
        plain = rng.random(size) < 0.5  # half as captured: that is what there is to learn
        strength = np.where(plain, 0.0, rng.uniform(0.3, 1.3, size)).astype(np.float32)
        return TaughtBatch(
            mel=torch.from_numpy(np.stack(mel)),
            valid=stacked("valid"),
            speech=stacked("speech"),
            layer_self=layer(own),
            layer_cross=layer(other),
            emotion_self=torch.from_numpy(own),
            emotion_cross=torch.from_numpy(other),
            intensity_self=torch.from_numpy(strength),
            intensity_cross=torch.from_numpy(rng.uniform(0.6, 1.4, size).astype(np.float32)),
            phones=stacked("phones"),
            voice=torch.from_numpy(known),
        )

    def _prepare(
        self, clip: Clip, weights: NDArray[np.float32], fps: float, model: EmoFace
    ) -> _Prepared:
        samples = read_audio(clip.sound)
        common = check_lengths(clip, len(samples) / SAMPLE_RATE, len(weights) / fps)
        samples = samples[: round(common * SAMPLE_RATE)]
        rest = max(0.0, self.config.data.crop_seconds + _REST - common)
        samples = np.concatenate([samples, np.zeros(round(rest * SAMPLE_RATE), np.float32)])
        times = np.arange(network_frames(len(samples) / SAMPLE_RATE)) / RATE
        captured = np.arange(len(weights)) / fps - self.config.data.lag_ms / 1e3
        speech = np.stack([np.interp(times, captured, column) for column in weights.T], 1)
        mel = log_mel(samples, level_gain(samples))
        with torch.no_grad():
            said = model(torch.from_numpy(mel)[None])
        layers = said.emotion_layers[0].numpy()
        if clip.emotion >= 0:
            speech = speech - clip.intensity * layers[:, clip.emotion]
        return _Prepared(
            mel=mel,
            speech=speech.astype(np.float32),
            layers=layers.astype(np.float16),
            phones=said.phone_logits[0].argmax(-1).numpy(),
            valid=((times <= common) & (times <= captured[-1] + 1 / fps)).astype(np.float32),
            emotion=clip.emotion,
        )


class Rig:
    """Captures as weights of the rig: taken over by name, or fitted to points by least squares."""

    def __init__(self, geometry: FaceGeometry) -> None:
        self.names = geometry.shape_names
        self.basis = geometry.basis.reshape(len(self.names), -1).astype(np.float64)
        gram = self.basis @ self.basis.T
        self.solver = np.linalg.solve(gram + _RIDGE * np.eye(len(gram)), self.basis)

    def curves(self, clip: Clip, read: Reader) -> tuple[NDArray[np.float32], float]:
        """(T, K) weights of a clip and their frames a second."""
        if is_curves(clip.motion):
            curves = read_curves(clip.motion)
            return on_the_rig(curves, self.names), curves.fps
        motion = read(clip)
        offsets = motion.offsets
        if clip.motion.suffix == ".npz":
            # What `animate` wrote keeps its emotion apart, and that is not speech.
            emotion = load_npz(clip.motion).get("emotion_offsets")
            if emotion is not None and emotion.shape == offsets.shape:
                offsets = offsets - emotion
        return self.fit(offsets), motion.fps

    def fit(self, offsets: NDArray) -> NDArray[np.float32]:
        """(T, V, 3) offsets -> (T, K) the weights that come nearest to them."""
        return (offsets.reshape(len(offsets), -1) @ self.solver.T).astype(np.float32)


def _starting_model(config: TrainingConfig, geometry: FaceGeometry) -> EmoFace:
    if not config.run.start:
        raise InputError(
            "Captures alone teach no emotions: training must start from a trained model.",
            "Name a checkpoint or a model.safetensors as run.start.",
        )
    model = EmoFace(config.model, geometry, len(PHONES))
    load_start(model, config.run)
    return model.eval()
