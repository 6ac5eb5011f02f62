# SPDX-License-Identifier: GPL-3.0-or-later
"""A corpus's utterances as files: shards of plain arrays, some half an hour each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.face.head import load_head
from emoface_core.files import atomic_path, load_npz
from emoface_core.training.phones import PHONES, PhoneSpan


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of sound and what the mouth does in it.

    `audio` int16 mono at 16 kHz; `spans` cover it without gaps; `emotion` as performed, None where
    nobody said; `split` is "train" or "held_out". `curves` (N, K) float16 is motion captured with
    it: weights of the rig at 50 Hz; None where a teacher has to say how the mouth moves. The spans
    of such an utterance only tell silence, shut lips ("m") and the rest ("ə") apart.
    """

    id: str
    audio: NDArray[np.int16]
    spans: tuple[PhoneSpan, ...]
    emotion: str | None
    speaker: str
    source: str
    split: str
    text: str
    curves: NDArray[np.float16] | None = None

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE


def write_shard(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write utterances as one file, whole or not at all."""
    spans = [span for utterance in utterances for span in utterance.spans]
    about = [
        {
            "id": u.id,
            "emotion": u.emotion,
            "speaker": u.speaker,
            "source": u.source,
            "split": u.split,
            "text": u.text,
        }
        for u in utterances
    ]
    captured = [u.curves for u in utterances if u.curves is not None]
    extra: dict[str, Any] = {}
    if captured:
        extra = {
            "curves": np.concatenate(captured),
            "curve_counts": np.array(
                [0 if u.curves is None else len(u.curves) for u in utterances]
            ),
            "curve_names": np.array(load_head().shape_names),
        }
    encoded = json.dumps(about, ensure_ascii=False).encode()
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            about=np.frombuffer(encoded, np.uint8),
            phones=np.array(PHONES),
            audio=np.concatenate([u.audio for u in utterances]),
            audio_ends=np.cumsum([len(u.audio) for u in utterances]),
            span_ends=np.cumsum([len(u.spans) for u in utterances]),
            span_phone=np.array([PHONES.index(s.phone) for s in spans], np.uint8),
            span_time=np.array(
                [(s.start, s.end, np.nan if s.release is None else s.release) for s in spans],
                np.float32,
            ).reshape(-1, 3),
            **extra,
        )


def read_shard(path: Path) -> Iterator[Utterance]:
    """The utterances of one shard. InputError if it is damaged or of another make."""
    arrays = load_npz(path)
    try:
        about = json.loads(arrays["about"].tobytes())
        names = [str(phone) for phone in arrays["phones"]]
        audio, span_phone, times = arrays["audio"], arrays["span_phone"], arrays["span_time"]
        audio_bounds = [0, *arrays["audio_ends"].tolist()]
        span_bounds = [0, *arrays["span_ends"].tolist()]
    except (KeyError, json.JSONDecodeError):
        raise InputError(f"“{path}” is not a shard of a corpus.", "Build the corpus.") from None
    curves = _shard_curves(arrays, path)
    for i, entry in enumerate(about):
        spans = tuple(
            PhoneSpan(names[phone], float(start), float(end), _release(release))
            for phone, (start, end, release) in zip(
                span_phone[span_bounds[i] : span_bounds[i + 1]],
                times[span_bounds[i] : span_bounds[i + 1]],
                strict=True,
            )
        )
        yield Utterance(
            audio=audio[audio_bounds[i] : audio_bounds[i + 1]],
            spans=spans,
            curves=curves[i] if curves else None,
            **entry,
        )


def _shard_curves(
    arrays: Mapping[str, NDArray], path: Path
) -> list[NDArray[np.float16] | None] | None:
    """Each utterance's captured motion; None if the shard holds none."""
    if "curves" not in arrays:
        return None
    if tuple(arrays["curve_names"]) != load_head().shape_names:
        raise InputError(f"The motion in “{path}” is for another head.", "Build the corpus again.")
    counts = arrays["curve_counts"]
    parts = np.split(arrays["curves"], np.cumsum(counts)[:-1])
    return [part if count else None for part, count in zip(parts, counts, strict=True)]


def _release(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)
