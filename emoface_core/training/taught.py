# SPDX-License-Identifier: GPL-3.0-or-later
"""One utterance as the network hears it and as the teachers move the face to it.

What prepared clips are made of is all here and in what this imports: see `dataset.prepare`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.audio.level import level_gain
from emoface_core.audio.mel import log_mel, network_frames
from emoface_core.emotions import EMOTIONS, emotion_index
from emoface_core.errors import EmoFaceError
from emoface_core.model.config import RATE
from emoface_core.training.articulation import ArticulationStyle, plan
from emoface_core.training.augmentation import AugmentOptions, augment, pad, shift_spans
from emoface_core.training.expression import express
from emoface_core.training.phones import PHONE_INDEX, PhoneSpan
from emoface_core.training.prosody import prosody
from emoface_core.training.shards import Utterance
from emoface_core.training.splicing import splice

JOIN_SECONDS = 0.3  # between short utterances that are joined
MOST = 10.0  # no shape is ever meant to be this strong
UNKNOWN_PHONE = 255
RECORDED = frozenset(
    {"asterisk", "emodb", "ljspeech", "speechocean762"}
)  # few sentences: learnt by heart
_SPLICED = 0.5  # of their variants
_SETTLE = 0.2  # seconds in which captured motion comes to rest outside its clip


@dataclass(frozen=True, slots=True)
class Clip:
    """One augmented utterance as the network hears it and the teachers move it; N frames."""

    mel: NDArray[np.float16]  # (2N, 80)
    speech: NDArray[np.float16]  # (N, K)
    layer_self: NDArray[np.float16]  # (N, K) at intensity 1
    layer_cross: NDArray[np.float16]
    phones: NDArray[np.uint8]  # (N,), UNKNOWN_PHONE where motion was captured
    emotions: tuple[int, int, int]  # self, cross, and what the voice is known to express or -1


def make_clip(utterance: Utterance, seed: int, *, vary: bool, at_least: float) -> Clip:
    """Hear and teach one utterance; with `vary`, augmented, in a way of speaking of its own.

    Silence around it fills it up to `at_least` seconds: rest is a thing to learn, too.
    """
    rng = np.random.default_rng([seed, _number(utterance.id)])
    samples, spans = utterance.audio.astype(np.float32) / 32768.0, utterance.spans
    captured = utterance.curves is not None
    if vary and utterance.source in RECORDED and rng.random() < _SPLICED:
        samples, spans = splice(samples, spans, rng)
    samples, spans, before = _padded(samples, spans, at_least, rng)
    tempo = 1.0
    if vary:
        length = len(samples)
        options = AugmentOptions(pad=0.0) if captured else AugmentOptions()
        samples, spans = augment(samples, spans, rng, options)
        tempo = length / len(samples)  # means something as long as nothing was put before
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

    if utterance.curves is None:
        style = _style(rng) if vary else ArticulationStyle()
        speech = plan(spans, seconds, prosody=heard).curves(style)
        phones = _phone_frames(spans, frames)
    else:
        speech = _captured(utterance.curves, np.arange(frames) / RATE * tempo - before)
        phones = np.full(frames, UNKNOWN_PHONE, np.uint8)
    return Clip(
        mel=log_mel(samples, gain).astype(np.float16),
        speech=kept(speech),
        layer_self=layer(own),
        layer_cross=layer(other),
        phones=phones,
        emotions=(own, other, voice),
    )


def joined(utterances: Iterable[Utterance], at_least: float) -> Iterator[Utterance]:
    """Short utterances of one speaker in one emotion, one after another until `at_least` seconds.

    Sets of short clips would otherwise be mostly the silence around them.
    """
    waiting: dict[tuple[str, str, str | None], Utterance] = {}
    for utterance in utterances:
        key = (utterance.source, utterance.speaker, utterance.emotion)
        before = waiting.pop(key, None)
        whole = utterance if before is None else _after(before, utterance)
        if whole.seconds >= at_least or whole.curves is not None:
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


def _padded(
    samples: NDArray[np.float32],
    spans: tuple[PhoneSpan, ...],
    at_least: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], tuple[PhoneSpan, ...], float]:
    """The utterance with silence around it, its spans moved, and the seconds put before it."""
    missing = max(0.0, at_least - len(samples) / SAMPLE_RATE) + rng.uniform(0.1, 0.6)
    before = rng.uniform(0.05, missing - 0.05)
    return *pad(samples, spans, before, missing - before), before


def _captured(curves: NDArray[np.floating], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of captured curves (N, K) at times `at`, coming to rest beyond their ends."""
    end = (len(curves) - 1) / RATE
    place = np.clip(at, 0, end) * RATE
    low = np.minimum(place.astype(int), len(curves) - 2)
    share = (place - low)[:, None]
    inside = np.clip(1 - np.maximum(-at, at - end) / _SETTLE, 0, 1)[:, None]
    return (curves[low] * (1 - share) + curves[low + 1] * share) * inside * inside


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


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
