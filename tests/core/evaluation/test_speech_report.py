# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of held-out speech, on small made data of the real form."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from emoface_core.errors import InputError
from emoface_core.evaluation.performers import Acted, Heard, Loudness, OutOfStep, Teacher
from emoface_core.evaluation.speech_report import at_rate, speech_report
from emoface_core.evaluation.speech_table import Row, as_json, table
from emoface_core.face.head import load_head
from emoface_core.face.measures import jaw_opening, lip_gap
from emoface_core.training.phones import PhoneSpan

# What EmoDB's labellers would write of "das will sie am Mittwoch abgeben", or nearly.
LABELS = """signal {name}
#
    0.30  -1  d
    0.38  -1  a
    0.52  -1  m
    0.62  -1  i
    0.74  -1  _p
    0.82  -1  !p
    0.86  -1  a:
    1.02  -1  f
    1.12  -1  u:
    1.28  -1  v
    1.36  -1  E
    1.50  -1  _b
    1.58  -1  !b
    1.60  -1  o:
    1.80  -1  .
"""
NAMES = ("14a01Nb", "15a02Wa", "03b01Fa", "08a01Ta")  # two held out, two to learn from


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    emodb, facegood = root / "speech" / "emodb", root / "motion" / "facegood"
    emodb.mkdir(parents=True)
    facegood.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in NAMES:
        voice = rng.normal(0, 0.05, 32000)
        voice[:4800] = voice[28800:] = 0
        soundfile.write(emodb / f"{name}.flac", voice, 16000)
        (emodb / f"{name}xx.lablaut").write_text(LABELS.format(name=name), encoding="latin-1")
    curves = np.zeros((60, 2), np.float32)
    curves[:, 0] = 0.3 + 0.3 * np.sin(np.arange(60) / 3)
    names = np.array(["mouth_stretch_c", "brow_raise_l"])
    np.savez(facegood / "1114_2_05.npz", values=curves, names=names, fps=30)
    soundfile.write(facegood / "1114_2_05.flac", rng.normal(0, 0.05, 32000), 16000)
    return root


class Chewing:
    """Opens the jaw by a sine that the made capture has, whatever is said; hears happiness."""

    name = "chewing"

    def perform(self, heard: Heard) -> Acted:
        """As the class says."""
        head = load_head()
        frames = round(heard.seconds * 50)
        course = 0.3 + 0.3 * np.sin(np.arange(frames) / 5)
        voice = np.zeros((frames, 8), np.float32)
        voice[:, 2] = 1
        return Acted(
            fps=50.0,
            speech=(course[:, None, None] * head.shape("jawOpen")).astype(np.float32),
            visemes=np.full(frames, 10),
            voice=voice,
        )


@pytest.fixture(scope="module")
def report(data):
    teacher = Teacher(50.0)
    return speech_report(
        data,
        [teacher, OutOfStep(teacher), Chewing()],
        sets=("emodb", "facegood", "silence"),
        show=1,
    )


def value(report, what, who, on=None):
    rows = [r for r in report.rows if r.what.strip() == what and on in (None, r.on)]
    assert rows, what
    return rows[0].values[who]


def test_the_teacher_does_what_the_labels_say(report):
    assert value(report, "lips shut on p, b, m: F1", "teacher") == 1
    assert value(report, "lip to teeth on f, v: F1", "teacher") > 0.85
    assert value(report, "lips in silence: gap, 95 % of frames", "teacher") < 0.3
    assert value(report, "jaw after the taught jaw: median size", "teacher") == 0
    assert value(report, "LVE against the taught", "teacher") == 0
    assert value(report, "jitter: above 12 Hz in vowels", "teacher") < 1
    assert value(report, "lips shut with any emotion: worst F1 less neutral", "teacher") >= -0.03


def test_others_do_not(report):
    for who in ("chance", "chewing"):
        assert value(report, "lips shut on p, b, m: F1", who) < 0.6
        assert value(report, "LVE against the taught", who) > 1
        assert value(report, "visemes that a lip reader sees", who) < value(
            report, "visemes that a lip reader sees", "teacher"
        )
    assert value(report, "lips in silence: motion", "chewing", "digital silence") > 1


def test_what_was_heard(report):
    assert value(report, "emotion from the voice: unweighted recall of seven", "chewing") == 0
    accuracy = value(report, "visemes in speech frames (15 classes)", "chewing")
    assert accuracy == pytest.approx(0.30 / 1.5, abs=0.02)  # the two a's
    assert set(report.visemes) == {"chewing on EmoDB"}


def test_captured_motion(report):
    assert value(report, "jaw against the captured jaw: r at the best lag", "chewing") > 0.99
    assert "teacher" not in next(r for r in report.rows if r.on == "FACEGOOD").values


def test_the_notes_say_what_it_was_measured_on(report):
    assert report.notes[0].startswith("EmoDB: 2 clips, 2 speakers, 4 s")
    assert [shown.heard.id for shown in report.shown] == ["14a01Nb"]


def test_the_table(report):
    text = table(report)
    assert "≥ 0.9" in text
    assert text.splitlines()[0].split() == ["what", "on", "reach", "teacher", "chance", "chewing"]
    assert table(report, markdown=True).count("\n") == len(report.rows) + 1
    rows = as_json(report)["rows"]
    assert len(rows) == len(report.rows)


def test_marks():
    row = Row("x", "y", "mm", {"a": 0.2, "b": 0.1, "c": float("nan")}, 0.15, at_least=False)
    assert [row.reached(name) for name in "abcd"] == [False, True, None, None]
    assert replace(row, at_least=True).reached("a")
    assert replace(row, target=None).reached("a") is None


def test_the_pages(report, tmp_path):
    from emoface_core.evaluation.report import write_speech

    page = write_speech(tmp_path / "out", report).read_text(encoding="utf-8")
    for name in (
        "curves_0.png",
        "faces_0_teacher.png",
        "visemes_chewing_on_emodb.png",
        "emotions_chewing_on_emodb.png",
    ):
        assert f"({name})" in page
        assert (tmp_path / "out" / name).stat().st_size > 2000


def test_missing_data_is_said(tmp_path):
    with pytest.raises(InputError, match="no \\*.flac"):
        speech_report(tmp_path, [Teacher(50.0)], sets=("emodb",))
    with pytest.raises(InputError, match="needs a corpus"):
        speech_report(tmp_path, [Teacher(50.0)], sets=("synthetic",))


def test_frame_rates_are_bridged():
    offsets = np.arange(11, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    found = at_rate(offsets, 50, 30, 100)
    assert found[:, 0, 0] == pytest.approx(np.arange(7) * 50 / 30, abs=1e-5)
    assert len(at_rate(offsets, 30, 30, 4)) == 4


def test_the_teacher_needs_labels():
    sound = np.zeros(16000, np.float32)
    assert Teacher(50.0).perform(Heard("x", sound)) is None
    assert OutOfStep(Teacher(50.0)).perform(Heard("x", sound)) is None
    acted = Teacher(30.0).perform(Heard("x", sound, (PhoneSpan("sil", 0.0, 1.0),)))
    assert acted is not None
    assert acted.speech.shape == (30, 5023, 3)
    assert np.abs(lip_gap(load_head().vertices + acted.speech, load_head())).max() < 1e-5


def test_loudness_opens_the_jaw():
    sound = np.zeros(32000, np.float32)
    sound[16000:24000] = 0.2 * np.sin(np.arange(8000) / 3)
    head = load_head()
    acted = Loudness(50.0).perform(Heard("x", sound))
    jaw = jaw_opening(head.vertices + acted.speech, head)
    assert np.abs(jaw[:45]).max() == 0
    assert jaw[60] == pytest.approx(0.5 * jaw_opening(head.pose(jawOpen=1)[None], head)[0], rel=0.1)
    assert Loudness(50.0).perform(Heard("x", 0 * sound)).speech.max() == 0
