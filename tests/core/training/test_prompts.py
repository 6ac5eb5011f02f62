# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded prompts: their texts, their sound, how they are said and when."""

import gzip
import json
import subprocess
from collections import Counter
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.engine.choose import choose_engine
from emoface_core.errors import InputError
from emoface_core.training import prompts_letters, synthesis
from emoface_core.training.model_alignment import (
    AlignedWord,
    align_words,
    aligned,
    cut,
    heard_phones,
    phrases,
    trusted,
)
from emoface_core.training.phones import from_arpabet
from emoface_core.training.prompts import PROMPT_SETS, read_texts, recordings
from emoface_core.training.prompts_phones import read_ipa, said, spoken_words
from emoface_core.training.speech_sets import Recording


def needs(program: str) -> pytest.MarkDecorator:
    missing = not synthesis.available(program)
    return pytest.mark.skipif(missing, reason=f"{program} is not here: apt-get install {program}")


DATA = Path(__file__).parent / "data"
LIST = """; a comment: not a prompt
activated: Activated.
agent/ok: "Press 1 / dial 2: now"
letters/dot: dot [.]
beep: [a simple beep]
iax: IAX (note: in English)
twice: one
twice: two
lost: pu? essere
asked: Casella di posta? Premere uno
signs: press * now
"""


def package(root: Path, text: str = LIST) -> Path:
    """`root` as if the English packages had been unpacked into it, with one second of noise."""
    folder = root / "usr/share/doc/asterisk-core-sounds-en"
    folder.mkdir(parents=True)
    (folder / "core-sounds-en.txt.gz").write_bytes(gzip.compress(text.encode("utf-8-sig")))
    sounds = root / "usr/share/asterisk/sounds/en_US_f_Allison"
    sounds.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(0, 3000, SAMPLE_RATE).astype("<i2").tobytes()
    raw = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "-"]
    command = ["ffmpeg", "-v", "error", *raw, "-f", "g722", str(sounds / "activated.g722")]
    subprocess.run(command, input=noise, check=True)
    return root


def test_texts_are_kept_where_they_leave_no_doubt(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text(LIST, encoding="utf-8")
    assert read_texts(path) == {
        "activated": "Activated",
        "agent/ok": "Press 1   dial 2: now",
        "letters/dot": "dot",
        "asked": "Casella di posta? Premere uno",
    }


@needs("ffmpeg")
def test_prompts_are_read_from_unpacked_packages(tmp_path: Path) -> None:
    (only,) = recordings(PROMPT_SETS[0], package(tmp_path))
    assert (only.id, only.text, only.speaker) == ("en/activated", "Activated", "asterisk-en")
    assert only.held_out  # the first of ten
    assert abs(len(only.samples) - SAMPLE_RATE) < 100
    assert np.std(only.samples) == pytest.approx(3000 / 32768, rel=0.1)


@needs("ffmpeg")
def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as problem:
        next(recordings(PROMPT_SETS[0], tmp_path))
    assert "asterisk-core-sounds-en " in problem.value.hint
    sound = package(tmp_path) / "usr/share/asterisk/sounds/en_US_f_Allison/activated.g722"
    sound.unlink()
    with pytest.raises(InputError) as problem:
        next(recordings(PROMPT_SETS[0], tmp_path))
    assert "asterisk-core-sounds-en-g722" in problem.value.hint


def test_one_language_is_held_out_whole() -> None:
    assert [prompts.language for prompts in PROMPT_SETS if prompts.held_out] == ["ru"]


@needs("espeak-ng")
def test_words_are_said_in_their_language() -> None:
    assert spoken_words("deux", "fr") == (("d", "ø"),)
    assert spoken_words("12", "de") == spoken_words("zwölf", "de")
    assert read_ipa("tʃ_ˈaɪ __b\nm_") == (("t", "ʃ", "a", "ɪ"), ("b",), ("m",))


@cache
def heard(index: int) -> np.ndarray:
    return heard_phones(samples(index), choose_engine())


def samples(index: int) -> np.ndarray:
    return read_audio(DATA / f"{entries()[index]['voice']}.ogg")


def entries() -> list[dict]:
    return json.loads((DATA / "flite.json").read_text(encoding="utf-8"))


def words_and_starts(index: int) -> tuple[list[tuple[str, ...]], list[float]]:
    """Groups of sounds as words, and when each group starts, by the voice itself."""
    ends = entries()[index]["ends"]
    said = [
        (name, start)
        for (name, _), start in zip(ends, [0.0, *(end for _, end in ends)], strict=False)
        if name != "pau"
    ]
    groups = [said[i : i + 2] for i in range(0, len(said), 2)]
    words = [tuple(p for name, _ in group for p in from_arpabet(name)) for group in groups]
    return words, [group[0][1] for group in groups]


@pytest.mark.parametrize("index", [0, 1])
def test_words_are_found_when_they_are_spoken(index: int) -> None:
    words, starts = words_and_starts(index)
    seconds = len(samples(index)) / SAMPLE_RATE
    found = align_words(heard(index), words, heard(index).mean(axis=0) + 1e-3, seconds)
    assert [tuple(span.phone for span in word.spans) for word in found] == words
    errors = np.array([w.spans[0].start for w in found]) - starts
    assert np.median(np.abs(errors)) <= 0.012
    assert np.percentile(np.abs(errors), 90) <= 0.04
    spans = [span for word in found for span in word.spans]
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert spans[0].start >= 0 and spans[-1].end <= seconds
    assert trusted(found)


def test_other_words_are_not_trusted() -> None:
    words, _ = words_and_starts(1)
    seconds = len(samples(0)) / SAMPLE_RATE
    found = align_words(heard(0), words, heard(0).mean(axis=0) + 1e-3, seconds)
    assert not trusted(found)


def test_one_word_said_otherwise_is_not_trusted() -> None:
    words, _ = words_and_starts(0)
    seconds = len(samples(0)) / SAMPLE_RATE
    found = list(align_words(heard(0), words, heard(0).mean(axis=0) + 1e-3, seconds))
    found[3] = AlignedWord(found[3].spans * 2, -4.0)
    assert not trusted(found)


def test_a_text_is_parted_at_pauses_and_cut_there() -> None:
    words, _ = words_and_starts(0)
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    twice = np.concatenate([samples(0), pause, samples(0)])
    seconds = len(twice) / SAMPLE_RATE
    sound = heard_phones(twice, choose_engine())
    parts = phrases(align_words(sound, words * 2, heard(0).mean(axis=0) + 1e-3, seconds))
    assert [tuple(s.phone for s in word.spans) for part in parts for word in part] == words * 2
    again = next(i for i, part in enumerate(parts) if part[0].start > len(samples(0)) / SAMPLE_RATE)
    last, first = parts[again - 1], parts[again]
    assert last[-1].end < len(samples(0)) / SAMPLE_RATE < first[0].start

    item, spans = cut(Recording("x", twice, "x", False), first, last[-1].end, np.inf)
    start = round((first[0].start - spans[0].start) * SAMPLE_RATE)
    assert np.array_equal(item.samples, twice[start : start + len(item.samples)])
    assert 0.2 < spans[0].start <= 0.25  # of the pause
    assert [s.phone for s in spans] == [s.phone for word in first for s in word.spans]
    assert spans[-1].end <= len(item.samples) / SAMPLE_RATE


@needs("espeak-ng")
def test_what_cannot_be_aligned_is_counted() -> None:
    dropped: Counter[str] = Counter()
    silent = Recording(
        "a", np.zeros(SAMPLE_RATE // 4, np.float32), "a", False, "far too many words"
    )
    wordless = Recording("b", np.zeros(SAMPLE_RATE, np.float32), "a", False, "…")
    english = partial(said, language="en-us")
    assert not list(aligned([silent, wordless], english, choose_engine(), dropped))
    assert dropped == {"not alignable": 2}


def test_letters_are_read_from_their_list(tmp_path: Path) -> None:
    with pytest.raises(InputError) as problem:
        next(prompts_letters.recordings("de", tmp_path))
    assert prompts_letters.PACKAGE in problem.value.hint
    folder = tmp_path / "usr/share/klettres/de"
    (folder / "alpha").mkdir(parents=True)
    soundfile.write(folder / "alpha/ae.ogg", np.zeros(4000, np.float32), SAMPLE_RATE)
    (folder / "sounds.xml").write_text(
        '<alphabet><sound name="A" file="de/alpha/lost.ogg" />\n'
        '\t<sound name="Ä"   file="de/alpha/ae.ogg" /></alphabet>',
        encoding="utf-8",
    )
    (only,) = prompts_letters.recordings("de", tmp_path)
    assert (only.id, only.text, only.held_out) == ("de/alpha/ae", "ä", False)
    assert len(only.samples) == 4000
