# SPDX-License-Identifier: GPL-3.0-or-later
"""From a corpus to batches: utterances are augmented, heard and taught once, then cropped at will.

Preparing writes plain arrays beside the corpus, so that training reads them without computing, a
stopped preparation is made again whole, and a resumed run sees the same numbers.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emoface_core.audio import level, mel
from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.audio.level import level_gain
from emoface_core.audio.mel import FEATURE_RATE, log_mel, network_frames
from emoface_core.emotions import EMOTIONS, emotion_index
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.face.head import load_head
from emoface_core.model.config import N_MELS, RATE
from emoface_core.model.emoface import Condition
from emoface_core.model.geometry import FaceGeometry
from emoface_core.training import articulation, augmentation, contacts, expression
from emoface_core.training import prosody as prosody_module
from emoface_core.training.articulation import ArticulationStyle, plan
from emoface_core.training.augmentation import augment, pad, shift_spans
from emoface_core.training.batches import BatchSource, PairedBatch, TaughtBatch
from emoface_core.training.config import DataConfig, TrainingConfig
from emoface_core.training.corpus import Utterance, open_corpus
from emoface_core.training.datasets.fine_tuning import FineTuningSource
from emoface_core.training.datasets.source import CapturedSource
from emoface_core.training.expression import express
from emoface_core.training.phones import PHONE_INDEX, PhoneSpan
from emoface_core.training.prosody import prosody

FORMAT = 1
JOIN_SECONDS = 0.3  # between short utterances that are joined
MOST = 10.0  # no shape is ever meant to be this strong
CUT_EDGE = 10  # frames at a crop's cut ends, where the network misses what it would see in a clip
TRACKS = ("mel", "speech", "layer_self", "layer_cross", "phones")


@dataclass(frozen=True, slots=True)
class Clip:
    """One augmented utterance as the network hears it and the teachers move it; N frames."""

    mel: NDArray[np.float16]  # (2N, 80)
    speech: NDArray[np.float16]  # (N, K)
    layer_self: NDArray[np.float16]  # (N, K) at intensity 1
    layer_cross: NDArray[np.float16]
    phones: NDArray[np.uint8]  # (N,)
    emotions: tuple[int, int, int]  # self, cross, and what the voice is known to express or -1


def make_clip(utterance: Utterance, seed: int, *, vary: bool, at_least: float) -> Clip:
    """Hear and teach one utterance; with `vary`, augmented, in a way of speaking of its own.

    Silence around it fills it up to `at_least` seconds: rest is a thing to learn, too.
    """
    rng = np.random.default_rng([seed, _number(utterance.id)])
    samples = utterance.audio.astype(np.float32) / 32768.0
    samples, spans = _padded(samples, utterance.spans, at_least, rng)
    if vary:
        samples, spans = augment(samples, spans, rng)
        samples, spans = pad(samples, spans, 0.0, max(0.0, at_least - len(samples) / SAMPLE_RATE))
    seconds = len(samples) / SAMPLE_RATE
    frames = network_frames(seconds)
    gain = level_gain(samples) * (10 ** (rng.uniform(-4, 4) / 20) if vary else 1.0)
    heard = prosody(samples, frames)
    voice = -1 if utterance.emotion is None else emotion_index(utterance.emotion)
    own = voice if voice >= 0 else int(rng.integers(len(EMOTIONS)))
    other = int((own + rng.integers(1, len(EMOTIONS))) % len(EMOTIONS))

    def kept(weights: NDArray) -> NDArray[np.float16]:
        if not np.abs(weights).max() < MOST:  # true of NaN as well
            raise EmoFaceError(
                f"The teachers ask for {np.abs(weights).max():g} of a shape in {utterance.id}.",
                "The head's rig or the phone times are broken.",
            )
        return weights.astype(np.float16)

    def layer(emotion: int) -> NDArray[np.float16]:
        seed = int(rng.integers(1 << 31))
        return kept(express(spans, heard, seconds, EMOTIONS[emotion], seed=seed))

    speech = plan(spans, seconds, prosody=heard).curves(
        _style(rng) if vary else ArticulationStyle()
    )
    return Clip(
        mel=log_mel(samples, gain).astype(np.float16),
        speech=kept(speech),
        layer_self=layer(own),
        layer_cross=layer(other),
        phones=_phone_frames(spans, frames),
        emotions=(own, other, voice),
    )


class PreparedClips:
    """Clips of one split as arrays on disk, one after another."""

    def __init__(self, folder: Path) -> None:
        self.tracks = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in TRACKS}
        index = np.load(folder / "clips.npy")  # (clips, 4): end frame, then Clip.emotions
        self.ends, self.emotions = index[:, 0], index[:, 1:]
        self.starts = np.concatenate([[0], self.ends[:-1]])

    @property
    def frames(self) -> int:
        return int(self.ends[-1])

    def crop(self, rng: np.random.Generator, frames: int) -> tuple[int, slice]:
        """A clip, each frame of all being as likely, and a stretch of it."""
        clip = int(np.searchsorted(self.ends, rng.integers(self.frames), side="right"))
        start, end = int(self.starts[clip]), int(self.ends[clip])
        first = start + int(rng.integers(0, end - start - frames + 1))
        return clip, slice(first, first + frames)


class TaughtSource:
    """Batches for the parallel model from a corpus, prepared on first use."""

    def __init__(self, config: DataConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        folder = prepare(config)
        self.train, self.kept = (PreparedClips(folder / split) for split in ("train", "held_out"))
        self.frames = round(config.crop_seconds * RATE)

    @property
    def batches_per_epoch(self) -> int:
        return max(1, self.train.frames // (self.config.batch * self.frames))

    @property
    def hours_per_batch(self) -> float:
        return self.config.batch * self.frames / RATE / 3600

    def batch(self, index: int) -> TaughtBatch:
        return self._batch(self.train, np.random.default_rng([self.seed, 1, index]), vary=True)

    def held_out(self) -> Iterator[TaughtBatch]:
        for index in range(self.config.held_out_batches):
            yield self._batch(self.kept, np.random.default_rng([0, 2, index]), vary=False)

    def _batch(self, clips: PreparedClips, rng: np.random.Generator, *, vary: bool) -> TaughtBatch:
        size, frames = self.config.batch, self.frames
        crops = [clips.crop(rng, frames) for _ in range(size)]

        def track(name: str) -> NDArray:
            return np.stack([clips.tracks[name][at] for _, at in crops])

        mel_at = [slice(2 * at.start, 2 * at.stop) for _, at in crops]
        heard = np.stack([clips.tracks["mel"][at] for at in mel_at]).astype(np.float32)
        valid = np.ones((size, frames), np.float32)
        for row, (clip, at) in enumerate(crops):
            if at.start > clips.starts[clip]:
                valid[row, :CUT_EDGE] = 0
            if at.stop < clips.ends[clip]:
                valid[row, -CUT_EDGE:] = 0
        if vary:
            _mask(heard, rng)
        emotions = torch.from_numpy(clips.emotions[[clip for clip, _ in crops]])
        # A third without emotion, since everything else is laid on that; else up to exaggeration.
        own = np.where(rng.random(size) < 0.35, 0.0, rng.uniform(0.3, 1.3, size))
        other = rng.uniform(0.6, 1.4, size)
        return TaughtBatch(
            mel=torch.from_numpy(heard),
            valid=torch.from_numpy(valid),
            speech=_tensor(track("speech")),
            layer_self=_tensor(track("layer_self")),
            layer_cross=_tensor(track("layer_cross")),
            emotion_self=emotions[:, 0],
            emotion_cross=emotions[:, 1],
            intensity_self=_tensor(own),
            intensity_cross=_tensor(other),
            phones=torch.from_numpy(track("phones").astype(np.int64)),
            voice=emotions[:, 2],
        )


class PairedSource:
    """Batches of one for the paper's model: an utterance with two taught emotions, as vertices."""

    def __init__(self, config: TrainingConfig, geometry: FaceGeometry) -> None:
        self.config = config
        self.basis = geometry.basis.reshape(len(geometry.basis), -1)
        corpus = open_corpus(Path(config.data.corpus))
        self.train = list(corpus.utterances("train"))
        self.kept = list(corpus.utterances("held_out"))
        if not self.train or not self.kept:
            raise InputError("The corpus has no utterances.", "Build the corpus again.")
        self.hours_per_batch = float(np.mean([u.seconds for u in self.train])) / 3600
        self.batches_per_epoch = len(self.train)

    def batch(self, index: int) -> PairedBatch:
        epoch, turn = divmod(index, len(self.train))
        order = np.random.default_rng([self.config.run.seed, 3, epoch]).permutation(len(self.train))
        return self._pair(
            self.train[order[turn]], np.random.default_rng([self.config.run.seed, index])
        )

    def held_out(self) -> Iterator[PairedBatch]:
        for number, utterance in enumerate(self.kept[: self.config.data.held_out_batches]):
            yield self._pair(utterance, np.random.default_rng([0, 4, number]))

    def _pair(self, utterance: Utterance, rng: np.random.Generator) -> PairedBatch:
        fps = self.config.model.fps
        samples = utterance.audio.astype(np.float32) / 32768.0
        samples = samples[: round(self.config.data.crop_seconds * SAMPLE_RATE)]
        seconds = len(samples) / SAMPLE_RATE
        speech = plan(utterance.spans, seconds, rate=fps).curves()
        voice = -1 if utterance.emotion is None else emotion_index(utterance.emotion)
        own = voice if voice >= 0 else int(rng.integers(len(EMOTIONS)))
        other = int((own + rng.integers(1, len(EMOTIONS))) % len(EMOTIONS))

        def truth(emotion: int) -> Tensor:
            layer = express(utterance.spans, samples, seconds, EMOTIONS[emotion], rate=fps)
            offsets = (speech + layer).astype(np.float32) @ self.basis
            return torch.from_numpy(offsets.reshape(1, len(speech), -1, 3))

        if self.config.model.content.kind == "mel":
            sound = torch.from_numpy(log_mel(samples, level_gain(samples)))[None]
        else:  # zero mean and unit variance, as the pretrained encoders want it
            sound = torch.from_numpy((samples - samples.mean()) / (samples.std() + 1e-7))[None]
        return PairedBatch(
            sound=sound,
            truth=truth(own),
            valid=torch.ones(1, len(speech)),
            condition=self._condition(own),
            voice=torch.tensor([voice]),
            sound_cross=sound,
            truth_cross=truth(other),
            valid_cross=torch.ones(1, len(speech)),
            condition_cross=self._condition(other),
        )

    def _condition(self, emotion: int) -> Condition:
        weights = torch.zeros(1, len(EMOTIONS))
        weights[0, emotion] = 1.0
        return Condition(weights, torch.ones(1), torch.zeros(1, self.config.model.styles))


def open_source(config: TrainingConfig, geometry: FaceGeometry) -> BatchSource:
    """The data set that a configuration needs."""
    if config.data.kind != "corpus":
        paper = config.model.decoding == "frame_by_frame"
        return (CapturedSource if paper else FineTuningSource)(config, geometry)
    if config.model.decoding == "frame_by_frame":
        return PairedSource(config, geometry)
    return TaughtSource(config.data, config.run.seed)


def prepare(config: DataConfig) -> Path:
    """Hear and teach the corpus of a configuration, unless that is done; gives the folder."""
    corpus = open_corpus(Path(config.corpus))
    made_from = {
        "format": FORMAT,
        "head": load_head().digest,
        "teachers": _teachers_digest(),
        "corpus": corpus.info["sources"],
        "variants": config.variants,
        "more": config.more,
        "crop_seconds": config.crop_seconds,
    }
    key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(config.corpus) / f"prepared-{key}"
    if folder.is_dir():
        return folder
    temporary = Path(tempfile.mkdtemp(prefix=".preparing-", dir=config.corpus))
    try:
        for split, variants in (("train", config.variants), ("held_out", 1)):
            (temporary / split).mkdir()
            at_least = config.crop_seconds + 0.1
            utterances = joined(corpus.utterances(split), at_least)
            _write_clips(temporary / split, utterances, variants, config.more, at_least)
        (temporary / "made_from.json").write_text(json.dumps(asdict(config)), encoding="utf-8")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def joined(utterances: Iterable[Utterance], at_least: float) -> Iterator[Utterance]:
    """Short utterances of one speaker in one emotion, one after another until `at_least` seconds.

    Sets of short clips would otherwise be mostly the silence around them.
    """
    waiting: dict[tuple[str, str, str | None], Utterance] = {}
    for utterance in utterances:
        key = (utterance.source, utterance.speaker, utterance.emotion)
        before = waiting.pop(key, None)
        whole = utterance if before is None else _after(before, utterance)
        if whole.seconds >= at_least:
            yield whole
        else:
            waiting[key] = whole
    yield from waiting.values()


def _after(first: Utterance, second: Utterance) -> Utterance:
    gap = np.zeros(round(JOIN_SECONDS * SAMPLE_RATE), np.int16)
    moved = shift_spans(second.spans, first.seconds + JOIN_SECONDS)
    return replace(
        first,
        audio=np.concatenate([first.audio, gap, second.audio]),
        spans=(*first.spans, *moved),
        text=f"{first.text} {second.text}",
    )


def _write_clips(
    folder: Path,
    utterances: Iterator[Utterance],
    variants: int,
    more: Mapping[str, int],
    at_least: float,
) -> None:
    files = {name: (folder / f"{name}.raw").open("wb") for name in TRACKS}
    shapes: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
    index: list[tuple[int, ...]] = []
    end = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        while some := list(islice(utterances, 64)):
            jobs = [
                pool.submit(make_clip, utterance, variant, vary=variant > 0, at_least=at_least)
                for utterance in some
                for variant in range(
                    variants * (more.get(utterance.source, 1) if variants > 1 else 1)
                )
            ]
            for job in jobs:
                clip = job.result()
                end += len(clip.speech)
                index.append((end, *clip.emotions))
                for name in TRACKS:
                    track = getattr(clip, name)
                    track.tofile(files[name])
                    shapes[name] = (track.shape[1:], track.dtype)
    for file in files.values():
        file.close()
    if not index:
        raise InputError("The corpus has no utterances of one split.", "Build the corpus again.")
    np.save(folder / "clips.npy", np.array(index, np.int64))
    for name, (shape, dtype) in shapes.items():
        raw = folder / f"{name}.raw"
        length = 2 * end if name == "mel" else end
        np.save(folder / f"{name}.npy", np.memmap(raw, dtype, "r", shape=(length, *shape)))
        raw.unlink()


def _padded(
    samples: NDArray[np.float32],
    spans: tuple[PhoneSpan, ...],
    at_least: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], tuple[PhoneSpan, ...]]:
    """The utterance with silence before and after it, and its spans moved accordingly."""
    missing = max(0.0, at_least - len(samples) / SAMPLE_RATE) + rng.uniform(0.1, 0.6)
    before = rng.uniform(0.05, missing - 0.05)
    return pad(samples, spans, before, missing - before)


def _phone_frames(spans: tuple[PhoneSpan, ...], frames: int) -> NDArray[np.uint8]:
    """(N,) the phone at each frame's time; 0, silence, where there is none."""
    result = np.zeros(frames, np.uint8)
    for span in spans:
        first, last = (int(np.ceil(t * RATE - 1e-6)) for t in (span.start, span.end))
        result[max(first, 0) : max(last, 0)] = PHONE_INDEX[span.phone]
    return result


def _style(rng: np.random.Generator) -> ArticulationStyle:
    """People differ a little; much of it cannot be heard, so the spread is kept small."""
    jaw, lips, spread, rounding = np.exp(rng.normal(0, 0.06, 4))
    return ArticulationStyle(jaw=jaw, lips=lips, spread=spread, rounding=rounding)


def _mask(mel: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Hide a band of frequencies and a short time in each clip (SpecAugment), in place."""
    for clip in mel:
        low, width = int(rng.integers(N_MELS)), int(rng.integers(0, 12))
        clip[:, low : low + width] = clip.mean()
        start, length = int(rng.integers(len(clip))), int(rng.integers(0, FEATURE_RATE // 25))
        clip[start : start + length] = clip.mean()


def _teachers_digest() -> str:
    """Changes with the code that clips are made by, so that no clip of an older one is used."""
    total = hashlib.sha256()
    for module in (articulation, augmentation, contacts, expression, level, mel, prosody_module):
        total.update(Path(str(module.__file__)).read_bytes())
    return total.hexdigest()


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")


def _tensor(array: NDArray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
