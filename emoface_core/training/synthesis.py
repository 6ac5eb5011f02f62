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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.audio.resample import resample
from emoface_core.errors import EmoFaceError
from emoface_core.files import load_npz
from emoface_core.training.phones import PhoneSpan, from_arpabet, from_espeak, split_span

_SECONDS_A_SENTENCE = 20.0  # of patience
_VOICELESS_STOPS = frozenset("ptk")
_GAP_SECONDS = 0.07
_SILENT = 0.003  # espeak-ng's closures are digital silence

FLITE_VOICES = ("slt", "awb", "rms")  # kal16's times drift by up to 0.14 s: not used
FESTIVAL_VOICES = {
    "ked": "voice_ked_diphone",
    "kal": "voice_kal_diphone",
    "slt-hts": "voice_cmu_us_slt_arctic_hts",
}


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
        printed = _run([*command, "-t", text, "-o", str(sound)], seconds=_SECONDS_A_SENTENCE)
        samples = read_audio(sound)
    segments = []
    for item in printed.split():
        symbol, _, end = item.rpartition(":")
        segments.append((symbol, float(end)))
    return Speech(samples, _spans_from_ends(segments, len(samples)), text)


def flite_phones(text: str) -> tuple[str, ...]:
    """The ARPABET phones flite would say, pauses left out."""
    printed = _run(
        ["flite", "-psdur", "-voice", "slt", "-t", text, "-o", "none"], seconds=_SECONDS_A_SENTENCE
    )
    symbols = (item.rpartition(":")[0] for item in printed.split())
    return tuple(symbol for symbol in symbols if symbol != "pau")


def festival(texts: Sequence[str], voice: str, *, stretch: float = 1.0) -> list[Speech]:
    """Sentences by one festival voice (`ked`, `kal`, `slt-hts`), in one run of the program."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f"({FESTIVAL_VOICES[voice]})", f"(Parameter.set 'Duration_Stretch {stretch:.3f})"]
        for i, text in enumerate(texts):
            lines += [
                f'(set! said (Utterance Text "{_scheme_string(text)}"))',
                "(utt.synth said)",
                f'(utt.save.segs said "{folder / f"{i}.segs"}")',
                f'(utt.save.wave said "{folder / f"{i}.wav"}" \'riff)',
            ]
        script = folder / "speak.scm"
        script.write_text("\n".join(lines), encoding="utf-8")
        _run(["festival", "-b", str(script)], seconds=_SECONDS_A_SENTENCE * (1 + len(texts)))
        return [
            _read_festival(folder / f"{i}.wav", folder / f"{i}.segs", text)
            for i, text in enumerate(texts)
        ]


def _scheme_string(text: str) -> str:
    return text.replace("\\", " ").replace('"', " ")


def _read_festival(sound: Path, labels: Path, text: str) -> Speech:
    segments = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if len(parts) == 3:
            segments.append((parts[2], float(parts[0])))
    samples = read_audio(sound)
    return Speech(samples, _spans_from_ends(segments, len(samples)), text)


def _spans_from_ends(segments: Sequence[tuple[str, float]], count: int) -> tuple[PhoneSpan, ...]:
    spans: list[PhoneSpan] = []
    start, seconds = 0.0, count / SAMPLE_RATE
    for symbol, stop in segments:
        end = min(stop, seconds)
        if end > start:
            spans += split_span(from_arpabet(symbol), start, end)
            start = end
    if start < seconds:
        spans.append(PhoneSpan("sil", start, seconds))
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
        _run(command, seconds=_SECONDS_A_SENTENCE * (1 + len(texts)), given=json.dumps(request))
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


def _run(command: Sequence[str], *, seconds: float, given: str | None = None) -> str:
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
