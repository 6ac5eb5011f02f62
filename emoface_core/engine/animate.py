# SPDX-License-Identifier: GPL-3.0-or-later
"""From a sound to a performance: windows over audio of any length, in memory that stays flat."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE, open_audio
from emoface_core.audio.level import LevelMeter
from emoface_core.audio.mel import HOP, MEL_MARGIN, log_mel_window, network_frames
from emoface_core.emotions import AUTO, MAX_INTENSITY
from emoface_core.engine.contacts import PhoneOdds, hold_contacts
from emoface_core.engine.emotion import chosen_weights, voice_weights
from emoface_core.engine.interface import BranchCurves, Engine
from emoface_core.engine.neutral import own_neutral, read_neutral
from emoface_core.engine.performance import CurveStore, Performance, Timing
from emoface_core.engine.phones_heard import PhoneDecoder, log_softmax
from emoface_core.engine.rig import rig_for
from emoface_core.engine.spelling import spell
from emoface_core.engine.store import RowStore
from emoface_core.engine.timeline import frame_count
from emoface_core.engine.words_heard import HeardWord, find_words, with_phrases
from emoface_core.errors import Cancelled, InputError

WINDOW_FRAMES = 1200  # of 50 a second, beside the context: 24 s
MAX_FPS = 1000.0
_MAX_SILENCE = 3600.0
_BLOCK_SECONDS = 10.0

Progress = Callable[[str, int, int], None]
IsCancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class AnimateOptions:
    """What an animator chooses. InputError from the constructor for what makes no sense."""

    emotion: str = AUTO  # a name, "auto", or a mixture such as "happy=0.7,surprised=0.3"
    intensity: float = 1.0  # 0 to 1.5
    preference: float | None = None  # 0 all voice, 1 all choice; None: 1 if an emotion is chosen
    fps: float = 30.0
    start: float = 0.0  # seconds into the file; what lies before is not heard
    duration: float | None = None  # seconds; None: to the end
    before: float = 0.0  # seconds of silence in which the face feels already, then is heard `start`
    after: float = 0.0  # and after the end
    volume: float = 1.0
    text: str = ""  # the words that are spoken, in any language: found in the sound, and shown
    neutral: Path | None = None  # a mesh: another person's neutral, in any units and orientation
    snap_closures: bool = True  # lips shut on a frame even where a closure falls between two
    window_frames: int = WINDOW_FRAMES  # smaller uses less memory and more time
    spool: Path | None = None  # folder for temporary files of long clips (None: the system's)

    def __post_init__(self) -> None:
        chosen_weights(self.emotion)
        if self.text.strip():
            spell(self.text)
        _within("intensity", self.intensity, 0.0, MAX_INTENSITY)
        _within("frame rate", self.fps, 1.0, MAX_FPS)
        _within("start", self.start, 0.0, math.inf)
        _within("volume", self.volume, 0.0, 1e3)
        _within("silence before", self.before, 0.0, _MAX_SILENCE)
        _within("silence after", self.after, 0.0, _MAX_SILENCE)
        if self.preference is not None:
            _within("preference", self.preference, 0.0, 1.0)
        if self.duration is not None:
            _within("duration", self.duration, 0.001, math.inf)
        if self.window_frames < 1:
            raise InputError("A window must have at least one frame.")


def animate(
    audio: Path | str | NDArray[np.float32],
    options: AnimateOptions,
    engine: Engine,
    progress: Progress | None = None,
    cancelled: IsCancelled | None = None,
) -> Performance:
    """The performance of a sound file, or of mono samples at 16 kHz.

    `progress(stage, done, total)` and `cancelled()` are called between windows; Cancelled is raised
    when the latter says so. InputError for sound or mesh that cannot be used. Close the result, or
    use it in a `with`: it may hold a temporary file.
    """
    report = _Report(progress or _ignore, cancelled or _never)
    rig = rig_for(engine.info.model)
    neutral = read_neutral(options.neutral, rig.head) if options.neutral else own_neutral(rig.head)
    sound = RowStore(1, options.spool)
    curves: CurveStore | None = None
    try:
        gain = _listen(audio, options, sound, report)
        seconds = sound.rows / SAMPLE_RATE
        if options.duration is not None:
            # As asked for, not as the nearest sample: a strip of whole frames has so many frames.
            seconds = options.before + options.duration + options.after
        curves = CurveStore(rig, options.spool)
        names = engine.info.model.phones
        logits, speaking, decoder = [], [], PhoneDecoder(len(names))
        windows = _windows(sound, gain, options.window_frames, engine, report)
        found: tuple[HeardWord, ...] = ()
        if options.text.strip():
            windows, found = _told(windows, options.text, names, seconds)
        for window in windows:
            phones = log_softmax(window.phone_logits)
            heard = PhoneOdds.of(phones, names)
            curves.append(hold_contacts(window, heard, rig.mouth), heard.quiet)
            decoder.add(phones)
            logits.append(window.emotion_logits)
            speaking.append(1.0 - heard.quiet)
        decoded = decoder.spans(seconds)
        return Performance(
            rig=rig,
            curves=curves,
            neutral=neutral,
            timing=Timing(
                fps=options.fps,
                seconds=seconds,
                frames=frame_count(seconds, options.fps),
                snap=options.snap_closures,
            ),
            voice=voice_weights(np.concatenate(logits), np.concatenate(speaking)),
            chosen=chosen_weights(options.emotion),
            preference=options.preference,
            intensity=options.intensity,
            phone_names=names,
            phones=decoded,
            words=with_phrases(found, decoded, names),
        )
    except BaseException:
        if curves is not None:
            curves.close()
        raise
    finally:
        sound.close()


def _told(
    windows: Iterator[BranchCurves], text: str, names: tuple[str, ...], seconds: float
) -> tuple[Iterator[BranchCurves], tuple[HeardWord, ...]]:
    """The windows with the phones that the text makes likelier, and its words.

    All frames must be there before the first word is found; how many, `find_words` limits.
    """
    kept = list(windows)
    heard = log_softmax(np.concatenate([window.phone_logits for window in kept]))
    found = find_words(spell(text), heard, names, seconds)
    ends = np.cumsum([len(window.phone_logits) for window in kept])
    priors = np.split(found.prior, ends[:-1])
    told = (
        replace(window, phone_logits=log_softmax(window.phone_logits) + prior)
        for window, prior in zip(kept, priors, strict=True)
    )
    return told, found.words


class _Report:
    """Progress out, cancellation in."""

    def __init__(self, progress: Progress, cancelled: IsCancelled) -> None:
        self._progress, self._cancelled = progress, cancelled

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._cancelled():
            raise Cancelled("The job was cancelled.")
        self._progress(stage, done, total)


def _listen(
    audio: Path | str | NDArray[np.float32],
    options: AnimateOptions,
    sound: RowStore,
    report: _Report,
) -> float:
    """Fill `sound` with the part of the clip that is heard; returns the gain for its level."""
    first = round(options.start * SAMPLE_RATE)
    last = math.inf if options.duration is None else first + round(options.duration * SAMPLE_RATE)
    meter = LevelMeter()
    blocks, total = _blocks(audio)
    done = 0
    _be_silent(sound, options.before)
    before = sound.rows
    for block in blocks:
        report("listen", min(done, total), total)
        part = block[max(0, first - done) : max(0, min(last, done + len(block)) - done)]
        done += len(block)
        if len(part):
            part = part * np.float32(options.volume)
            sound.append(part)
            meter.add(part)
        if done >= last:
            break
    if sound.rows == before:
        raise InputError(
            f"There is no sound after {options.start:g} s: the clip is {done / SAMPLE_RATE:.2f} s.",
            "Choose an earlier start.",
        )
    # A strip that is longer than its sound ends in silence.
    if last != math.inf:
        _be_silent(sound, (last - first - (sound.rows - before)) / SAMPLE_RATE)
    _be_silent(sound, options.after)
    report("listen", total, total)
    return meter.gain()


def _blocks(audio: Path | str | NDArray[np.float32]) -> tuple[Iterator[NDArray[np.float32]], int]:
    """Mono blocks at 16 kHz and about how many samples there are in all."""
    if isinstance(audio, np.ndarray):
        if audio.ndim != 1 or len(audio) == 0:
            raise InputError("Samples must be one channel, with at least one sample.")
        if not np.isfinite(audio).all():
            raise InputError("The samples hold values that are not finite.")
        return iter([audio.astype(np.float32, copy=False)]), len(audio)
    source = open_audio(audio)
    return source.blocks(_BLOCK_SECONDS), math.ceil(min(source.seconds, 1e9) * SAMPLE_RATE)


def _be_silent(sound: RowStore, seconds: float) -> None:
    count, most = round(seconds * SAMPLE_RATE), round(_BLOCK_SECONDS * SAMPLE_RATE)
    for first in range(0, count, most):
        sound.append(np.zeros(min(most, count - first), np.float32))


def _windows(
    sound: RowStore, gain: float, size: int, engine: Engine, report: _Report
) -> Iterator[BranchCurves]:
    """The model's frames in order, `size` at a time, each as if the clip had been heard whole."""
    context = engine.info.model.context_frames
    total = network_frames(sound.rows / SAMPLE_RATE)
    if total <= size + 2 * context:  # one window costs less than two with their context
        size = total
    for first in range(0, total, size):
        report("speak", first, total)
        last = min(first + size, total)
        begin, end = max(0, first - context), min(total, last + context)
        offset = max(0, 2 * begin * HOP - MEL_MARGIN)
        samples = sound.read(offset, 2 * end * HOP + MEL_MARGIN)[:, 0]
        mel = log_mel_window(samples, offset, 2 * begin, 2 * (end - begin), gain)
        output = engine.infer(mel)
        yield output.part(first - begin, last - begin)
    report("speak", total, total)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (low <= value <= high and math.isfinite(value)):
        end = "" if high == math.inf else f" and at most {high:g}"
        raise InputError(f"The {name} must be at least {low:g}{end}, not {value:g}.")


def _ignore(_stage: str, _done: int, _total: int) -> None:
    """Nobody wants to know."""


def _never() -> bool:
    return False
