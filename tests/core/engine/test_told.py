# SPDX-License-Identifier: GPL-3.0-or-later
"""A text through the whole engine, with the bundled model on the demo's sound."""

from importlib.resources import files
from pathlib import Path

import pytest

from emoface_core.cli import main
from emoface_core.engine.animate import AnimateOptions, animate
from emoface_core.engine.choose import choose_engine
from emoface_core.engine.interface import Engine
from emoface_core.errors import InputError
from emoface_core.files import load_npz
from emoface_core.layers import load_layers
from emoface_core.worker.client import MAX_TEXT, WorkerClient, WorkerError
from emoface_core.worker.process import Launch

SOUND = Path(str(files("emoface_core.assets") / "demo.flac"))
TEXT = "produced the block books, which were the immediate predecessors of the true printed book,"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return choose_engine("onnx", "cpu", None)


def test_the_words_are_found_and_kept(engine: Engine, tmp_path: Path) -> None:
    with animate(SOUND, AnimateOptions(text=TEXT, window_frames=100), engine) as told:
        layers = told.layers()
    layers.save(tmp_path / "layers.npz")
    layers = load_layers(tmp_path / "layers.npz")
    assert list(layers.word_text) == TEXT.split()
    starts = dict(zip(layers.word_text, layers.word_start.tolist(), strict=True))
    # By ear and eye, in the sound.
    for word, start in {"books,": 1.02, "which": 1.77, "immediate": 2.33, "printed": 4.17}.items():
        assert starts[word] == pytest.approx(start, abs=0.06)
    assert (layers.word_end > layers.word_start).all()
    assert (layers.word_start[1:] >= layers.word_end[:-1]).all()
    assert (layers.word_fit > 0.2).all()
    assert layers.word_phones[0].startswith("pɹ")


def test_lips_are_shut_and_opened_as_the_text_says(engine: Engine) -> None:
    def gaps(text: str) -> list[float]:
        with animate(SOUND, AnimateOptions(text=text), engine) as performance:
            return performance.curves.lip_gap.tolist()

    told, heard, clock = gaps(TEXT), gaps(""), gaps(TEXT.replace("block", "clock"))
    block, book = 32, 236  # frames of the b's of "block" and of the last word
    assert told[book] < 0.1e-3
    assert heard[book] > 0.2e-3
    assert max(told[block], heard[block]) < 0.1e-3
    assert clock[block] > 0.7e-3


def test_phrases_without_a_text(engine: Engine) -> None:
    with animate(SOUND, AnimateOptions(), engine) as heard:
        words = heard.words
    assert [word.text for word in words] == ["", ""]
    assert words[0].end < words[1].start
    assert all(len(word.phones) > 8 for word in words)


def test_a_text_of_something_else_is_refused(engine: Engine) -> None:
    other = "Under the surface lovely fishes move along, five of them above."
    with pytest.raises(InputError, match="does not fit"):
        animate(SOUND, AnimateOptions(text=other), engine)
    with pytest.raises(InputError, match="no words"):
        AnimateOptions(text=" … ")


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoken, out = tmp_path / "spoken.txt", tmp_path / "out.npz"
    spoken.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("books,", "books,\r\n").encode())
    assert main(["animate", str(SOUND), "-o", str(out), "--text", str(spoken)]) == 0
    assert load_npz(out)["word_text"].tolist() == TEXT.split()
    for text, says in (
        (str(tmp_path / "none.txt"), "cannot be read"),
        (TEXT * 20, "longer than"),
        ("你好", "Latin, Greek or Cyrillic"),
    ):
        capsys.readouterr()
        assert main(["animate", str(SOUND), "-o", str(out), "--text", text]) == 2
        assert says in capsys.readouterr().err


def test_through_the_worker(tmp_path: Path) -> None:
    with WorkerClient(Launch(engine="onnx"), tmp_path) as client:
        layers = client.run(audio=SOUND, fps=24.0, text=TEXT)
        assert list(layers.word_text) == TEXT.split()
        with pytest.raises(WorkerError) as caught:
            client.run(audio=SOUND, fps=24.0, text="Something else is said here, I believe.")
        assert caught.value.code == "bad_input"
        with pytest.raises(WorkerError, match="letters"):
            client.submit(audio=SOUND, fps=24.0, text="a" * (MAX_TEXT + 1))
