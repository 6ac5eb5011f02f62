# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic voices that say when each phone is spoken: flite, festival and espeak-ng.

All run as programs of their own, on argument lists or files, each call under a time limit.
Festival's and flite's times are exact; espeak-ng's within some 10 ms.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.audio.resample import resample
from emoface_core.errors import EmoFaceError
from emoface_core.files import load_npz
from emoface_core.training.festival_voices import FESTIVAL_VOICES, FestivalVoice
from emoface_core.training.phones import (
    SILENCE,
    PhoneSpan,
    from_arpabet,
    from_espeak,
    split_span,
)
from emoface_core.training.releases import open_affricates

_SECONDS_A_SENTENCE = 20.0  # of patience
_VOICELESS_STOPS = frozenset("ptk")
_GAP_SECONDS = 0.07
_SILENT = 0.003  # espeak-ng's closures are digital silence

FLITE_VOICES = ("slt", "awb", "rms")  # kal16's times drift by up to 0.14 s: not used

_LEAP = 45000  # no sound leaps so far from sample to sample
_OVERFLOW_SECONDS = 0.002
_MOST_OVERFLOW = 56000


class SynthesisError(EmoFaceError):
    """A synthesiser is missing, failed, or did not answer in time."""

    code = "synthesis_failed"


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken sentence: mono float32 at 16 kHz, and its phones, which cover it."""

    samples: NDArray[np.float32]
    spans: tuple[PhoneSpan, ...]
    text: str


def available(program: str) -> bool:
    """Whether `flite`, `festival` or `espeak-ng` is on this machine."""
    return shutil.which(program) is not None


def flite(
    text: str,
    voice: str,
    *,
    stretch: float = 1.0,
    pitch_hz: float | None = None,
    pitch_range_hz: float | None = None,
) -> Speech:
    """One sentence by flite. `stretch` > 1 is slower; `rms` does not heed the pitch."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        command = ["flite", "-psdur", "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}"]
        if pitch_hz is not None:
            command += ["--setf", f"int_f0_target_mean={pitch_hz:.1f}"]
        if pitch_range_hz is not None:
            command += ["--setf", f"int_f0_target_stddev={pitch_range_hz:.1f}"]
        printed = run_program([*command, "-t", text, "-o", str(sound)], seconds=_SECONDS_A_SENTENCE)
        samples = read_audio(sound)
    segments = []
    for item in printed.split():
        symbol, _, end = item.rpartition(":")
        segments.append((symbol, float(end)))
    return Speech(samples, _spans_from_ends(segments, len(samples)), text)


def flite_phones(text: str) -> tuple[str, ...]:
    """The ARPABET phones flite would say, pauses left out."""
    printed = run_program(
        ["flite", "-psdur", "-voice", "slt", "-t", text, "-o", "none"], seconds=_SECONDS_A_SENTENCE
    )
    symbols = (item.rpartition(":")[0] for item in printed.split())
    return tuple(symbol for symbol in symbols if symbol != "pau")


def festival_voices() -> frozenset[str]:
    """Which of `FESTIVAL_VOICES` are installed."""
    printed = run_program(["festival", "-b", "(print (voice.list))"], seconds=_SECONDS_A_SENTENCE)
    names = set(printed.strip("()\n").split())
    return frozenset(key for key, voice in FESTIVAL_VOICES.items() if voice.name in names)


def festival(
    texts: Sequence[str],
    voice: str,
    *,
    stretch: float | Sequence[float] = 1.0,
    pitch: float | Sequence[float] = 1.0,
) -> list[Speech]:
    """Sentences by one of `FESTIVAL_VOICES`, in one run of the program.

    `stretch` > 1 is slower and `pitch` > 1 higher, if the voice `varies`: for all, or one by one.
    """
    speaker = FESTIVAL_VOICES[voice]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            f"(voice_{speaker.name})",
            "(define (lift utt) (mapcar (lambda (target)"
            " (item.set_feat target 'f0 (* pitch (item.feat target 'f0))))"
            " (utt.relation.leafs utt 'Target)) utt)",
            "(set! after_analysis_hooks (append after_analysis_hooks (list lift)))",
        ]
        stretches = np.broadcast_to(stretch, len(texts))
        pitches = np.broadcast_to(pitch, len(texts))
        for i, text in enumerate(texts):
            lines += [
                f"(Parameter.set 'Duration_Stretch {stretches[i]:.3f})",
                f"(set! pitch {pitches[i]:.3f})",
                f'(set! said (Utterance Text "{_scheme_string(text)}"))',
                "(utt.synth said)",
                f'(utt.save.segs said "{folder / f"{i}.segs"}")',
                f'(utt.save.wave said "{folder / f"{i}.wav"}" \'riff)',
            ]
        script = folder / "speak.scm"
        script.write_text("\n".join(lines), encoding=speaker.encoding)
        try:
            run_program(
                ["festival", "-b", str(script)], seconds=_SECONDS_A_SENTENCE * (1 + len(texts))
            )
        except SynthesisError:
            if available("festival") and voice not in festival_voices():
                raise SynthesisError(
                    f"Festival has no voice “{speaker.name}”.", f"apt-get install {speaker.package}"
                ) from None
            raise
        return [
            _read_festival(folder / f"{i}.wav", folder / f"{i}.segs", text, speaker)
            for i, text in enumerate(texts)
        ]


def _scheme_string(text: str) -> str:
    return text.replace("\\", " ").replace('"', " ")


def _read_festival(sound: Path, labels: Path, text: str, voice: FestivalVoice) -> Speech:
    segments: list[tuple[str, float]] = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if len(parts) == 3:
            if segments and segments[-1][0] == parts[2]:
                segments.pop()  # a long consonant is written twice, but has one closure
            segments.append((parts[2], float(parts[0])))
    samples = _read_overflown(sound)
    spans = _spans_from_ends(segments, len(samples), voice.convert)
    return Speech(samples, open_affricates(spans, samples), text)


def _read_overflown(path: Path) -> NDArray[np.float32]:
    """A sound of festival's, at 16 kHz, at most full scale.

    Where loud vowels exceed 16 bits, festival lets the numbers run over to the other sign, which
    crackles: what lies between a leap and the leap back is put where it belongs.
    """
    samples, rate = soundfile.read(path, dtype="int16")
    wide = samples.astype(np.int64)
    steps = np.diff(wide)
    opened: int | None = None
    for leap in np.flatnonzero(np.abs(steps) > _LEAP).tolist():
        if opened is not None and steps[opened] * steps[leap] < 0:
            within = wide[opened + 1 : leap + 1]
            mended = within - 65536 * np.sign(steps[opened])
            if len(within) < _OVERFLOW_SECONDS * rate and np.abs(mended).max() < _MOST_OVERFLOW:
                within[:] = mended
                opened = None
                continue
        opened = leap
    found = resample((wide / 32768).astype(np.float32), rate, SAMPLE_RATE)
    return found / max(1.0, float(np.abs(found).max()))


def _spans_from_ends(
    segments: Sequence[tuple[str, float]],
    count: int,
    convert: Callable[[str, str], tuple[str, ...]] = lambda symbol, _before: from_arpabet(symbol),
) -> tuple[PhoneSpan, ...]:
    """Spans from symbols and their ends in seconds.

    `convert` is given each symbol and the phone before.
    """
    spans: list[PhoneSpan] = []
    start, seconds = 0.0, count / SAMPLE_RATE
    for symbol, stop in segments:
        end = min(stop, seconds)
        if end > start:
            before = spans[-1].phone if spans else SILENCE
            spans += split_span(convert(symbol, before), start, end)
            start = end
    if start < seconds:
        spans.append(PhoneSpan(SILENCE, start, seconds))
    return tuple(spans)


def espeak(
    texts: Sequence[str], voice: str, *, rate: int = 160, pitch: int = 50, pitch_range: int = 50
) -> list[Speech]:
    """Sentences by espeak-ng: `voice` is a language, perhaps with a variant (`de+f3`).

    `rate` in words a minute; `pitch` and `pitch_range` 0 to 100.
    """
    request = {
        "voice": voice,
        "rate": rate,
        "pitch": pitch,
        "range": pitch_range,
        "texts": list(texts),
    }
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "speech.npz"
        command = [sys.executable, "-m", "emoface_core.training.espeak_worker", str(result)]
        run_program(
            command, seconds=_SECONDS_A_SENTENCE * (1 + len(texts)), given=json.dumps(request)
        )
        arrays = load_npz(result)
    rate_hz = int(arrays["rate"])
    speeches = []
    for i, text in enumerate(texts):
        samples = resample(arrays[f"audio_{i}"].astype(np.float32) / 32768, rate_hz, SAMPLE_RATE)
        symbols = [str(symbol) for symbol in arrays[f"symbol_{i}"]]
        if symbols:
            starts = [float(start) for start in arrays[f"start_{i}"] / rate_hz]
            speeches.append(Speech(samples, _espeak_spans(symbols, starts, samples), text))
    return speeches


def _espeak_spans(
    symbols: Sequence[str], starts: Sequence[float], samples: NDArray[np.float32]
) -> tuple[PhoneSpan, ...]:
    """Spans from espeak-ng's events.

    It names a voiceless stop at its burst; the silent closure before counts for the sound before.
    A closure being what lips are seen to do, it is given to the stop. An empty symbol is a pause,
    or, when short, a gap between two sounds: it goes to a stop that follows, or to what was before,
    as does a sign that means no phone.
    """
    seconds = len(samples) / SAMPLE_RATE
    spans: list[PhoneSpan] = []
    if starts[0] > 0:
        spans.append(PhoneSpan("sil", 0.0, min(starts[0], seconds)))
    for symbol, begin, stop in zip(symbols, starts, [*starts[1:], seconds], strict=True):
        start, end = min(begin, seconds), min(stop, seconds)
        if end <= start:
            continue
        last = spans[-1] if spans else None
        phones = from_espeak(symbol)
        if not symbol:
            inside = samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
            quiet = len(inside) == 0 or float(np.abs(inside).max()) < 10 * _SILENT
            phones = ("sil",) if quiet and end - start > _GAP_SECONDS else ()
        if not phones and last:
            spans[-1] = PhoneSpan(last.phone, last.start, end, last.release)
            continue
        new = list(split_span(phones or ("sil",), start, end))
        if last and new[0].phone in _VOICELESS_STOPS:
            closed = _closure_start(samples, last, start)
            if closed < start:
                spans[-1] = PhoneSpan(last.phone, last.start, closed, last.release)
                new[0] = PhoneSpan(new[0].phone, closed, new[0].end, start)
        spans += new
    return tuple(spans)


def _closure_start(samples: NDArray[np.float32], before: PhoneSpan, burst: float) -> float:
    """Where the silence that ends at `burst` (seconds) begins, within the span before."""
    if before.phone == "sil":  # lips shut a little ahead of the first sound
        return max(burst - 0.06, (before.start + burst) / 2)
    earliest = before.start + min(0.02, (burst - before.start) / 2)
    first, last = round(earliest * SAMPLE_RATE), round(burst * SAMPLE_RATE)
    # The resampler's ringing reaches a millisecond or so back from the burst.
    last = max(first, last - SAMPLE_RATE // 400)
    loud = np.flatnonzero(np.abs(samples[first:last]) > _SILENT)
    quiet_from = first + (int(loud[-1]) + 1 if len(loud) else 0)
    return quiet_from / SAMPLE_RATE if last - quiet_from > SAMPLE_RATE // 200 else burst


def run_program(command: Sequence[str], *, seconds: float, given: str | None = None) -> str:
    """What a program prints when it is `given` a text. SynthesisError if it is missing or fails."""
    try:
        done = subprocess.run(
            command,
            input=given,
            stdin=None if given is not None else subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise SynthesisError(
            f"The program “{command[0]}” is not installed.", "Install it, or leave its voices out."
        ) from None
    except subprocess.TimeoutExpired:
        raise SynthesisError(f"“{command[0]}” did not answer in {seconds:.0f} s.") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SynthesisError(f"“{command[0]}” failed: {last}")
    return done.stdout
