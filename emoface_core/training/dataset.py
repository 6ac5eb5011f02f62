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
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from emoface_core.audio import level, mel
from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.emotions import EMOTIONS, emotion_index
from emoface_core.errors import InputError
from emoface_core.face import contacts
from emoface_core.face.head import load_head
from emoface_core.model.config import RATE
from emoface_core.model.emoface import Condition
from emoface_core.model.free_running import sound_for
from emoface_core.model.geometry import FaceGeometry
from emoface_core.training import (
    articulation,
    augmentation,
    expression,
    nonspeech,
    splicing,
    taught,
)
from emoface_core.training import prosody as prosody_module
from emoface_core.training.articulation import plan
from emoface_core.training.batches import BatchSource, PairedBatch, TaughtBatch
from emoface_core.training.config import DataConfig, TrainingConfig
from emoface_core.training.corpus import open_corpus
from emoface_core.training.datasets.fine_tuning import FineTuningSource
from emoface_core.training.datasets.source import CapturedSource
from emoface_core.training.expression import express
from emoface_core.training.mel_variation import vary_mel
from emoface_core.training.shards import Utterance
from emoface_core.training.taught import UNKNOWN_PHONE, joined, make_clip

FORMAT = 2
CUT_EDGE = 10  # frames at a crop's cut ends, where the network misses what it would see in a clip
TRACKS = ("mel", "speech", "layer_self", "layer_cross", "phones")


class PreparedClips:
    """Clips of one split as arrays on disk, one after another.

    A source has its `share` of the crops; those without one share the rest by their length.
    """

    def __init__(self, folder: Path, share: Mapping[str, float]) -> None:
        self.tracks = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in TRACKS}
        index = np.load(folder / "clips.npy")  # (clips, 5): end frame, source, Clip.emotions
        self.ends, self.sources, self.emotions = index[:, 0], index[:, 1], index[:, 2:]
        self.starts = np.concatenate([[0], self.ends[:-1]])
        self.names = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
        self.chances = _chances(self.ends - self.starts, self.sources, self.names, share)

    @property
    def frames(self) -> int:
        return int(self.ends[-1])

    def crop(self, rng: np.random.Generator, frames: int) -> tuple[int, slice]:
        """A clip, each frame of a source being as likely, and a stretch of it."""
        clip = int(np.searchsorted(self.chances, rng.random() * self.chances[-1], side="right"))
        start, end = int(self.starts[clip]), int(self.ends[clip])
        first = start + int(rng.integers(0, end - start - frames + 1))
        return clip, slice(first, first + frames)


def _chances(
    frames: NDArray[np.int64],
    sources: NDArray[np.int64],
    names: list[str],
    share: Mapping[str, float],
) -> NDArray[np.float64]:
    """(clips,) running sums of how likely each clip is."""
    lengths = np.bincount(sources, frames, len(names))
    told = np.array([share.get(name, 0.0) for name in names])
    untold = np.where([name in share for name in names], 0.0, lengths)
    rest = max(0.0, 1.0 - told.sum()) * untold / max(untold.sum(), 1.0)
    return np.cumsum(((told + rest) / lengths)[sources] * frames)


class TaughtSource:
    """Batches for the parallel model from a corpus, prepared on first use."""

    def __init__(self, config: DataConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        folder = prepare(config)
        self.train = PreparedClips(folder / "train", config.share)
        self.kept = PreparedClips(folder / "held_out", {})
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
        rows = rng.random(size) < self.config.varied
        if vary and rows.any():
            heard[rows] = vary_mel(heard[rows], rng)
        phones = track("phones").astype(np.int64)
        phones[phones == UNKNOWN_PHONE] = -1
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
            phones=torch.from_numpy(phones),
            voice=emotions[:, 2],
        )


class PairedSource:
    """Batches of one for the paper's model: an utterance with two taught emotions, as vertices."""

    def __init__(self, config: TrainingConfig, geometry: FaceGeometry) -> None:
        self.config = config
        self.basis = geometry.basis.reshape(len(geometry.basis), -1)
        corpus = open_corpus(Path(config.data.corpus))
        self.train, self.kept = (
            [u for u in corpus.utterances(split) if u.curves is None]  # phones must be known
            for split in ("train", "held_out")
        )
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
        # Spread over the corpus, so that not one source stands for all.
        count = min(self.config.data.held_out_batches, len(self.kept))
        for number in np.linspace(0, len(self.kept) - 1, count).astype(int):
            yield self._pair(self.kept[number], np.random.default_rng([0, 4, int(number)]))

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

        return PairedBatch(
            sound=sound_for(self.config.model, samples)[0],
            truth=truth(own),
            valid=torch.ones(1, len(speech)),
            condition=self._condition(own),
            voice=torch.tensor([voice]),
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


def _one_thread() -> None:
    """There is a process for each core: BLAS's own threads in each would wait for one another."""
    threadpool_limits(1)


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
    sources: list[str] = []
    end = 0
    with ProcessPoolExecutor(os.cpu_count(), initializer=_one_thread) as pool:
        while some := list(islice(utterances, 64)):
            for utterance in some:
                if utterance.source not in sources:
                    sources.append(utterance.source)
            jobs = [
                (
                    sources.index(utterance.source),
                    pool.submit(make_clip, utterance, variant, vary=variant > 0, at_least=at_least),
                )
                for utterance in some
                for variant in range(
                    variants * (more.get(utterance.source, 1) if variants > 1 else 1)
                )
            ]
            for source, job in jobs:
                clip = job.result()
                end += len(clip.speech)
                index.append((end, source, *clip.emotions))
                for name in TRACKS:
                    track = getattr(clip, name)
                    track.tofile(files[name])
                    shapes[name] = (track.shape[1:], track.dtype)
    for file in files.values():
        file.close()
    if not index:
        raise InputError("The corpus has no utterances of one split.", "Build the corpus again.")
    np.save(folder / "clips.npy", np.array(index, np.int64))
    (folder / "sources.json").write_text(json.dumps(sources), encoding="utf-8")
    for name, (shape, dtype) in shapes.items():
        raw = folder / f"{name}.raw"
        length = 2 * end if name == "mel" else end
        np.save(folder / f"{name}.npy", np.memmap(raw, dtype, "r", shape=(length, *shape)))
        raw.unlink()


def _teachers_digest() -> str:
    """Changes with the code that clips are made by, so that no clip of an older one is used."""
    total = hashlib.sha256()
    for module in (
        *(articulation, augmentation, contacts, expression, nonspeech, splicing, taught),
        *(level, mel, prosody_module),
    ):
        total.update(Path(str(module.__file__)).read_bytes())
    return total.hexdigest()


def _tensor(array: NDArray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
