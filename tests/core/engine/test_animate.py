# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound to performance: windows without seams, exact frames, layers that add up, whole files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core.emotions import EMOTIONS
from emoface_core.engine import store
from emoface_core.engine.animate import AnimateOptions, animate
from emoface_core.engine.interface import Engine
from emoface_core.engine.onnx import OnnxEngine
from emoface_core.engine.performance import Performance
from emoface_core.errors import Cancelled, InputError
from emoface_core.files import load_npz

Babble = Callable[[float], np.ndarray]


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Engine:
    return OnnxEngine(tiny_model, threads=1)


def offsets(performance: Performance) -> tuple[np.ndarray, np.ndarray]:
    parts = list(performance.chunks(100))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def worst(a: np.ndarray, b: np.ndarray) -> float:
    """Millimetres."""
    return float(np.linalg.norm(a - b, axis=-1).max()) * 1e3


def test_windows_equal_the_whole(engine: Engine, babble: Babble) -> None:
    sound = babble(7.3)
    with animate(sound, AnimateOptions(emotion="happy", window_frames=10**6), engine) as whole:
        expected = offsets(whole)
        for size in (20, 77, 150):
            options = AnimateOptions(emotion="happy", window_frames=size)
            with animate(sound, options, engine) as windowed:
                np.testing.assert_allclose(windowed.times, whole.times, atol=1e-5)
                for a, b in zip(offsets(windowed), expected, strict=True):
                    assert worst(a, b) < 0.01
                np.testing.assert_allclose(windowed.voice, whole.voice, atol=1e-4)
                assert windowed.phones.index.tolist() == whole.phones.index.tolist()
    assert np.abs(expected[0]).max() > 1e-3  # it does move


def test_rows_on_disk_equal_rows_in_memory(
    engine: Engine, babble: Babble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sound = babble(3.0)
    with animate(sound, AnimateOptions(), engine) as performance:
        expected = offsets(performance)
    monkeypatch.setattr(store, "_IN_MEMORY", 1000)
    monkeypatch.setattr("emoface_core.engine.performance._KEPT_FRAMES", 10)
    monkeypatch.setattr("emoface_core.engine.performance._MANY_ROWS", 0)
    options = AnimateOptions(window_frames=60, spool=tmp_path)
    with animate(sound, options, engine) as performance:
        for a, b in zip(offsets(performance), expected, strict=True):
            assert worst(a, b) < 0.01
        curves = performance.curves_at(np.array([0, 85]))
        np.testing.assert_allclose(
            curves.content[1], performance.curves_at(np.array([85])).content[0], atol=1e-6
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 60.0])
def test_frame_t_is_the_sound_at_t_over_fps(engine: Engine, babble: Babble, fps: float) -> None:
    """A rate that is a multiple gives the same at the same moments."""
    sound = babble(2.5)
    options = AnimateOptions(fps=fps, snap_closures=False)
    with animate(sound, options, engine) as once:
        assert once.frames == round(2.5 * fps)
        np.testing.assert_allclose(once.times, np.arange(once.frames) / fps)
        expected = offsets(once)[0]
    options = AnimateOptions(fps=3 * fps, snap_closures=False)
    with animate(sound, options, engine) as thrice:
        assert worst(offsets(thrice)[0][::3][: len(expected)], expected) < 1e-3


def test_speech_and_emotion_add_up_and_emotion_is_linear(engine: Engine, babble: Babble) -> None:
    sound = babble(1.5)

    def make(**options) -> tuple[np.ndarray, np.ndarray]:
        with animate(sound, AnimateOptions(**options), engine) as performance:
            return offsets(performance)

    speech, happy = make(emotion="happy")
    _, sad = make(emotion="sad")
    for chosen, expected in (
        ({"emotion": "happy", "intensity": 0.0}, 0 * happy),
        ({"emotion": "happy", "intensity": 1.5}, 1.5 * happy),
        ({"emotion": "happy=1,sad=1"}, (happy + sad) / 2),
    ):
        again, emotion = make(**chosen)
        assert worst(emotion, expected) < 1e-3
        np.testing.assert_array_equal(again, speech)
    assert worst(happy, sad) > 0.1


def test_part_of_a_clip_is_as_if_cut_out(engine: Engine, babble: Babble, tmp_path: Path) -> None:
    sound = babble(4.0)
    soundfile.write(tmp_path / "whole.wav", sound, 16000, subtype="FLOAT")
    options = AnimateOptions(start=1.25, duration=1.5)
    with animate(tmp_path / "whole.wav", options, engine) as part:
        assert part.seconds == 1.5
        made = offsets(part)[0]
    with animate(sound[20000:44000], AnimateOptions(), engine) as alone:
        np.testing.assert_allclose(made, offsets(alone)[0], atol=1e-6)
    with animate(sound, AnimateOptions(start=3.0, duration=2.0), engine) as longer:
        assert longer.frames == 60  # the strip is longer than its sound
    with pytest.raises(InputError, match="no sound after 5 s"):
        animate(sound, AnimateOptions(start=5.0), engine)


def test_silence_around_the_sound_is_as_if_it_were_in_it(engine: Engine, babble: Babble) -> None:
    sound, options = babble(1.5), AnimateOptions(fps=25, emotion="happy")
    still = [np.zeros(round(seconds * 16000), np.float32) for seconds in (0.8, 1.2)]
    with animate(np.concatenate([still[0], sound, still[1]]), options, engine) as performance:
        expected = sum(offsets(performance))
    for duration in (None, 1.5):
        around = replace(options, before=0.8, after=1.2, duration=duration)
        with animate(sound, around, engine) as performance:
            assert performance.frames == len(expected)
            assert worst(sum(offsets(performance)), expected) < 0.5


def test_volume_hardly_matters_but_mute_is_silence(engine: Engine, babble: Babble) -> None:
    sound = babble(1.0)

    def speech(volume: float) -> np.ndarray:
        with animate(sound, AnimateOptions(volume=volume), engine) as performance:
            return offsets(performance)[0]

    assert worst(speech(0.5), speech(1.0)) < 0.05
    with animate(np.zeros(16000, np.float32), AnimateOptions(), engine) as silent:
        np.testing.assert_array_equal(speech(0.0), offsets(silent)[0])


@pytest.mark.parametrize("samples", [1, 100, 1600, 16001])
def test_short_clips(engine: Engine, babble: Babble, samples: int) -> None:
    with animate(babble(2.0)[:samples], AnimateOptions(fps=24), engine) as performance:
        assert performance.frames == max(1, round(samples / 16000 * 24))
        assert np.isfinite(offsets(performance)).all()
        layers = performance.layers()
        assert layers.frames == performance.frames


def test_layers_are_within_the_tolerance_of_the_offsets(engine: Engine, babble: Babble) -> None:
    with animate(babble(2.0), AnimateOptions(emotion="angry"), engine) as performance:
        speech, emotion = offsets(performance)
        layers = performance.layers(1e-4)
    for intensity in (0.0, 0.4, 1.0, 1.5):
        assert worst(layers.offsets(intensity), speech + intensity * emotion) < 0.1
    assert layers.worst_error < 1e-4
    assert layers.speech_curves.shape[1] == len(layers.speech_keys) == len(set(layers.speech_keys))
    assert set(layers.speech_keys) <= set(performance.rig.head.shape_names)
    assert set(layers.emotion_keys) <= set(performance.rig.part_names)
    assert layers.emotion_names == EMOTIONS


def test_what_shuts_the_lips_is_always_among_the_keys(engine: Engine) -> None:
    with animate(np.zeros(16000, np.float32), AnimateOptions(), engine) as silent:
        layers = silent.layers()
    assert "mouthClose" in layers.speech_keys
    assert "mouthClose.mouth" in layers.emotion_keys


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_emotion_can_be_dialled_afterwards(
    engine: Engine, babble: Babble, emotion: str
) -> None:
    sound = babble(0.7)
    with animate(sound, AnimateOptions(emotion="neutral"), engine) as performance:
        layers = performance.layers()
    with animate(sound, AnimateOptions(emotion=emotion), engine) as performance:
        _, expected = offsets(performance)
    curves = layers.emotion_curves[:, EMOTIONS.index(emotion)]
    assert worst(np.tensordot(curves, layers.emotion_basis, 1), expected) < 0.05


def test_saved_file(engine: Engine, babble: Babble, tmp_path: Path) -> None:
    options = AnimateOptions(emotion="sad", intensity=0.8, fps=25)
    with animate(babble(1.3), options, engine) as performance:
        performance.save(tmp_path / "out.npz")
        speech, emotion = offsets(performance)
        head = performance.rig.head
    out = load_npz(tmp_path / "out.npz")
    np.testing.assert_array_equal(out["speech_offsets"], speech)
    np.testing.assert_array_equal(out["emotion_offsets"], emotion)
    assert worst(out["offsets"], speech + emotion) < 1e-6
    assert out["offsets"].dtype == np.float32
    assert float(out["fps"]) == 25
    assert float(out["seconds"]) == pytest.approx(1.3)
    np.testing.assert_array_equal(out["template"], head.vertices)
    assert (out["faces"].shape, out["faces"].dtype) == ((9976, 3), np.int32)
    assert out["emotion_names"].tolist() == list(EMOTIONS)
    np.testing.assert_array_equal(out["emotion_weights"].argmax(axis=1), EMOTIONS.index("sad"))


def test_cancelling_stops_between_windows_and_leaves_nothing(
    engine: Engine, babble: Babble, tmp_path: Path
) -> None:
    steps: list[tuple[str, int, int]] = []

    def progress(*step) -> None:
        steps.append(step)

    options = AnimateOptions(window_frames=50, spool=tmp_path)
    with pytest.raises(Cancelled):
        animate(babble(10.0), options, engine, progress, lambda: len(steps) > 4)
    assert len(steps) == 5
    with animate(babble(1.0), AnimateOptions(spool=tmp_path), engine) as performance:

        def stop(_stage: str, done: int, _total: int) -> None:
            if done:
                raise Cancelled("enough")

        with pytest.raises(Cancelled):
            performance.save(tmp_path / "out.npz", stop)
    assert not list(tmp_path.iterdir())


def test_a_fit_can_be_stopped(engine: Engine, babble: Babble) -> None:
    steps: list[int] = []

    def stop(_stage: str, done: int, _total: int) -> None:
        steps.append(done)
        if len(steps) == 3:
            raise Cancelled("enough")

    with (
        animate(babble(1.0), AnimateOptions(), engine) as performance,
        pytest.raises(Cancelled),
    ):
        performance.layers(progress=stop)


def test_progress_goes_forward_to_the_end(engine: Engine, babble: Babble) -> None:
    steps: list[tuple[str, int, int]] = []
    options = AnimateOptions(window_frames=100)
    with animate(babble(8.0), options, engine, lambda *s: steps.append(s)) as performance:
        performance.layers(progress=lambda *s: steps.append(s))
    for stage in ("listen", "speak", "fit"):
        done = [d for s, d, _ in steps if s == stage]
        assert done == sorted(done)
        assert [t for s, _, t in steps if s == stage][-1] == done[-1]


@pytest.mark.parametrize(
    "bad",
    [
        {"fps": 0.0},
        {"fps": float("nan")},
        {"fps": 1e9},
        {"intensity": -0.1},
        {"intensity": 1.6},
        {"preference": 2.0},
        {"start": -1.0},
        {"before": -0.1},
        {"after": float("nan")},
        {"duration": 0.0},
        {"volume": float("inf")},
        {"emotion": "glee"},
    ],
)
def test_options_that_make_no_sense_are_a_sentence(bad: dict) -> None:
    with pytest.raises(InputError) as caught:
        AnimateOptions(**bad)
    assert caught.value.message.endswith(".")


def test_a_model_of_another_head_is_refused(engine: Engine, babble: Babble) -> None:
    import dataclasses

    model = dataclasses.replace(engine.info.model, head_digest="0" * 64)
    info = dataclasses.replace(engine.info, model=model)

    class Other:
        pass

    other = Other()
    other.info = info
    with pytest.raises(InputError, match="another head"):
        animate(babble(0.2), AnimateOptions(), other)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_leaves_no_half_file(
    tiny_model: Path, tmp_path: Path, babble: Babble, how: signal.Signals
) -> None:
    soundfile.write(tmp_path / "long.flac", np.tile(babble(60.0), 10), 16000)
    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-m", "emoface_core", "animate", str(tmp_path / "long.flac")]
    command += ["-o", str(folder / "out.npz"), "--model", str(tiny_model), "--engine", "onnx"]
    # A test run in the background of a shell ignores SIGINT, and its children would, too.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed) as process:  # noqa: PLW1509
        deadline = time.monotonic() + 60
        while not any(f.stat().st_size > 1 << 20 for f in folder.iterdir()):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, how)
        process.wait(30)
    assert not (folder / "out.npz").exists()
    if how != signal.SIGKILL:
        assert not list(folder.iterdir())
        assert process.returncode == 130
