# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is judged: the trained model, its teacher on the labels, and the teacher out of step."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.emotions import EMOTIONS
from emoface_core.engine.interface import Engine
from emoface_core.errors import InputError
from emoface_core.face.head import Head, load_head
from emoface_core.training.articulation import articulate
from emoface_core.training.expression import express_all
from emoface_core.training.phones import VISEME_OF, PhoneSpan
from emoface_core.training.prosody import prosody

if TYPE_CHECKING:
    from emoface_core.engine.performance import Performance

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """A clip to be spoken: mono samples at 16 kHz and what its labels say.

    `spans` are in order and cover the clip; empty if nobody labelled it. `text`: the words that are
    heard; "" if nobody wrote them down.
    """

    id: str
    samples: Floats
    spans: tuple[PhoneSpan, ...] = ()
    speaker: str = ""
    emotion: str | None = None
    text: str = ""

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Acted:
    """What somebody made of a clip, T frames at `fps`.

    `speech` (T, V, 3) metres: offsets with no emotion. `layer(emotion)` (T, V, 3): what an emotion
    adds at intensity 1, None from one that feels nothing. `visemes` (T,) as heard, `voice` (T', 8)
    emotion weights as heard, None from one that doesn't listen.
    """

    fps: float
    speech: Floats
    layer: Callable[[str], Floats] | None = None
    visemes: NDArray[np.int64] | None = None
    voice: Floats | None = None


class Performer(Protocol):
    """Speaks clips. `name` heads its column."""

    name: str

    def perform(self, heard: Heard) -> Acted | None:
        """The performance of a clip; None if this performer cannot do it."""


class Model:
    """The trained model in an engine: hears the sound alone, or is told the words as well."""

    def __init__(self, engine: Engine, fps: float, *, told: bool = False) -> None:
        self._engine, self._fps, self._told = engine, fps, told
        self.name = "told" if told else "model"

    def perform(self, heard: Heard) -> Acted | None:
        """Animate as an animator would, at `fps`; None if told and nobody wrote the words down.

        A text that is refused is left out, as an animator would leave it out.
        """
        from emoface_core.engine.animate import AnimateOptions, animate

        options = AnimateOptions(emotion="neutral", intensity=0.0, fps=self._fps)
        if not self._told:
            return self._acted(animate(heard.samples, options, self._engine))
        if not heard.text:
            return None
        try:
            told = replace(options, text=heard.text)
            return self._acted(animate(heard.samples, told, self._engine))
        except InputError:
            return self._acted(animate(heard.samples, options, self._engine))

    def _acted(self, made: "Performance") -> Acted:
        with made as performance:
            frames = performance.frames
            curves = performance.curves_at(np.arange(frames))
            rig = performance.rig
            phones = performance.phones
            times = np.arange(frames) / self._fps
            place = np.searchsorted(phones.start, times, side="right") - 1
            visemes = np.array([VISEME_OF[name] for name in performance.phone_names])
            return Acted(
                fps=self._fps,
                speech=rig.speech(curves.content),
                layer=lambda emotion: rig.emotion(
                    curves.layers[:, EMOTIONS.index(emotion)], curves.attention
                ),
                visemes=visemes[phones.index[np.maximum(place, 0)]],
                voice=performance.voice,
            )


class Teacher:
    """The articulation teacher, which is told the labels: what can be reached, not a rival."""

    name = "teacher"

    def __init__(self, fps: float, head: Head | None = None) -> None:
        self._fps = fps
        self._head = head or load_head()

    def perform(self, heard: Heard) -> Acted | None:
        """Speak the labels; None if there are none."""
        if not heard.spans:
            return None
        frames = round(heard.seconds * self._fps)
        voice = prosody(heard.samples, frames + 2, rate=self._fps)
        weights = articulate(heard.spans, heard.seconds, rate=self._fps, prosody=voice)[:frames]

        @cache
        def layers() -> Floats:
            seed = zlib.crc32(heard.id.encode())
            return express_all(heard.spans, voice, heard.seconds, rate=self._fps, seed=seed)

        def layer(emotion: str) -> Floats:
            return self._moved(layers()[:frames, EMOTIONS.index(emotion)])

        return Acted(fps=self._fps, speech=self._moved(weights), layer=layer)

    def _moved(self, weights: NDArray[np.floating]) -> Floats:
        shapes = self._head.shapes.reshape(len(self._head.shapes), -1)
        return (weights.astype(np.float32) @ shapes).reshape(len(weights), -1, 3)


class OutOfStep:
    """The teacher's own motion, moved in time by a random amount (round the clip's end).

    As much movement, as many closures, at the wrong time: what chance gets from the scoring.
    """

    name = "chance"

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher

    def perform(self, heard: Heard) -> Acted | None:
        """The teacher's performance, rolled by 0.25 to 0.75 of the clip."""
        acted = self._teacher.perform(heard)
        if acted is None:
            return None
        share = np.random.default_rng(zlib.crc32(heard.id.encode())).uniform(0.25, 0.75)
        by = round(share * len(acted.speech))
        return Acted(acted.fps, np.roll(acted.speech, by, axis=0))


class Loudness:
    """The simplest lip sync: the louder, the further the jaw opens (0 at 40 dB under the loudest).

    What a mouth does that knows nothing of sounds; below it nobody should be.
    """

    name = "loudness"

    def __init__(self, fps: float, head: Head | None = None) -> None:
        self._fps = fps
        self._head = head or load_head()

    def perform(self, heard: Heard) -> Acted:
        """Jaw by loudness."""
        frames = max(1, round(heard.seconds * self._fps))
        reach = round(0.02 * SAMPLE_RATE)
        square = np.concatenate([[0.0], np.cumsum(np.asarray(heard.samples, np.float64) ** 2)])
        middle = (np.arange(frames) / self._fps * SAMPLE_RATE).astype(int)
        first, last = np.maximum(middle - reach, 0), np.minimum(middle + reach, len(square) - 1)
        power = (square[last] - square[first]) / (2 * reach)
        level = 10 * np.log10(np.maximum(power, 1e-9))
        opening = np.clip((level - max(level.max(), -50.0) + 40) / 40, 0, 1)
        speech = (0.5 * opening[:, None, None]).astype(np.float32) * self._head.shape("jawOpen")
        return Acted(self._fps, speech)
