# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus: utterances with phone times from every source, as shards that training reads.

On disk a corpus is a folder with `corpus.json` (what is in it, from where, under which licences:
part of the model's card) and `SOURCE-NNN.npz` shards. Each source is built on its own and kept, so
that a build that was stopped goes on where it was.
"""

import argparse
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.engine.choose import choose_engine
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.face.head import load_head
from emoface_core.files import atomic_path, load_npz
from emoface_core.training import (
    alignment,
    capture,
    nonspeech,
    prompts,
    prompts_alignment,
    prompts_letters,
    speech_sets,
    synthesis,
)
from emoface_core.training.festival_text import word_salad, words
from emoface_core.training.festival_voices import (
    DIPHONE_HELD_OUT,
    DIPHONE_VOICES,
    FESTIVAL_ENGLISH,
)
from emoface_core.training.phones import PHONES, PhoneSpan
from emoface_core.training.pronunciation import Pronunciations
from emoface_core.training.releases import mark_releases
from emoface_core.training.speech_text import SENTENCES, mixed_sentences

FORMAT = 1
_SHARD_SECONDS = 1800.0


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


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a source needs: the data folder, a folder for what took long, hours wanted, a seed."""

    data: Path
    cache: Path
    hours: float
    seed: int
    dropped: Counter[str] = field(default_factory=Counter)
    report: Callable[[str], None] = lambda _line: None
    packages: Path = Path("/")  # what Debian's packages were unpacked or installed into

    def rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])


@dataclass(frozen=True, slots=True)
class Source:
    """Where utterances come from. `hours` is the default amount; data sets give all they have."""

    build: Callable[[BuildContext], Iterator[Utterance]]
    licence: str
    labels: str
    hours: float = 0.0


# --- Sources --------------------------------------------------------------------------------------


def _pcm(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.round(np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)


def _covering(spans: Sequence[PhoneSpan], seconds: float) -> tuple[PhoneSpan, ...]:
    """The spans with silence wherever they leave time uncovered, cut at `seconds`."""
    result: list[PhoneSpan] = []
    at = 0.0
    for span in spans:
        start, end = max(span.start, at), min(span.end, seconds)
        if end - start < 1e-4:
            continue
        if start - at > 1e-4:
            result.append(PhoneSpan("sil", at, start))
        result.append(PhoneSpan(span.phone, max(start, at), end, span.release))
        at = end
    if seconds - at > 1e-4:
        result.append(PhoneSpan("sil", at, seconds))
    return tuple(result)


def _emodb(context: BuildContext) -> Iterator[Utterance]:
    for item in speech_sets.emodb(context.data / "speech" / "emodb"):
        yield _recorded(item, "emodb", item.spans or ())


def _recorded(item: speech_sets.Recording, source: str, spans: Sequence[PhoneSpan]) -> Utterance:
    return Utterance(
        id=f"{source}/{item.id}",
        audio=_pcm(item.samples),
        spans=mark_releases(_covering(spans, len(item.samples) / SAMPLE_RATE), item.samples),
        emotion=item.emotion,
        speaker=item.speaker,
        source=source,
        split="held_out" if item.held_out else "train",
        text=item.text,
    )


def _aligned(
    context: BuildContext, source: str, items: Iterable[speech_sets.Recording]
) -> Iterator[Utterance]:
    """Recordings with the times their phones are found at; what fits badly is dropped."""
    held: dict[str, speech_sets.Recording] = {}

    def known() -> Iterator[tuple[str, NDArray[np.float32], Sequence[Sequence[str]]]]:
        for item in items:
            held[item.id] = item
            yield item.id, item.samples, item.words or ()

    cache = alignment.AlignmentCache(context.cache / f"{source}.jsonl")
    for key, segments in alignment.align_all(known(), cache):
        item = held.pop(key)
        if not segments:
            context.dropped["not alignable"] += 1
        elif not alignment.quality(segments).good:
            context.dropped["poor alignment"] += 1
        else:
            spans = alignment.settle(alignment.segment_spans(segments), item.samples)
            yield _recorded(item, source, spans)


def _speechocean762(context: BuildContext) -> Iterator[Utterance]:
    items = speech_sets.speechocean762(context.data / "speech" / "speechocean762")
    return _aligned(context, "speechocean762", items)


def _ljspeech(context: BuildContext) -> Iterator[Utterance]:
    pronunciations = Pronunciations.load()
    items = speech_sets.ljspeech(context.data / "speech" / "ljspeech")
    return _aligned(context, "ljspeech", (pronunciations.with_words(item) for item in items))


def _asterisk(context: BuildContext) -> Iterator[Utterance]:
    engine = choose_engine()
    for speaker in prompts.PROMPT_SETS:
        items = prompts.recordings(speaker, context.packages)
        found = prompts_alignment.aligned(items, speaker.voice, engine, context.dropped)
        for item, spans in found:
            yield _recorded(item, "asterisk", spans)


def _klettres(context: BuildContext) -> Iterator[Utterance]:
    engine = choose_engine()
    for language, voice in prompts_letters.LANGUAGES.items():
        items = prompts_letters.recordings(language, context.packages)
        for item, spans in prompts_alignment.aligned(items, voice, engine, context.dropped):
            yield _recorded(item, "klettres", spans)


def _facegood(context: BuildContext) -> Iterator[Utterance]:
    for take in speech_sets.facegood(context.data / "motion" / "facegood"):
        curves = capture.rig_curves(take.curves, take.names, take.fps)
        for number, (first, last) in enumerate(capture.stretches(take.samples)):
            samples = take.samples[first * capture.HOP : last * capture.HOP]
            moving = curves[first : last + 2]
            spans = capture.spans_seen(moving, samples)
            yield Utterance(
                id=f"facegood/{take.id}-{number:02d}",
                audio=_pcm(samples),
                spans=_covering(spans, len(samples) / SAMPLE_RATE),
                emotion=None,
                speaker="facegood",
                source="facegood",
                split="held_out" if take.held_out else "train",
                text="",
                curves=moving.astype(np.float16),
            )


def _english_texts(context: BuildContext, rng: np.random.Generator) -> Iterator[str]:
    """Own sentences and speechocean762's, for ever, in a random order."""
    folder = context.data / "speech" / "speechocean762"
    texts = [*SENTENCES["en-us"]]
    if folder.is_dir():
        texts += sorted({text.lower() for text in speech_sets.speechocean762_texts(folder)})
    while True:
        # Own sentences are few but rich in closures: each third text is one of them.
        for i in rng.permutation(len(texts)):
            yield str(texts[i])
            if rng.random() < 0.3:
                yield str(rng.choice(SENTENCES["en-us"]))


def _flite(context: BuildContext) -> Iterator[Utterance]:
    rng = context.rng("flite")
    texts = _english_texts(context, rng)
    pitch = {"slt": (150.0, 230.0), "awb": (85.0, 150.0)}
    for voice, share in (("slt", 0.45), ("awb", 0.45), ("rms", 0.1)):
        seconds, index = 0.0, 0
        while seconds < context.hours * 3600 * share:
            speech = synthesis.flite(
                next(texts),
                voice,
                stretch=float(rng.uniform(0.75, 1.35)),
                pitch_hz=float(rng.uniform(*pitch[voice])) if voice in pitch else None,
                pitch_range_hz=float(rng.uniform(8, 45)) if voice in pitch else None,
            )
            utterance = _spoken(speech, f"flite-{voice}", index, held_out=voice == "rms")
            seconds += utterance.seconds
            index += 1
            yield utterance


def _spoken(speech: synthesis.Speech, voice: str, index: int, *, held_out: bool) -> Utterance:
    return Utterance(
        id=f"{voice}/{index:05d}",
        audio=_pcm(speech.samples),
        spans=mark_releases(
            _covering(speech.spans, len(speech.samples) / SAMPLE_RATE), speech.samples
        ),
        emotion=None,
        speaker=voice,
        source=voice.split("-", maxsplit=1)[0],
        split="held_out" if held_out else "train",
        text=speech.text,
    )


def _festival(context: BuildContext) -> Iterator[Utterance]:
    rng = context.rng("festival")
    texts = _english_texts(context, rng)
    for voice in FESTIVAL_ENGLISH:
        seconds, index = 0.0, 0
        while seconds < context.hours * 3600 / len(FESTIVAL_ENGLISH):
            batch = [next(texts) for _ in range(40)]
            stretch = float(rng.uniform(0.85, 1.35))
            for speech in synthesis.festival(batch, voice, stretch=stretch):
                utterance = _spoken(speech, f"festival-{voice}", index, held_out=False)
                seconds += utterance.seconds
                index += 1
                yield utterance


def _diphone(context: BuildContext) -> Iterator[Utterance]:
    if missing := sorted(DIPHONE_VOICES.keys() - synthesis.festival_voices()):
        packages = " ".join(DIPHONE_VOICES[voice].package for voice in missing)
        raise synthesis.SynthesisError(
            f"Festival lacks the voices {', '.join(missing)}.", f"apt-get install {packages}"
        )
    for language in {speaker.language for speaker in DIPHONE_VOICES.values()}:
        words(language)  # a missing dictionary is said now, not after ten minutes
    for voice, speaker in DIPHONE_VOICES.items():
        rng = context.rng(f"diphone-{voice}")
        seconds, index = 0.0, 0
        while seconds < context.hours * 3600 / len(DIPHONE_VOICES):
            speeches = synthesis.festival(
                word_salad(speaker.language, 60, rng),
                voice,
                stretch=rng.uniform(0.8, 1.35, 60).tolist(),
                pitch=np.exp(rng.uniform(-0.25, 0.22, 60)).tolist(),
            )
            for speech in speeches:
                utterance = _spoken(
                    speech, f"diphone-{voice}", index, held_out=voice in DIPHONE_HELD_OUT
                )
                seconds += utterance.seconds
                index += 1
                yield utterance


ESPEAK_VARIANTS = (
    "",
    "m1",
    "m3",
    "m7",
    "f2",
    "f3",
    "f5",
    "Andy",
    "linda",
    "klatt",
    "Alicia",
    "max",
)
ESPEAK_HELD_OUT_VARIANT = "f4"


def _espeak(context: BuildContext) -> Iterator[Utterance]:
    rng = context.rng("espeak")
    languages = sorted(SENTENCES)
    variants = [*ESPEAK_VARIANTS, ESPEAK_HELD_OUT_VARIANT]
    total, turn = 0.0, 0
    while total < context.hours * 3600:
        language = languages[turn % len(languages)]
        variant = variants[turn % len(variants)]
        voice = f"{language}+{variant}" if variant else language
        texts = mixed_sentences(language, 20, rng)
        held_out = variant == ESPEAK_HELD_OUT_VARIANT
        try:
            speeches = synthesis.espeak(
                [str(text) for text in rng.permutation(texts)],
                voice,
                rate=int(rng.integers(120, 210)),
                pitch=int(rng.integers(25, 75)),
                pitch_range=int(rng.integers(20, 85)),
            )
        except synthesis.SynthesisError as error:
            context.report(f"{voice}: {error}")
            context.dropped["batches that failed"] += 1
            speeches = []
        for i, speech in enumerate(speeches):
            utterance = _spoken(speech, f"espeak-{voice}", turn * 100 + i, held_out=held_out)
            if any(span.phone != "sil" for span in utterance.spans):
                total += utterance.seconds
                yield utterance
        turn += 1
        if turn > 20 * len(languages) and not total:
            raise EmoFaceError("espeak-ng said nothing at all.", "Check its installation.")


def _nonspeech(context: BuildContext) -> Iterator[Utterance]:
    rng = context.rng("nonspeech")
    seconds, index = 0.0, 0
    while seconds < context.hours * 3600:
        kind, samples = nonspeech.make(rng)
        held_out = index % 10 == 0
        utterance = Utterance(
            id=f"nonspeech/{kind}-{index:05d}",
            audio=_pcm(samples),
            spans=(PhoneSpan("sil", 0.0, len(samples) / SAMPLE_RATE),),
            emotion=None,
            speaker=f"nonspeech-{kind}",
            source="nonspeech",
            split="held_out" if held_out else "train",
            text="",
        )
        seconds += utterance.seconds
        index += 1
        yield utterance


SOURCES: dict[str, Source] = {
    "emodb": Source(_emodb, "Berlin EmoDB (Burkhardt et al. 2005), CC0", "by hand"),
    "facegood": Source(_facegood, "FACEGOOD Audio2Face, MIT", "captured motion, no phones"),
    "ljspeech": Source(_ljspeech, "LJ Speech, public domain", "forced alignment (pocketsphinx)"),
    "flite": Source(_flite, "flite voices slt, awb, rms (CMU, free)", "exact, by the voice", 1.2),
    "festival": Source(
        _festival, "festival ked, kal, cmu_us_slt_arctic_hts (free)", "exact, by the voice", 0.6
    ),
    "diphone": Source(
        _diphone,
        "festival: "
        + ", ".join(f"{key} ({voice.licence})" for key, voice in DIPHONE_VOICES.items()),
        "exact, by the voice",
        2.6,
    ),
    "espeak": Source(_espeak, "espeak-ng (GPL program; its sound is free)", "by the voice", 1.2),
    "asterisk": Source(
        _asterisk, prompts.LICENCE, "forced alignment by the bundled model, texts by espeak-ng"
    ),
    "klettres": Source(
        _klettres,
        prompts_letters.LICENCE,
        "forced alignment by the bundled model, texts by espeak-ng",
    ),
    "nonspeech": Source(_nonspeech, "made by this program", "silence throughout", 0.3),
    "speechocean762": Source(
        _speechocean762,
        "speechocean762, free for commercial and non-commercial use",
        "forced alignment (pocketsphinx) of the phones that the data set gives",
    ),
}


# --- Disk -----------------------------------------------------------------------------------------


def _write_shard(path: Path, utterances: Sequence[Utterance]) -> None:
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


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk."""

    folder: Path
    info: Mapping[str, Any]

    def utterances(
        self, split: str | None = None, sources: Iterable[str] | None = None
    ) -> Iterator[Utterance]:
        """Utterances shard by shard (one shard in memory), perhaps of one split or some sources."""
        chosen = set(self.info["sources"]) if sources is None else set(sources)
        for name, about in self.info["sources"].items():
            if name not in chosen:
                continue
            for shard in about["shards"]:
                for utterance in read_shard(self.folder / shard):
                    if split is None or utterance.split == split:
                        yield utterance


def open_corpus(folder: Path | str) -> Corpus:
    """A corpus that `build` made. InputError if there is none."""
    folder = Path(folder)
    path = folder / "corpus.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(
            f"There is no corpus in “{folder}”.",
            "Make one: python -m emoface_core corpus build --data DIR --out DIR",
        ) from None
    except json.JSONDecodeError:
        raise InputError(f"“{path}” is damaged.", "Build the corpus again.") from None
    if info.get("format") != FORMAT:
        raise InputError(f"“{path}” is of another version.", "Build the corpus again.")
    return Corpus(folder, info)


def build(
    data: Path,
    out: Path,
    *,
    sources: Sequence[str] | None = None,
    hours: Mapping[str, float] | None = None,
    seed: int = 1,
    packages: Path = Path("/"),
    report: Callable[[str], None] = lambda _line: None,
) -> Corpus:
    """Build a corpus from the data sets in `data`, Debian's packages and this machine's voices.

    A source that is already there with the same hours and seed is kept; `corpus.json` is written
    after each source, so that a growing corpus can be used.
    """
    names = list(SOURCES) if sources is None else list(sources)
    for name in names:
        if name not in SOURCES:
            raise InputError(f"There is no source “{name}”.", f"Use of: {', '.join(SOURCES)}.")
    cache = out / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in names:
        wanted = float((hours or {}).get(name, SOURCES[name].hours))
        stored = _source_info(out, name)
        if stored and (stored["hours_wanted"], stored["seed"]) == (wanted, seed):
            report(f"{name}: kept")
        else:
            report(f"{name}: building")
            context = BuildContext(data, cache, wanted, seed, Counter(), report, packages)
            _build_source(name, context, out)
        _write_index(out, seed)
        report(describe_source(name, _source_info(out, name) or {}))
    return open_corpus(out)


def _source_path(out: Path, name: str) -> Path:
    return out / "cache" / f"{name}.source.json"


def _source_info(out: Path, name: str) -> dict[str, Any] | None:
    path = _source_path(out, name)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _build_source(name: str, context: BuildContext, out: Path) -> None:
    shards: list[str] = []
    held: list[Utterance] = []
    tally = _Tally()

    def flush() -> None:
        if held:
            shard = f"{name}-{len(shards):03d}.npz"
            _write_shard(out / shard, held)
            shards.append(shard)
            held.clear()

    for utterance in SOURCES[name].build(context):
        tally.add(utterance)
        held.append(utterance)
        if sum(u.seconds for u in held) >= _SHARD_SECONDS:
            flush()
    flush()
    info = {
        "licence": SOURCES[name].licence,
        "labels": SOURCES[name].labels,
        "hours_wanted": context.hours,
        "seed": context.seed,
        **tally.info(),
        "dropped": dict(context.dropped),
        "shards": shards,
    }
    with atomic_path(_source_path(out, name)) as temporary:
        temporary.write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


class _Tally:
    def __init__(self) -> None:
        self.counts = {"train": 0, "held_out": 0}
        self.seconds = {"train": 0.0, "held_out": 0.0}
        self.speakers: dict[str, set[str]] = {"train": set(), "held_out": set()}
        self.emotions: Counter[str] = Counter()
        self.phones: dict[str, float] = dict.fromkeys(PHONES, 0.0)

    def add(self, utterance: Utterance) -> None:
        self.counts[utterance.split] += 1
        self.seconds[utterance.split] += utterance.seconds
        self.speakers[utterance.split].add(utterance.speaker)
        self.emotions[utterance.emotion or "unknown"] += 1
        for span in utterance.spans:
            self.phones[span.phone] += span.end - span.start

    def info(self) -> dict[str, Any]:
        splits = {
            split: {
                "utterances": count,
                "hours": round(self.seconds[split] / 3600, 3),
                "speakers": len(self.speakers[split]),
            }
            for split, count in self.counts.items()
        }
        phones = {phone: round(self.phones[phone], 1) for phone in PHONES if self.phones[phone]}
        return {**splits, "emotions": dict(self.emotions), "phone_seconds": phones}


def _write_index(out: Path, seed: int) -> None:
    sources = {name: info for name in SOURCES if (info := _source_info(out, name))}
    info = {
        "format": FORMAT,
        "sample_rate": SAMPLE_RATE,
        "phones": list(PHONES),
        "seed": seed,
        "hours": {
            split: round(sum(source[split]["hours"] for source in sources.values()), 3)
            for split in ("train", "held_out")
        },
        "sources": sources,
    }
    with atomic_path(out / "corpus.json") as temporary:
        temporary.write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


# --- Command line ---------------------------------------------------------------------------------


def describe_source(name: str, info: Mapping[str, Any]) -> str:
    """One line: what a source holds."""
    train, held_out = info["train"], info["held_out"]
    dropped = ", ".join(f"{count} {why}" for why, count in info["dropped"].items())
    return (
        f"{name:15} train {train['hours']:6.3f} h, {train['utterances']:5} utterances, "
        f"{train['speakers']:3} speakers | held out {held_out['hours']:6.3f} h, "
        f"{held_out['utterances']:4}, {held_out['speakers']:3} | {info['labels']}"
        + (f" | dropped: {dropped}" if dropped else "")
    )


def main(argv: list[str]) -> int:
    """`build --data DIR --out DIR [--sources a,b] [--hours a=1,b=2]`, `info DIR`, `check DIR`."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core corpus", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("build", help="build a corpus, or go on building one")
    making.add_argument("--data", type=Path, required=True, help="folder with speech/…")
    making.add_argument("--out", type=Path, required=True, help="folder to build in")
    making.add_argument("--sources", help=f"some of {','.join(SOURCES)} (default: all)")
    making.add_argument("--hours", help="hours of synthetic sources, such as flite=1.5,espeak=1")
    making.add_argument("--seed", type=int, default=1)
    making.add_argument(
        "--packages",
        type=Path,
        default=Path("/"),
        help="folder that Debian's packages were unpacked into (default: installed ones)",
    )
    telling = commands.add_parser("info", help="what a corpus holds")
    telling.add_argument("folder", type=Path)
    checking = commands.add_parser("check", help="how good a corpus's labels are")
    checking.add_argument("folder", type=Path)
    checking.add_argument("--count", type=int, default=150, help="utterances of each source")
    options = parser.parse_args(argv)
    if options.command == "check":
        from emoface_core.training.corpus_check import check  # it builds on this module

        for line in check(open_corpus(options.folder), options.count):
            _say(line)
        return 0
    if options.command == "build":
        build(
            options.data,
            options.out,
            sources=options.sources.split(",") if options.sources else None,
            hours=_parse_hours(options.hours),
            seed=options.seed,
            packages=options.packages,
            report=_say,
        )
        return 0
    corpus = open_corpus(options.folder)
    for name, info in corpus.info["sources"].items():
        _say(describe_source(name, info))
        _say(f"{'':15} {info['licence']}")
    hours = corpus.info["hours"]
    _say(f"{'all':15} train {hours['train']:.3f} h | held out {hours['held_out']:.3f} h")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parse_hours(text: str | None) -> dict[str, float]:
    result = {}
    for item in (text or "").split(","):
        if not item:
            continue
        name, _, value = item.partition("=")
        try:
            result[name] = float(value)
        except ValueError:
            raise InputError(f"“{item}” does not give hours.", "Write --hours flite=1.5") from None
    return result
