# SPDX-License-Identifier: GPL-3.0-or-later
"""Several sounds on one face: their animations joined into one over all their frames. No bpy."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emoface_core.easing import smoothstep
from emoface_core.errors import InputError
from emoface_core.layers import BakeLayers

from .plan import EASE_SECONDS, FEELING_SECONDS
from .timing import Clip

Floats = NDArray[np.float32]

PAUSE_SECONDS = 2.0  # between two lines: so long a feeling may take to become the next
_LONGEST_SECONDS = 60.0  # for so long a face that is silent between two lines goes on feeling


def check_apart(clips: Sequence[tuple[str, Clip]]) -> None:
    """InputError if two named clips (whose lengths are known) are heard at the same time."""
    known = sorted(
        ((clip.first_frame, clip.frames, name) for name, clip in clips if clip.frames is not None),
        key=lambda entry: entry[0],
    )
    for (first, frames, name), (start, _, other) in itertools.pairwise(known):
        if start < first + frames:
            raise InputError(
                f"“{name}” and “{other}” are heard at the same time (frame {start}), and a face "
                "can speak only one of them.",
                "Give one of them to another face, or cut it.",
            )


def felt_around(clips: Sequence[Clip], before: int, after: int) -> list[Clip]:
    """The clips of a face in the order of the timeline, with the frames in which it only feels.

    `before` the first and `after` the last of them, and in the pauses between, but for what the
    change from one feeling to the next takes. The clips must not overlap.
    """
    felt = []
    for number, clip in enumerate(clips):
        following = clips[number + 1] if number + 1 < len(clips) else None
        if following is None or clip.frames is None:
            silent = after
        else:
            pause = following.first_frame - clip.first_frame - clip.frames
            most = round(_LONGEST_SECONDS * clip.fps)
            silent = min(max(0, pause - round(PAUSE_SECONDS * clip.fps)), most)
        felt.append(replace(clip, before=0 if number else before, after=silent))
    return felt


@dataclass(frozen=True, slots=True)
class Part:
    """One sound's animation, and where it is heard and felt."""

    name: str
    clip: Clip
    layers: BakeLayers

    @property
    def first_frame(self) -> int:
        """Of the animation."""
        return self.clip.felt_from


def join(parts: Sequence[Part]) -> tuple[Clip, BakeLayers]:
    """One animation from several of the same face, with the place of the whole.

    `parts` must be of the same mesh and rate; keys of the same name are one key. Between two
    sounds the mouth comes to rest and the feeling stays, or rests too if the pause is very long.
    InputError if two of them overlap.
    """
    if len(parts) == 1:
        return parts[0].clip, parts[0].layers
    parts = sorted(parts, key=lambda part: part.first_frame)
    check_apart([(p.name, Clip(p.first_frame, 0.0, p.layers.frames, p.clip.fps)) for p in parts])
    first, fps = parts[0].first_frame, parts[0].clip.fps
    starts = [part.first_frame - first for part in parts]
    every = [part.layers for part in parts]
    frames = starts[-1] + every[-1].frames
    speech_keys, speech_basis = _keys([(x.speech_keys, x.speech_basis) for x in every])
    emotion_keys, emotion_basis = _keys([(x.emotion_keys, x.emotion_basis) for x in every])
    ease, calm = (max(1, round(seconds * fps)) for seconds in (EASE_SECONDS, FEELING_SECONDS))
    pause = round(PAUSE_SECONDS * fps)

    def laid(name: str, ease: int, bridged: int) -> Floats:
        return _laid([getattr(x, name) for x in every], starts, ease, bridged)

    def spread(curves: str, keys: str, names: tuple[str, ...]) -> list[Floats]:
        return [_spread(getattr(x, curves), getattr(x, keys), names) for x in every]

    def later(name: str) -> Floats:
        """Times in seconds, of the whole."""
        parts = zip(every, starts, strict=True)
        return np.concatenate([getattr(x, name) + np.float32(s / fps) for x, s in parts])

    joined = replace(
        every[0],
        speech_keys=speech_keys,
        speech_basis=speech_basis,
        speech_curves=_laid(spread("speech_curves", "speech_keys", speech_keys), starts, ease, 0),
        emotion_keys=emotion_keys,
        emotion_basis=emotion_basis,
        emotion_curves=_laid(
            spread("emotion_curves", "emotion_keys", emotion_keys), starts, calm, pause
        ),
        emotion_weights=laid("emotion_weights", frames, frames),
        voice_weights=laid("voice_weights", frames, frames),
        worst_error=max(x.worst_error for x in every),
        seconds=frames / fps,
        phone_start=later("phone_start"),
        phone_end=later("phone_end"),
        phone_index=np.concatenate([x.phone_index for x in every]),
        word_text=tuple(text for x in every for text in x.word_text),
        word_phones=tuple(phones for x in every for phones in x.word_phones),
        word_start=later("word_start"),
        word_end=later("word_end"),
        word_fit=np.concatenate([x.word_fit for x in every]),
    )
    before, after = parts[0].clip.before, parts[-1].clip.after
    heard = frames - before - after
    return Clip(first + before, 0.0, heard, fps, before, after), joined


def _keys(parts: Sequence[tuple[tuple[str, ...], Floats]]) -> tuple[tuple[str, ...], Floats]:
    """Every key once: names and shapes (R, V, 3)."""
    shapes = {
        name: shape for names, basis in parts for name, shape in zip(names, basis, strict=True)
    }
    return tuple(shapes), np.stack(list(shapes.values())) if shapes else parts[0][1]


def _spread(curves: Floats, names: tuple[str, ...], wanted: tuple[str, ...]) -> Floats:
    """Curves (…, R) for more keys than they are of: those that do not move stay at 0."""
    places = [wanted.index(name) for name in names]
    spread = np.zeros((*curves.shape[:-1], len(wanted)), np.float32)
    spread[..., places] = curves
    return spread


def _laid(parts: Sequence[Floats], starts: Sequence[int], ease: int, bridged: int) -> Floats:
    """Curves (T, …) one after the other, part n from frame `starts[n]` on.

    A gap of at most `bridged` frames is passed from one to the other; in a longer one they ease
    out and in, `ease` frames each.
    """
    whole = np.zeros((starts[-1] + len(parts[-1]), *parts[0].shape[1:]), np.float32)
    for start, part in zip(starts, parts, strict=True):
        whole[start : start + len(part)] = part
    for (start, part), then in zip(zip(starts, parts, strict=True), starts[1:], strict=False):
        end = start + len(part)
        gap = then - end
        if gap == 0:
            continue
        length = gap + 1 if gap <= bridged else min(ease, gap + 1)
        steps = np.arange(1, gap + 1, dtype=np.float32).reshape(-1, *[1] * (part.ndim - 1))
        fall = 1 - smoothstep(steps / length)
        rise = 1 - smoothstep((gap + 1 - steps) / length)
        whole[end:then] = whole[end - 1] * fall + whole[then] * rise
    return whole
