# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against workers that misbehave in every way, each a real process."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emoface_core.layers import BakeLayers
from emoface_core.worker.client import (
    Deadlines,
    Done,
    Failed,
    WorkerClient,
    WorkerError,
)
from emoface_core.worker.process import Launch, clean_environment
from emoface_core.worker.protocol import Hello, Progress

ROOT = Path(__file__).parents[3]
QUICK = Deadlines(start=20, silence=20, cancel=0.3, terminate=0.3, shutdown=0.5)

# A worker that does as it should; each test changes a part of it.
PARTS = {
    "before_hello": "",
    "hello": 'say(Hello("0", "fake", "cpu", "", ("neutral",), 5023, 9976, "", "3", os.getpid()))',
    "after_hello": "",
    "on_job": 'say(Progress(job.job, "speak", 1, 2))',
    "during_job": "",
    "result": "make(job); say(Result(job.job, job.output, 2, job.fps, 0.1))",
    "after_result": "",
    "at_end": "",
}
SCRIPT = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from emoface_core.worker.protocol import *
from emoface_core.layers import BakeLayers
import numpy as np

def say(message):
    sys.stdout.buffer.write(encode(message)); sys.stdout.buffer.flush()

def raw(data):
    sys.stdout.buffer.write(data); sys.stdout.buffer.flush()

def make(job, frames=2):
    f = lambda *s: np.zeros(s, np.float32)
    BakeLayers(("a",), f(1, 4, 3), f(frames, 1),
      ("b",), f(1, 4, 3), f(frames, 1, 1), f(frames, 1), f(frames, 1),
        1.0, 0.0, job.fps, 0.1, f(4, 3), np.zeros((1, 3), np.int32), np.eye(4), ("neutral",),
        ("sil",), f(0), f(0), np.zeros(0, np.int32)).save(job.output)

def die():
    sys.stderr.write("the last words\\n"); sys.stderr.flush()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

{before_hello}
{hello}
{after_hello}
while line := sys.stdin.buffer.readline():
    job = decode(line)
    if isinstance(job, Shutdown):
        break
    if isinstance(job, Cancel):
        say(Error(job.job, "cancelled", "Cancelled.", "")); continue
    {on_job}
    {during_job}
    {result}
    {after_result}
{at_end}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., WorkerClient]]:
    clients = []

    def make(deadlines: Deadlines = QUICK, **parts: str) -> WorkerClient:
        main = tmp_path / f"worker{len(clients)}.py"
        main.write_text(SCRIPT.format(root=str(ROOT), **(PARTS | parts)))
        clients.append(WorkerClient(Launch(main=str(main)), tmp_path / "arrays", deadlines))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
        client.close()
    assert not list((tmp_path / "arrays").glob("*"))


def finish(client: WorkerClient, seconds: float = 20.0) -> list:
    """Poll as a timer would until the job is over."""
    events = []
    deadline = time.monotonic() + seconds
    while client.busy:
        assert time.monotonic() < deadline, (client.state, client.log)
        events += client.poll()
        time.sleep(0.005)
    return events


def fails(client: WorkerClient) -> WorkerError:
    client.submit(audio="a.wav", fps=24.0)
    ends = [e for e in finish(client) if isinstance(e, Done | Failed)]
    assert len(ends) == 1
    assert isinstance(ends[0], Failed)
    return ends[0].error


def works(client: WorkerClient) -> BakeLayers:
    return client.run(audio="a.wav", fps=24.0)


def test_a_good_worker_stays_warm(start) -> None:
    client = start()
    assert client.state == "stopped"
    client.submit(audio="a.wav", fps=25.0)
    events = finish(client)
    assert [type(e) for e in events] == [Hello, Progress, Done]
    assert client.take(events[-1]).fps == 25
    assert client.state == "idle"
    pid = client.pid
    assert works(client).frames == 2
    assert client.pid == pid
    client.close()
    assert client.state == "stopped"


DEATHS = ["before_hello", "after_hello", "on_job", "during_job"]


@pytest.mark.parametrize("step", DEATHS)
def test_killed_at_any_step_the_job_fails_and_the_next_press_works(
    start, tmp_path: Path, step: str
) -> None:
    mark = tmp_path / "died"
    once = f"{PARTS[step]}\nif not os.path.exists({str(mark)!r}): open({str(mark)!r}, 'w'); die()"
    indent = "    " if step in ("on_job", "during_job") else ""
    client = start(**{step: once.replace("\n", "\n" + indent)})
    error = fails(client)
    assert error.code == ("worker_not_started" if step == "before_hello" else "worker_died")
    assert "SIGKILL" in error.message or sys.platform == "win32"
    assert error.hint
    assert error.log[-1] == "the last words"
    assert works(client).frames == 2


def test_killed_after_the_result_the_result_counts(start) -> None:
    client = start(after_result="die()")
    assert works(client).frames == 2
    assert works(client).frames == 2  # by another worker


def test_killed_while_idle_nobody_notices(start) -> None:
    client = start()
    works(client)
    client._process.kill()
    client._process.wait(5)
    assert client.poll() == []
    assert client.state == "stopped"
    assert works(client).frames == 2


@pytest.mark.parametrize(
    "rubbish",
    [
        'raw(b"Loading weights...\\n")',
        'raw(b"\\xff\\xfe\\x00\\n")',
        "raw(b'{\"emoface\": 99}\\n')",
        'raw(b"x" * 200000)',
        "raw(encode(Cancel(1)))",
        'raw(encode(Progress(job.job, "s", 1, 1))[:-5]); die()',
    ],
)
def test_rubbish_on_stdout(start, rubbish: str) -> None:
    client = start(during_job=rubbish)
    error = fails(client)
    assert error.code in ("worker_garbled", "worker_died")
    assert error.hint
    assert client.state == "stopped"


@pytest.mark.parametrize(
    "result",
    [
        "say(Result(job.job, job.output, 2, 24.0, 0.1))",  # no file
        'open(job.output, "wb").write(b"x"); say(Result(job.job, job.output, 2, 24.0, 0.1))',
        "make(job); d = open(job.output, 'rb').read(); open(job.output, 'wb').write(d[:-900]); "
        "say(Result(job.job, job.output, 2, 24.0, 0.1))",
    ],
)
def test_a_result_that_cannot_be_read(start, result: str) -> None:
    with pytest.raises(WorkerError) as caught:
        works(start(result=result))
    assert caught.value.code == "worker_garbled"


def test_the_workers_own_errors_pass_through(start) -> None:
    client = start(result='say(Error(job.job, "disk_full", "The disk is full.", "Free some."))')
    error = fails(client)
    assert (error.code, error.message, error.hint) == (
        "disk_full",
        "The disk is full.",
        "Free some.",
    )
    assert client.state == "idle"


def test_an_engine_that_does_not_load_is_told(start) -> None:
    client = start(hello='say(Error(0, "no_engine", "No ONNX.", "Install it.")); sys.exit(1)')
    assert fails(client).code == "no_engine"
    assert fails(client).code == "no_engine"


def test_cancel_is_asked_first(start) -> None:
    client = start(
        during_job="job = decode(sys.stdin.buffer.readline())",
        result="make_nothing = 1",
        on_job='say(Progress(job.job, "speak", 0, 2))',
        after_result='say(Error(job.job, "cancelled", "Cancelled.", ""))',
    )
    client.submit(audio="a.wav", fps=24.0)
    while not any(isinstance(e, Progress) for e in client.poll()):
        time.sleep(0.005)
    pid = client.pid
    client.cancel()
    client.cancel()
    assert client.state == "cancelling"
    assert [e.error.code for e in finish(client) if isinstance(e, Failed)] == ["cancelled"]
    assert client.pid == pid  # it obeyed, so it lives


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_worker_that_does_not_listen_is_ended(start, stubborn: bool) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if stubborn else ""
    client = start(before_hello=ignore, during_job="time.sleep(60)")
    client.submit(audio="a.wav", fps=24.0)
    while not any(isinstance(e, Progress) for e in client.poll()):
        time.sleep(0.005)
    client.cancel()
    begun = time.monotonic()
    assert [e.error.code for e in finish(client) if isinstance(e, Failed)] == ["cancelled"]
    assert time.monotonic() - begun < 10
    assert client.state == "stopped"


def test_cancel_before_the_worker_is_ready(start) -> None:
    client = start(before_hello="time.sleep(0.2)")
    client.submit(audio="a.wav", fps=24.0)
    client.cancel()
    assert [e.error.code for e in finish(client) if isinstance(e, Failed)] == ["cancelled"]
    assert works(client).frames == 2


def test_a_worker_that_never_gets_ready(start) -> None:
    client = start(Deadlines(start=0.3, terminate=0.3), before_hello="time.sleep(60)")
    error = fails(client)
    assert error.code == "worker_not_started"
    assert "0 seconds" in error.message or "not ready" in error.message


def test_a_worker_that_falls_silent(start) -> None:
    client = start(Deadlines(silence=0.5), during_job="time.sleep(60)")
    assert fails(client).code == "worker_silent"
    assert client.state == "stopped"


def test_close_ends_even_a_hung_worker(start) -> None:
    client = start(
        before_hello="signal.signal(signal.SIGTERM, signal.SIG_IGN)", during_job="time.sleep(60)"
    )
    client.submit(audio="a.wav", fps=24.0)
    while client.hello is None:
        client.poll()
    process = client._process
    client.close()
    assert not process.alive


def test_a_flood_on_stderr_does_not_block(start) -> None:
    client = start(during_job='sys.stderr.write("noise\\n" * 300000); sys.stderr.flush()')
    assert works(client).frames == 2
    assert len(client.log) <= 200


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    client = WorkerClient(Launch(python=str(tmp_path / "nopython")), tmp_path)
    with pytest.raises(WorkerError) as caught:
        client.submit(audio="a.wav", fps=24.0)
    assert caught.value.code == "worker_not_started"
    assert not client.busy


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    main = tmp_path / "w.py"
    main.write_text(SCRIPT.format(root=str(ROOT), **PARTS))
    with WorkerClient(Launch(main=str(main)), tmp_path / "file" / "x", QUICK) as client:
        with pytest.raises(WorkerError) as caught:
            client.submit(audio="a.wav", fps=24.0)
        assert caught.value.code == "disk_full"
        assert not client.busy


def test_one_job_at_a_time(start) -> None:
    client = start(during_job="time.sleep(0.3)")
    client.submit(audio="a.wav", fps=24.0)
    with pytest.raises(WorkerError) as caught:
        client.submit(audio="b.wav", fps=24.0)
    assert caught.value.code == "busy"
    assert any(isinstance(e, Done) for e in finish(client))


def test_waiting_for_nothing(start) -> None:
    with pytest.raises(WorkerError):
        start().wait()


def test_leftovers_of_dead_clients_are_swept(tmp_path: Path, start) -> None:
    import os

    old, recent = tmp_path / "arrays" / "emoface-worker-old", tmp_path / "arrays" / "keep"
    for folder in (old, recent):
        folder.mkdir(parents=True)
        (folder / "x.npz").write_bytes(b"x")
        os.utime(folder, (0, 0))
    works(start())
    assert not old.exists()
    assert recent.exists()
    (recent / "x.npz").unlink()
    recent.rmdir()


def test_the_environment_holds_nothing_of_anothers_python(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/blender/scripts")
    monkeypatch.setenv("PYTHONHOME", "/blender/python")
    environment = clean_environment()
    assert "PYTHONPATH" not in environment
    assert "PYTHONHOME" not in environment
    assert environment["PYTHONNOUSERSITE"] == "1"


def test_neutral_and_options_reach_the_worker(start, tmp_path: Path) -> None:
    client = start(
        on_job="m = np.load(job.neutral); "
        'assert m["vertices"].shape == (5023, 3) and m["faces"].shape == (2, 3); '
        'assert (job.emotion, job.start, job.duration) == ("sad", 1.5, 2.5)'
    )
    layers = client.run(
        audio=tmp_path / "ä 声.wav",
        fps=24.0,
        emotion="sad",
        start=1.5,
        duration=2.5,
        neutral=np.zeros((5023, 3)),
        faces=np.zeros((2, 3), int),
    )
    assert layers.frames == 2
