# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a corpus's utterances come from: recordings, captures and voices, each with its licence."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.engine.choose import choose_engine
from emoface_core.engine.interface import Engine
from emoface_core.errors import EmoFaceError
from emoface_core.training import (
    alignment,
    capture,
    dialogues,
    japanese_voice,
    model_alignment,
    nonspeech,
    prompts,
    prompts_letters,
    prompts_phones,
    prompts_stamps,
    speech_sets,
    statistical_voices,
    synthesis,
)
from emoface_core.training.festival_voices import (
    DIPHONE_HELD_OUT,
    DIPHONE_VOICES,
    FESTIVAL_ENGLISH,
)
from emoface_core.training.phones import PhoneSpan, from_arpabet
from emoface_core.training.pronunciation import Pronunciations
from emoface_core.training.releases import mark_releases
from emoface_core.training.shards import Utterance
from emoface_core.training.speech_text import SENTENCES, mixed_sentences
from emoface_core.training.word_salad import word_salad, words


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


def _heard(
    context: BuildContext,
    source: str,
    items: Iterable[speech_sets.Recording],
    said: Callable[[speech_sets.Recording], model_alignment.Words],
    engine: Engine,
) -> Iterator[Utterance]:
    """Recordings with the times that the bundled model hears their phones at."""
    for item, spans in model_alignment.aligned(items, said, engine, context.dropped):
        yield _recorded(item, source, spans)


def _speechocean762(context: BuildContext) -> Iterator[Utterance]:
    """The phones that the data set gives, where the model hears them: better than a recogniser of
    native speakers finds them, which loses one in seven of these readers."""

    def phones(item: speech_sets.Recording) -> list[tuple[str, ...]]:
        return [tuple(p for a in word for p in from_arpabet(a)) for word in item.words or ()]

    items = speech_sets.speechocean762(context.data / "speech" / "speechocean762")
    return _heard(context, "speechocean762", items, phones, choose_engine())


def _ljspeech(context: BuildContext) -> Iterator[Utterance]:
    pronunciations = Pronunciations.load()
    items = speech_sets.ljspeech(context.data / "speech" / "ljspeech")
    return _aligned(context, "ljspeech", (pronunciations.with_words(item) for item in items))


def _asterisk(context: BuildContext) -> Iterator[Utterance]:
    engine = choose_engine()
    for speaker in prompts.PROMPT_SETS:
        items = prompts.recordings(speaker, context.packages)
        said = partial(prompts_phones.said, language=speaker.voice)
        yield from _heard(context, "asterisk", items, said, engine)


def _by_language(
    context: BuildContext,
    source: str,
    languages: Mapping[str, str],
    recordings: Callable[[str, Path], Iterable[speech_sets.Recording]],
) -> Iterator[Utterance]:
    """Recordings of each language (espeak-ng's names by the source's own) with their texts."""
    engine = choose_engine()
    for language, voice in languages.items():
        said = partial(prompts_phones.said, language=voice)
        yield from _heard(context, source, recordings(language, context.packages), said, engine)


def _klettres(context: BuildContext) -> Iterator[Utterance]:
    return _by_language(context, "klettres", prompts_letters.LANGUAGES, prompts_letters.recordings)


def _stamps(context: BuildContext) -> Iterator[Utterance]:
    return _by_language(context, "stamps", prompts_stamps.LANGUAGES, prompts_stamps.recordings)


def _dialogues(context: BuildContext) -> Iterator[Utterance]:
    languages = {language: language for language in dialogues.LANGUAGES}
    return _by_language(context, "dialogues", languages, dialogues.recordings)


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


def _statistical(context: BuildContext) -> Iterator[Utterance]:
    statistical_voices.require()
    engine, count = choose_engine(), 40
    full = context.hours * 3600 / sum(v.share for v in statistical_voices.VOICES.values())
    for key, voice in statistical_voices.VOICES.items():
        rng = context.rng(f"statistical-{key}")
        said = partial(prompts_phones.said, language=voice.language)
        seconds, first = 0.0, 0
        while seconds < full * voice.share:
            items = statistical_voices.recordings(key, rng, count, first)
            fitting = list(_heard(context, "statistical", items, said, engine))
            if not fitting:
                raise EmoFaceError(
                    f"Nothing that the voice “{key}” says fits its text.",
                    "Train the bundled model again, or leave the source “statistical” out.",
                )
            seconds += sum(utterance.seconds for utterance in fitting)
            first += count
            yield from fitting


def _japanese(context: BuildContext) -> Iterator[Utterance]:
    rng = context.rng("japanese")
    seconds, index = 0.0, 0
    while seconds < context.hours * 3600:
        for text in japanese_voice.texts(40, rng):
            speech = japanese_voice.speak(
                text, speed=float(rng.uniform(0.8, 1.25)), semitones=float(rng.uniform(-3, 4))
            )
            held_out = index % japanese_voice.HELD_OUT_EVERY == 0
            utterance = _spoken(speech, "japanese-nitech", index, held_out=held_out)
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


_BY_EAR = "forced alignment by the bundled model, texts by espeak-ng"

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
    "asterisk": Source(_asterisk, prompts.LICENCE, _BY_EAR),
    "klettres": Source(_klettres, prompts_letters.LICENCE, _BY_EAR),
    "dialogues": Source(_dialogues, dialogues.LICENCE, _BY_EAR),
    "stamps": Source(_stamps, prompts_stamps.LICENCE, _BY_EAR),
    "statistical": Source(_statistical, statistical_voices.LICENCE, _BY_EAR, 3.0),
    "japanese": Source(_japanese, japanese_voice.LICENCE, "exact, by the voice", 0.25),
    "nonspeech": Source(_nonspeech, "made by this program", "silence throughout", 0.3),
    "speechocean762": Source(
        _speechocean762,
        "speechocean762, free for commercial and non-commercial use",
        "forced alignment, by the bundled model, of the phones that the data set gives",
    ),
}
