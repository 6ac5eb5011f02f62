# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits the reader of emotion in a voice to a few labelled clips, in closed form.

With seven emotions in 169 clips of six speakers anything trained by gradient learns the speakers.
So the classifier is linear discriminant analysis (Fisher 1936), its within-class covariance half
from the labelled clips and half from hundreds of speakers of whom no emotion is known (how voices,
words and rooms differ is learnt from them), drawn to its diagonal as Friedman did (Regularized
Discriminant Analysis, 1989). How sure it may be is set by what it says of speakers left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from emoface_core.audio.level import level_gain
from emoface_core.audio.mel import log_mel
from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.model.emoface import EmoFace
from emoface_core.model.emotion_reader import EmotionReader
from emoface_core.model.encoders import MelEncoder
from emoface_core.training.shards import Utterance, read_shard

Array = NDArray[np.float64]

LABELLED, BACKGROUND = "emodb", "speechocean762"  # sources of the corpus
# Chosen on the labelled training clips by leaving out speakers and sentences; all are flat optima.
BACKGROUND_SHARE = 0.5  # of the covariance, from voices without labels
DIAGONAL_SHARE = 0.4
OTHER_RECORDINGS = 0.3  # costs 0.02 of recall; without it all foreign recordings read as calm
FEW_CLIPS = 0.5  # how far an emotion's bias makes up for the noise in the mean of few clips
BACKGROUND_SECONDS = 2.0  # the labelled clips' length
SILENT_PENALTY = 8.0  # logits below the others for an emotion that no clip has


@dataclass(frozen=True, slots=True)
class Voice:
    """A clip to learn from: mono 16 kHz samples in -1..1, a speaker, an emotion if it is known."""

    samples: NDArray[np.float32]
    speaker: str
    emotion: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted reader, and the unweighted recall on speakers and on sentences that were left out.

    `temperature` is what the scores were divided by, so that they are as sure as they are right.
    """

    reader: EmotionReader
    new_speakers: float
    new_sentences: float
    temperature: float


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Array  # (8, features)
    bias: Array  # (8,)

    def scores(self, features: Array) -> Array:
        return features @ self.weight.T + self.bias


def fit_reader(encoder: MelEncoder, labelled: Sequence[Voice], background: Sequence[Voice]) -> Fit:
    """Fit a reader to labelled clips; there is no chance in it, so the same clips give the same.

    An emotion that no clip has ("surprised" in EmoDB) gets a low logit whatever is heard.
    InputError if fewer than two emotions or speakers are labelled or the background is too small.
    """
    emotions = [EMOTIONS.index(voice.emotion) for voice in labelled if voice.emotion is not None]
    speakers = np.array([voice.speaker for voice in labelled])
    if len(emotions) != len(labelled) or len(set(emotions)) < 2 or len(set(speakers)) < 2:
        raise InputError(
            "The emotion reader needs clips of two speakers and two emotions at least.",
            "Give labelled clips.",
        )
    if len(background) < 2:
        raise InputError("The emotion reader needs voices to compare with.", "Give more clips.")
    truth = np.array(emotions)
    reader = EmotionReader(encoder.width)
    heard = _described(encoder, reader, labelled)
    plain = heard[truth == EMOTIONS.index("neutral")]
    spread = _covariance(_described(encoder, reader, background), background, plain)
    left_out = _left_out(heard, truth, spread, speakers)
    texts = np.array([voice.text for voice in labelled])
    sentences = _left_out(heard, truth, spread, texts) if len(set(texts)) > 1 else left_out
    temperature = _temperature(left_out, truth)
    linear = _discriminant(heard, truth, spread)
    with torch.no_grad():
        reader.weight.copy_(torch.from_numpy(linear.weight / temperature))
        bias = linear.bias / temperature
        bias[np.setdiff1d(np.arange(len(EMOTIONS)), truth)] = bias.min() - SILENT_PENALTY
        reader.bias.copy_(torch.from_numpy(bias))
    return Fit(reader, _recall(left_out, truth), _recall(sentences, truth), temperature)


def corpus_voices(folder: Path, background: int = 800) -> tuple[list[Voice], list[Voice]]:
    """EmoDB's labelled training clips of a corpus, and two seconds each of others' read speech."""
    labelled = [_voice(item) for item in _training(folder, f"{LABELLED}-*.npz")]
    others: list[Voice] = []
    shards = sorted(folder.glob(f"{BACKGROUND}-*.npz"))
    for shard in shards:
        items = [_middle(item) for item in _training(folder, shard.name)]
        wanted = -(-background // len(shards))
        others += items[:: max(1, len(items) // wanted)][:wanted]
    return labelled, others


def _training(folder: Path, pattern: str) -> list[Utterance]:
    shards = sorted(folder.glob(pattern))
    if not shards:
        raise InputError(f"The corpus “{folder}” has no {pattern}.", "Build it first.")
    return [item for shard in shards for item in read_shard(shard) if item.split == "train"]


def _voice(item: Utterance) -> Voice:
    samples = item.audio.astype(np.float32) / 32768
    return Voice(samples, item.speaker, item.emotion, item.text)


def _middle(item: Utterance) -> Voice:
    voice, wanted = _voice(item), round(BACKGROUND_SECONDS * 16000)
    start = max(0, (len(voice.samples) - wanted) // 2)
    return Voice(voice.samples[start : start + wanted], voice.speaker)


@torch.no_grad()
def _described(encoder: MelEncoder, reader: EmotionReader, voices: Sequence[Voice]) -> Array:
    """(clips, features): what the reader reads, averaged over a clip's speech frames."""
    encoder.eval()
    rows = []
    for voice in voices:
        mel = torch.from_numpy(log_mel(voice.samples, level_gain(voice.samples)))[None]
        features, _ = reader.describe(mel, encoder.heard(mel)[1])
        weight = reader.speaking(mel)[:, ::2] + 1e-6
        rows.append(((features * weight).sum(1) / weight.sum(1))[0].double().numpy())
    return np.stack(rows)


def _covariance(features: Array, voices: Sequence[Voice], neutral: Array) -> Array:
    """Of voices without labels: half of all of it, half within speakers, and the recordings' own.

    People who just read sound neutral: where they differ on the whole from the labelled neutral
    clips (F of each), it is the room, the microphone and the language, and must not count.
    """
    speakers = np.array([voice.speaker for voice in voices])
    within = features.copy()
    for name in set(speakers):
        within[speakers == name] -= features[speakers == name].mean(0)
    total = 0.5 * np.cov(features.T) + 0.5 * np.cov(within.T)
    if len(neutral):
        apart = features.mean(0) - neutral.mean(0)
        total = total + OTHER_RECORDINGS * np.outer(apart, apart)
    return np.asarray(total)


def _discriminant(features: Array, truth: NDArray[np.int_], background: Array) -> _Linear:
    present, counts = np.unique(truth, return_counts=True)
    means = np.stack([features[truth == index].mean(0) for index in present])
    centre = means.mean(0)
    rest = features - means[np.searchsorted(present, truth)]
    within = rest.T @ rest / max(1, len(truth) - len(present))
    scale = np.sqrt(np.diag(within)) + 1e-9
    ours, theirs = (c / np.outer(scale, scale) for c in (within, background))
    theirs = theirs / np.mean(np.diag(theirs))
    shared = (1 - BACKGROUND_SHARE) * ours + BACKGROUND_SHARE * theirs
    shared = (1 - DIAGONAL_SHARE) * shared + DIAGONAL_SHARE * np.eye(len(scale))
    shifts = (means - centre) / scale
    solved = np.linalg.solve(shared, shifts.T).T  # (emotions, features)
    noise = np.trace(np.linalg.solve(shared, ours))
    weight, bias = np.zeros((len(EMOTIONS), len(scale))), np.zeros(len(EMOTIONS))
    weight[present] = solved / scale
    bias[present] = 0.5 * (FEW_CLIPS * noise / counts - np.sum(shifts * solved, 1))
    bias -= weight @ centre
    return _Linear(weight, bias)


def _left_out(
    features: Array, truth: NDArray[np.int_], background: Array, groups: NDArray[np.str_]
) -> Array:
    """(clips, 8) scores of every clip by a classifier that has not met its group."""
    scores = np.full((len(truth), len(EMOTIONS)), -np.inf)
    for group in np.unique(groups):
        out = groups == group
        present = np.unique(truth[~out])
        found = _discriminant(features[~out], truth[~out], background).scores(features[out])
        scores[np.ix_(out, present)] = found[:, present]
    return scores


def _recall(scores: Array, truth: NDArray[np.int_]) -> float:
    right = scores.argmax(1) == truth
    return float(np.mean([right[truth == index].mean() for index in np.unique(truth)]))


def _temperature(scores: Array, truth: NDArray[np.int_]) -> float:
    """What to divide the scores by for the best likelihood, every emotion counting the same."""
    shares = 1 / np.bincount(truth, minlength=len(EMOTIONS))[truth]

    def loss(temperature: float) -> float:
        odds = scores / temperature
        odds = odds - odds.max(1, keepdims=True)
        own = np.maximum(odds[np.arange(len(truth)), truth], -30)
        return float(np.sum(shares * (np.log(np.exp(odds).sum(1)) - own)))

    return float(min(np.geomspace(0.5, 50, 93), key=loss))


def read_emotions(model: EmoFace, corpus: Path) -> dict[str, float | str]:
    """Fit the model's reader, if it has one and the corpus has labelled voices.

    Gives lines for the model's card: how well it reads speakers and sentences that were left out,
    or that it was left as it was.
    """
    if not isinstance(model.emotion_head, EmotionReader):
        return {}
    if not all(list(corpus.glob(f"{source}-*.npz")) for source in (LABELLED, BACKGROUND)):
        return {"emotion_reader": "as it was: the corpus has no voices to fit it to"}
    fit = fit_reader(cast(MelEncoder, model.content_encoder), *corpus_voices(corpus))
    model.emotion_head.load_state_dict(fit.reader.state_dict())
    return {
        "emotion_recall_new_speakers": round(fit.new_speakers, 3),
        "emotion_recall_new_sentences": round(fit.new_sentences, 3),
    }
