# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus on disk, its sources and its command."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core.audio.files import read_audio
from emoface_core.errors import InputError
from emoface_core.training import corpus, nonspeech, shards, sources, speech_sets
from emoface_core.training.corpus import open_corpus
from emoface_core.training.corpus_check import alignment_errors, levels
from emoface_core.training.phones import PHONES, PhoneSpan
from emoface_core.training.shards import Utterance, read_shard
from emoface_core.training.synthesis import Speech, _spans_from_ends

SPANS = (
    PhoneSpan("sil", 0.0, 0.125),
    PhoneSpan("p", 0.125, 0.25, 0.1875),
    PhoneSpan("a", 0.25, 0.5),
)


def utterance(index: int, *, held_out: bool = False) -> Utterance:
    rng = np.random.default_rng(index)
    return Utterance(
        id=f"test/{index}",
        audio=rng.integers(-3000, 3000, 8000).astype(np.int16),
        spans=SPANS,
        emotion="happy" if index % 2 else None,
        speaker=f"speaker-{index % 3}",
        source="flite",
        split="held_out" if held_out else "train",
        text="Grüße, 你好",
    )


def test_a_shard_keeps_everything(tmp_path: Path) -> None:
    made = [utterance(i) for i in range(4)]
    shards.write_shard(tmp_path / "x.npz", made)
    for before, after in zip(made, read_shard(tmp_path / "x.npz"), strict=True):
        assert np.array_equal(before.audio, after.audio)
        assert after.audio.dtype == np.int16
        assert before.spans == after.spans
        assert (before.id, before.emotion, before.text) == (after.id, after.emotion, after.text)
        assert (before.speaker, before.source, before.split) == (
            after.speaker, after.source, after.split,
        )  # fmt: skip
        assert after.seconds == 0.5
    assert all(span.phone in PHONES for span in after.spans)


def test_a_shard_keeps_captured_motion(tmp_path: Path) -> None:
    made = [utterance(i) for i in range(3)]
    curves = np.random.default_rng(0).random((27, 57)).astype(np.float16)
    made[1] = dataclasses.replace(made[1], curves=curves)
    shards.write_shard(tmp_path / "x.npz", made)
    first, second, third = read_shard(tmp_path / "x.npz")
    assert first.curves is None and third.curves is None
    assert np.array_equal(second.curves, curves)


def test_a_foreign_file_is_no_shard(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(InputError, match="not a shard"):
        list(read_shard(tmp_path / "x.npz"))


def made_from(utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the source flite be these; counts how often it is built."""
    built: list[int] = []

    def source(_context: sources.BuildContext):
        built.append(1)
        yield from utterances

    monkeypatch.setitem(corpus.SOURCES, "flite", sources.Source(source, "free", "exact", 1.0))
    return built


def test_building_opening_and_keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [utterance(i, held_out=i == 3) for i in range(7)]
    built = made_from(made, monkeypatch)
    monkeypatch.setattr(corpus, "_SHARD_SECONDS", 1.0)
    out = tmp_path / "corpus"
    opened = corpus.build(tmp_path, out, sources=["flite"])
    info = opened.info["sources"]["flite"]
    assert info["train"] == {
        "utterances": 6,
        "hours": pytest.approx(6 / 7200, abs=1e-3),
        "speakers": 3,
    }
    assert info["held_out"]["utterances"] == 1
    assert len(info["shards"]) == 4
    assert info["emotions"] == {"unknown": 4, "happy": 3}
    assert info["phone_seconds"]["p"] == pytest.approx(7 * 0.125, abs=0.1)
    assert [u.id for u in opened.utterances()] == [u.id for u in made]
    assert [u.id for u in open_corpus(out).utterances("held_out")] == ["test/3"]
    assert list(opened.utterances(sources=["emodb"])) == []
    corpus.build(tmp_path, out, sources=["flite"])
    assert len(built) == 1
    corpus.build(tmp_path, out, sources=["flite"], hours={"flite": 2.0})
    assert len(built) == 2


def test_a_corpus_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no corpus"):
        open_corpus(tmp_path)
    (tmp_path / "corpus.json").write_text("{half", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        open_corpus(tmp_path)
    (tmp_path / "corpus.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(InputError, match="version"):
        open_corpus(tmp_path)


def test_gaps_become_silence_and_overlaps_go() -> None:
    spans = [PhoneSpan("a", 0.1, 0.3), PhoneSpan("p", 0.25, 0.5, 0.4), PhoneSpan("u", 0.6, 9.0)]
    covered = sources._covering(spans, 1.0)
    assert [(s.phone, s.start, s.end) for s in covered] == [
        ("sil", 0.0, 0.1), ("a", 0.1, 0.3), ("p", 0.3, 0.5), ("sil", 0.5, 0.6), ("u", 0.6, 1.0),
    ]  # fmt: skip
    assert covered[2].release == 0.4


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "corpus"
    arguments = ["build", "--data", str(tmp_path), "--out", str(out)]
    assert corpus.main([*arguments, "--sources", "nonspeech", "--hours", "nonspeech=0.01"]) == 0
    assert corpus.main(["info", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "nonspeech" in printed
    assert "made by this program" in printed
    index = json.loads((out / "corpus.json").read_text(encoding="utf-8"))
    assert index["phones"] == list(PHONES)
    for item in open_corpus(out).utterances():
        assert [span.phone for span in item.spans] == ["sil"]
    with pytest.raises(InputError, match="no source"):
        corpus.main([*arguments, "--sources", "nonsense"])
    with pytest.raises(InputError, match="hours"):
        corpus.main([*arguments, "--hours", "flite=much"])


def test_check_measures_alignment_and_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(__file__).parent / "data"
    entries = json.loads((data / "flite.json").read_text(encoding="utf-8"))
    spoken = []
    for entry in entries:
        samples = read_audio(data / f"{entry['voice']}.ogg")
        ends = [(name, min(end, len(samples) / 16000)) for name, end in entry["ends"]]
        speech = Speech(samples, _spans_from_ends(ends, len(samples)), entry["text"])
        spoken.append(sources._spoken(speech, f"flite-{entry['voice']}", 0, held_out=False))
    made_from(spoken, monkeypatch)
    built = corpus.build(tmp_path, tmp_path / "corpus", sources=["flite"])
    errors, failed = alignment_errors(built.utterances(), "flite")
    everything = next(error for error in errors if error.phones == "all")
    assert failed == 0
    assert everything.count > 60
    assert everything.median <= 13
    assert abs(everything.bias) <= 7
    found = levels(built.utterances())
    assert found["p"] < found["a"] - 15
    assert found["sil"] < found["m"] - 15
    assert corpus.main(["check", str(tmp_path / "corpus")]) == 0
    assert "flite" in capsys.readouterr().out


def test_nonspeech_of_every_kind() -> None:
    rng = np.random.default_rng(0)
    for make in nonspeech.KINDS.values():
        samples = make(40000, rng)
        assert samples.shape == (40000,)
        assert np.isfinite(samples).all()
    kinds = {nonspeech.make(rng)[0] for _ in range(60)}
    assert kinds == set(nonspeech.KINDS)
    one, two = (nonspeech.make(np.random.default_rng(4))[1] for _ in range(2))
    assert np.array_equal(one, two)


# --- Data sets, as small files of the true form ---------------------------------------------------

LABLAUT = """signal wochenAO
type 0
color 125
separator ;
nfields 1
#
    0.080109   -1 _p
    0.119160   -1 !p\t+asp
    0.144370   -1 a\t\t2
    0.244223   -1 m
    0.348031   -1 .
"""


def write_sound(path: Path, seconds: float = 0.5) -> None:
    soundfile.write(path, 0.1 * np.sin(np.arange(round(16000 * seconds)) / 8), 16000)


def test_emodb(tmp_path: Path) -> None:
    for name in ("03a01Fa", "14a01Wa", "03a02Nc", "08b03Lb", "09a01Ta"):
        write_sound(tmp_path / f"{name}.flac")
        (tmp_path / f"{name}xx.lablaut").write_text(LABLAUT, encoding="latin-1")
    write_sound(tmp_path / "08a01Ab.flac")
    (tmp_path / "08a01Abxx.lablaut").write_text("signal x\n#\n", encoding="latin-1")
    items = {item.id: item for item in speech_sets.emodb(tmp_path)}
    assert {name: item.held_out for name, item in items.items()} == {
        "03a01Fa": False, "14a01Wa": True, "03a02Nc": True, "08b03Lb": True, "09a01Ta": False,
    }  # fmt: skip
    assert items["03a01Fa"].emotion == "happy"
    assert items["08b03Lb"].emotion == "calm"
    assert items["14a01Wa"].speaker == "emodb-14"
    spans = items["03a01Fa"].spans
    assert spans is not None
    assert [span.phone for span in spans] == ["sil", "p", "a", "m", "sil"]
    assert spans[1].start == pytest.approx(0.080109)
    assert spans[1].release == pytest.approx(0.119160)
    assert spans[-1].end == pytest.approx(0.5)


def test_speechocean762_and_ljspeech(tmp_path: Path) -> None:
    rows = ["utterance\tspeaker\tage\ttext\tphones"]
    for speaker in range(20):
        name = f"{speaker:04d}1"
        soundfile.write(
            tmp_path / f"{name}.ogg", np.zeros(8000), 16000, format="OGG", subtype="OPUS"
        )
        rows.append(f"{name}\t{speaker:04d}\t7\tMY MAP\tM_B AY0_E | M_B AE0_I P_E")
    (tmp_path / "utterances.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    items = list(speech_sets.speechocean762(tmp_path))
    assert items[0].words == (("M", "AY"), ("M", "AE", "P"))
    assert sum(item.held_out for item in items) == 2
    assert speech_sets.speechocean762_texts(tmp_path) == ["MY MAP"] * 20

    write_sound(tmp_path / "LJ001-0001.flac")
    (tmp_path / "metadata.csv").write_text(
        "audio_file|text|transcription|speaker_name\n"
        'wavs/LJ001-0001.flac|In "1455"|In "fourteen fifty-five"|ljspeech-0\n',
        encoding="utf-8",
    )
    (item,) = speech_sets.ljspeech(tmp_path)
    assert (item.id, item.text) == ("LJ001-0001", 'In "fourteen fifty-five"')


def test_facegood(tmp_path: Path) -> None:
    write_sound(tmp_path / "1114_2_05.flac", 1.0)
    np.savez(
        tmp_path / "1114_2_05.npz",
        values=np.ones((30, 2), np.float32), names=np.array(["jaw", "lip"]), fps=np.array(30),
    )  # fmt: skip
    (take,) = speech_sets.facegood(tmp_path)
    assert (take.names, take.fps, take.held_out) == (("jaw", "lip"), 30.0, True)
    assert take.curves.shape == (30, 2)
    assert take.lag_frames == (1, 2)


@pytest.mark.parametrize(
    "read",
    [speech_sets.emodb, speech_sets.speechocean762, speech_sets.ljspeech, speech_sets.facegood],
)
def test_a_data_set_that_is_not_there(tmp_path: Path, read) -> None:
    with pytest.raises(InputError):
        next(read(tmp_path / "nowhere"))
