# SPDX-License-Identifier: GPL-3.0-or-later
"""The real worker: jobs, errors in a sentence, cancelling, and ending when it should."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core.emotions import EMOTIONS
from emoface_core.engine.animate import AnimateOptions, animate
from emoface_core.engine.onnx import OnnxEngine
from emoface_core.worker import server
from emoface_core.worker.client import Deadlines, Done, Failed, WorkerClient, WorkerError
from emoface_core.worker.process import Launch, Process, clean_environment
from emoface_core.worker.protocol import Animate, Hello, Progress, decode, encode

DEADLINES = Deadlines(start=60, silence=60, cancel=20, terminate=5, shutdown=10)


@pytest.fixture
def client(tiny_model: Path, tmp_path: Path) -> Iterator[WorkerClient]:
    launch = Launch(model=str(tiny_model), engine="onnx")
    with WorkerClient(launch, tmp_path / "arrays", DEADLINES) as made:
        yield made


def test_layers_are_those_of_the_engine(client: WorkerClient, clip: Path, tiny_model: Path) -> None:
    steps = []
    layers = client.run(
        progress=lambda *step: steps.append(step),
        audio=clip,
        fps=30000 / 1001,
        emotion="happy",
        intensity=1.2,
        preference=0.6,
    )
    assert client.hello is not None
    assert client.hello.emotions == EMOTIONS
    assert (client.hello.vertices, client.hello.faces) == (5023, 9976)
    assert [stage for stage, done, total in steps if done == total] == ["listen", "speak", "fit"]
    options = AnimateOptions(emotion="happy", intensity=1.2, preference=0.6, fps=30000 / 1001)
    with animate(clip, options, OnnxEngine(tiny_model, threads=1)) as performance:
        speech, emotion = next(performance.chunks(1000))
        expected = speech + emotion
    assert layers.frames == round(3 * 30000 / 1001)
    assert layers.intensity == pytest.approx(1.2)
    assert np.linalg.norm(layers.offsets() - expected, axis=-1).max() < 1e-4
    assert (layers.phone_end > layers.phone_start).all()


def test_bad_jobs_fail_and_the_worker_lives_on(
    client: WorkerClient, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    for options, code in (
        ({"audio": tmp_path / "missing.wav"}, "bad_input"),
        ({"audio": tmp_path / "text.wav"}, "bad_input"),
        ({"audio": tmp_path}, "bad_input"),
        ({"audio": clip, "emotion": "glee"}, "bad_input"),
        ({"audio": clip, "start": 99.0}, "bad_input"),
        ({"audio": clip, "neutral": np.zeros((17, 3))}, "bad_input"),
    ):
        with pytest.raises(WorkerError) as caught:
            client.run(**({"fps": 24.0} | options))
        assert caught.value.code == code
        assert caught.value.message
    pid = client.pid
    assert client.run(audio=clip, fps=24.0).frames == 72
    assert client.pid == pid


def test_another_persons_neutral(client: WorkerClient, clip: Path) -> None:
    """In centimetres, z up, somewhere else: the way back is in the result."""
    from emoface_core.face.head import load_head

    head = load_head()
    turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
    mesh = 100 * head.vertices @ turn.T + [5, -7, 160]
    layers = client.run(audio=clip, fps=24.0, neutral=mesh, faces=head.faces)
    np.testing.assert_allclose(layers.template, head.vertices, atol=1e-5)
    np.testing.assert_allclose(layers.to_mesh[:3, :3], 100 * turn, atol=1e-3)
    back = layers.template @ layers.to_mesh[:3, :3].T + layers.to_mesh[:3, 3]
    np.testing.assert_allclose(back, mesh, atol=1e-3)


def test_cancelled_between_windows_and_ready_for_the_next(
    client: WorkerClient, clip: Path, tmp_path: Path, babble: Callable[[float], np.ndarray]
) -> None:
    soundfile.write(tmp_path / "long.wav", np.tile(babble(60.0), 20), 16000)
    client.submit(audio=tmp_path / "long.wav", fps=24.0)
    ends: list = []
    while not ends:
        events = client.poll()
        if any(isinstance(e, Progress) and e.stage == "speak" for e in events):
            client.cancel()
        ends += [e for e in events if isinstance(e, Done | Failed)]
        time.sleep(0.005)
    assert [e.error.code for e in ends] == ["cancelled"]
    pid = client.pid
    assert client.run(audio=clip, fps=24.0).frames == 72
    assert client.pid == pid


def test_idle_workers_give_back_the_devices_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    released = []

    class Idle:
        def release(self) -> None:
            released.append(1)
            stopper.start()

    worker = server._Server(io.BytesIO())
    stopper = threading.Timer(0.5, worker._stop.set)
    monkeypatch.setattr(server, "_IDLE_SECONDS", 0.1)
    worker.work(Idle())
    assert released == [1]  # once, not again and again


def test_a_full_disk_is_a_sentence(tiny_model: Path, clip: Path, tmp_path: Path) -> None:
    """The worker may write files of 100 kB at most, as if the disk ended there."""
    resource = pytest.importorskip("resource")
    client = WorkerClient(Launch(model=str(tiny_model), engine="onnx"), tmp_path / "a", DEADLINES)
    with client:
        client.run(audio=clip, fps=24.0)
        assert client.pid is not None
        hard = resource.prlimit(client.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(client.pid, resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(WorkerError) as caught:
            client.run(audio=clip, fps=24.0)
        assert caught.value.code == "disk_full"
        resource.prlimit(client.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert client.run(audio=clip, fps=24.0).frames == 72


def test_out_of_memory_is_a_sentence(tiny_model: Path, clip: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    with WorkerClient(
        Launch(model=str(tiny_model), engine="onnx"), tmp_path / "a", DEADLINES
    ) as client:
        client.run(audio=clip, fps=24.0)
        assert client.pid is not None
        used = int(Path(f"/proc/{client.pid}/statm").read_text().split()[0]) * 4096
        resource.prlimit(client.pid, resource.RLIMIT_AS, (used + (8 << 20), -1))
        with pytest.raises(WorkerError) as caught:
            client.run(audio=clip, fps=1000.0)  # 3000 frames of whole faces
        assert caught.value.code in ("out_of_memory", "worker_died")
        assert caught.value.hint
        assert client.busy is False


def test_a_model_that_is_not_there(tmp_path: Path, clip: Path) -> None:
    with WorkerClient(Launch(model=str(tmp_path)), tmp_path / "a", DEADLINES) as client:
        with pytest.raises(WorkerError) as caught:
            client.run(audio=clip, fps=24.0)
        assert caught.value.code == "bad_input"
        assert "no model" in caught.value.message


def test_a_python_without_packages_says_so(tmp_path: Path, clip: Path) -> None:
    """As Blender's own Python before the extension's wheels are there."""
    import venv

    venv.create(tmp_path / "bare", with_pip=False)
    bin_folder = "Scripts" if sys.platform == "win32" else "bin"
    launch = Launch(python=str(tmp_path / "bare" / bin_folder / "python"))
    with WorkerClient(launch, tmp_path / "a", DEADLINES) as client:
        with pytest.raises(WorkerError) as caught:
            client.run(audio=clip, fps=24.0)
        assert caught.value.code == "no_engine"
        assert "numpy" in caught.value.message
        client.launch = Launch(
            python=launch.python,
            libraries=(str(Path(np.__file__).parents[1]),),
            model=str(tmp_path / "nothing"),
        )
        with pytest.raises(WorkerError) as caught:  # with them it comes as far as the model
            client.run(audio=clip, fps=24.0)
        assert caught.value.code == "bad_input"


def _wait_for_hello(process: Process) -> None:
    assert isinstance(process.heard.get(timeout=60), Hello)


def test_it_ends_when_stdin_closes(tiny_model: Path) -> None:
    process = Process(Launch(model=str(tiny_model), engine="onnx"))
    _wait_for_hello(process)
    process.close_input()
    assert process.wait(10)
    assert process.how_it_ended() == "exit code 0"


def test_it_ends_in_the_middle_of_a_job(
    tiny_model: Path, tmp_path: Path, babble: Callable[[float], np.ndarray]
) -> None:
    soundfile.write(tmp_path / "long.wav", np.tile(babble(60.0), 20), 16000)
    process = Process(Launch(model=str(tiny_model), engine="onnx"))
    _wait_for_hello(process)
    process.send(Animate(1, str(tmp_path / "long.wav"), str(tmp_path / "out.npz"), 24.0))
    assert isinstance(process.heard.get(timeout=60), Progress)
    process.close_input()
    assert process.wait(15)
    assert [f.name for f in tmp_path.iterdir()] == ["long.wav"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX's parents")
def test_it_ends_with_its_parent(tiny_model: Path, tmp_path: Path) -> None:
    """Also when somebody else still holds its stdin open."""
    read_end, write_end = os.pipe()
    command = Launch(model=str(tiny_model), engine="onnx").command()
    code = (
        "import os, subprocess, sys, time\n"
        f"command = {command!r}\n"
        "command[command.index('--parent') + 1] = str(os.getpid())\n"
        f"p = subprocess.Popen(command, stdin={read_end}, stdout=subprocess.PIPE)\n"
        "p.stdout.readline()\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        pass_fds=[read_end],
        env=clean_environment(),
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    try:
        deadline = time.monotonic() + 15
        while _alive(worker):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.close(read_end)
        os.close(write_end)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_bad_lines_are_answered_and_prints_do_not_disturb(tiny_model: Path, clip: Path) -> None:
    command = Launch(model=str(tiny_model), engine="onnx").command()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        assert isinstance(decode(process.stdout.readline()), Hello)
        for line in (b"hello?\n", b"{}\n", encode(Progress(1, "x", 1, 1))):
            process.stdin.write(line)
            process.stdin.flush()
            answer = decode(process.stdout.readline())
            assert answer.code == "bad_request"
        process.stdin.write(b"x" * 70000)
        process.stdin.close()
        assert decode(process.stdout.readline()).code == "bad_request"
        assert process.stdout.read() == b""
        assert process.wait(10) == 0
