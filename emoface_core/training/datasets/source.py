# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches for the paper's frame-by-frame model from captured clips, in pairs where there are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emoface_core.audio.files import SAMPLE_RATE, open_audio, read_audio
from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.face.flame import read_flame
from emoface_core.model.emoface import Condition
from emoface_core.model.free_running import sound_for
from emoface_core.model.geometry import FaceGeometry
from emoface_core.training.batches import PairedBatch
from emoface_core.training.config import TrainingConfig
from emoface_core.training.datasets.clips import Clip, ClipSet, Split
from emoface_core.training.datasets.folder import open_folder
from emoface_core.training.datasets.mead import open_mead
from emoface_core.training.datasets.motion import Motion
from emoface_core.training.datasets.ravdess import open_ravdess
from emoface_core.training.datasets.vocaset import open_vocaset

APART = 1.0  # seconds by which sound and motion may differ in length


def open_clips(kind: str, folder: Path, flame: str = "") -> ClipSet:
    """The clips of a data set of some kind; `flame` is a converted FLAME model, if needed."""
    model = read_flame(Path(flame)) if flame else None
    if kind == "vocaset":
        return open_vocaset(folder)
    if kind == "ravdess":
        return open_ravdess(folder, model)
    if kind == "mead":
        return open_mead(folder, model)
    if kind == "folder":
        return open_folder(folder, model)
    raise InputError(
        f"There is no kind of captured data “{kind}”.",
        "Choose one of: vocaset, ravdess, mead, folder.",
    )


def needed(clips: ClipSet, folder: Path) -> tuple[list[Clip], list[Clip]]:
    """The clips to train on and those held out; InputError if there are none or sounds lack."""
    if clips.missing:
        more = f" and {len(clips.missing) - 1} more" if len(clips.missing) > 1 else ""
        raise InputError(
            f"“{folder}” lacks the sound {clips.missing[0]}{more}, whose motion is there.",
            "Add the sound, or take the motion out.",
        )
    train, kept = clips.of("train"), clips.of("held_out")
    if not train or not kept:
        side = "training" if not train else "validation"
        raise InputError(
            f"“{folder}” holds no clip for {side}.",
            "A clip is a sound and a motion of the same name; see “datasets inspect”.",
        )
    return train, kept


def check_lengths(clip: Clip, sound: float, motion: float) -> float:
    """The seconds that sound and motion share; InputError if they don't belong together."""
    if abs(sound - motion) > APART:
        raise InputError(
            f"The sound of “{clip.name}” lasts {sound:.2f} s and its motion {motion:.2f} s.",
            "Check that they belong together, and the motion's frames a second.",
        )
    return min(sound, motion)


class CapturedSource:
    """Batches of one clip, with its partner in another emotion where the set has one.

    The partner's motion has a length of its own; the model brings the features of the content to it
    (EmoTalk's rule). Clips longer than `crop_seconds` are cut anew each time, and not paired.
    """

    def __init__(self, config: TrainingConfig, geometry: FaceGeometry) -> None:
        self.config, self.vertices = config, geometry.vertices
        data = config.data
        self.clips = open_clips(data.kind, Path(data.corpus), data.flame)
        self.train, self.kept = needed(self.clips, Path(data.corpus))
        self.mel = config.model.content.kind == "mel"
        if config.model.styles not in (0, len(self.clips.speakers)):
            raise InputError(
                f"The model has {config.model.styles} styles, and “{data.corpus}” has"
                f" {len(self.clips.speakers)} speakers to train on.",
                f"Set model.styles to {len(self.clips.speakers)}, or to 0 for none.",
            )
        self.partners: dict[tuple[Split, tuple[str, ...]], list[Clip]] = {}
        for clip in self.clips.clips:
            if clip.content is not None:
                self.partners.setdefault((clip.split, clip.content), []).append(clip)
        lengths = [open_audio(clip.sound).seconds for clip in self.train]
        self.hours_per_batch = float(np.minimum(lengths, data.crop_seconds).mean()) / 3600
        self.batches_per_epoch = len(self.train)

    def batch(self, index: int) -> PairedBatch:
        epoch, turn = divmod(index, len(self.train))
        seed = self.config.run.seed
        order = np.random.default_rng([seed, 3, epoch]).permutation(len(self.train))
        return self._pair(self.train[order[turn]], np.random.default_rng([seed, 5, index]))

    def held_out(self) -> Iterator[PairedBatch]:
        # Spread over the set, so that not one speaker stands for all.
        count = min(self.config.data.held_out_batches, len(self.kept))
        for number in np.linspace(0, len(self.kept) - 1, count).astype(int):
            yield self._pair(self.kept[number], np.random.default_rng([0, 6, int(number)]))

    def _pair(self, clip: Clip, rng: np.random.Generator) -> PairedBatch:
        sound, truth, valid, whole = self._part(clip, rng)
        own = PairedBatch(
            sound, truth, valid, self._condition(clip), voice=torch.tensor([clip.emotion])
        )
        other = self._partner(clip, rng)
        if other is None or not whole:
            return own
        sound, truth, valid, whole = self._part(other, rng)
        if not whole:
            return own
        return PairedBatch(
            own.sound,
            own.truth,
            own.valid,
            own.condition,
            own.voice,
            sound_cross=sound,
            truth_cross=truth,
            valid_cross=valid,
            condition_cross=self._condition(other),
            voice_cross=torch.tensor([other.emotion]),
        )

    def _partner(self, clip: Clip, rng: np.random.Generator) -> Clip | None:
        if clip.content is None or self.mel:  # mel features keep their own length
            return None
        same = self.partners[clip.split, clip.content]
        others = [other for other in same if other.emotion != clip.emotion]
        return others[int(rng.integers(len(others)))] if others else None

    def _part(self, clip: Clip, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, bool]:
        """Sound, offsets (1, N, V, 3) and valid (1, N) of a clip; and whether it is all of it."""
        samples, motion = read_audio(clip.sound), self.clips.read(clip)
        if motion.offsets.shape[1] != self.vertices:
            raise InputError(
                f"“{clip.motion}” has {motion.offsets.shape[1]} vertices, the face {self.vertices}."
            )
        seconds = check_lengths(clip, len(samples) / SAMPLE_RATE, motion.seconds)
        most = self.config.data.crop_seconds
        whole, start = seconds <= most, 0
        if not whole:  # in whole seconds, where frames of any whole rate meet
            start = int(rng.integers(0, int(seconds - most) + 1)) if clip.split == "train" else 0
            seconds = most
        first = start * SAMPLE_RATE
        samples = samples[first : first + round(seconds * SAMPLE_RATE)]
        sound, truth = self._heard_and_seen(samples, motion, start)
        return sound, torch.from_numpy(truth)[None], torch.ones(1, len(truth)), whole

    def _heard_and_seen(
        self, samples: NDArray[np.float32], motion: Motion, start: int
    ) -> tuple[Tensor, NDArray[np.float32]]:
        data, fps = self.config.data, self.config.model.fps
        sound, frames = sound_for(self.config.model, samples)
        start_seen = start + data.lag_ms / 1e3
        seen = motion.at_rate(fps, start=start_seen, frames=frames, filtered=data.filtered)
        return sound, np.ascontiguousarray(seen)

    def _condition(self, clip: Clip) -> Condition:
        """What is told of a clip: its emotion and how strong, or as in the paper its level alone.

        The paper's two levels take the first two places of the weights.
        """
        weights, intensity = torch.zeros(1, len(EMOTIONS)), torch.zeros(1)
        if self.config.data.told == "level":
            weights[0, min(clip.level, 1)], intensity[0] = 1.0, 1.0
        elif clip.emotion >= 0:
            weights[0, clip.emotion], intensity[0] = 1.0, clip.intensity
        style = torch.zeros(1, self.config.model.styles)
        if self.config.model.styles:
            speakers = self.clips.speakers
            # Who was not there in training is given each of the known styles in turn.
            at = (
                speakers.index(clip.speaker)
                if clip.speaker in speakers
                else self.kept.index(clip) % len(speakers)
            )
            style[0, at] = 1.0
        return Condition(weights, intensity, style)
