# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's side: answers requests one after the other until its stdin closes.

Heavy packages are imported when it starts to work, so that their absence can be told as an answer.
"""

import os
import platform
import queue
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from emoface_core import __version__
from emoface_core.errors import Cancelled, EmoFaceError
from emoface_core.faults import foreseen, report
from emoface_core.worker.protocol import (
    MAX_LINE,
    Animate,
    Cancel,
    Error,
    Event,
    Hello,
    Progress,
    ProtocolError,
    Result,
    Shutdown,
    decode,
    encode,
)

if TYPE_CHECKING:
    from emoface_core.engine.interface import Engine

_IDLE_SECONDS = 60.0  # without work, the GPU's memory is given back
_LAST_SECONDS = 5.0  # from the end of stdin to the end of the process, whatever it is doing
_WATCH_SECONDS = 1.0
_PROGRESS_SECONDS = 0.05


def serve(out: IO[bytes], parent: int, *, engine: str, device: str, model: str) -> int:
    """Say hello, then serve; returns the exit code."""
    server = _Server(out)
    threading.Thread(target=server.read, args=(sys.stdin.buffer,), daemon=True).start()
    if parent and hasattr(os, "getppid") and os.getppid() == parent:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    try:
        loaded = _load(engine, device, model)
        server.send(_hello(loaded))
    except Exception as error:  # whatever it is, the client is told
        server.send(_as_answer(error, 0))
        return 1
    server.work(loaded)
    return 0


def _load(engine: str, device: str, model: str) -> "Engine":
    try:
        from emoface_core.engine import animate  # noqa: F401  # warm before the first job
        from emoface_core.engine.choose import choose_engine
    except ImportError as error:
        raise _NoEngineError(
            f"This Python ({sys.executable}) lacks a package that the worker needs ({error}).",
            "Install the package there; if it is Blender's own Python, the extension again.",
        ) from None
    return choose_engine(engine, device, Path(model) if model else None)


class _NoEngineError(EmoFaceError):
    code = "no_engine"


def _hello(engine: "Engine") -> Hello:
    from emoface_core.emotions import EMOTIONS
    from emoface_core.engine.rig import rig_for
    from emoface_core.face.topology import face_list_digest

    head = rig_for(engine.info.model).head
    return Hello(
        version=__version__,
        engine=f"{engine.info.name} {engine.info.version}",
        device=engine.info.device,
        model=engine.info.folder,
        emotions=EMOTIONS,
        vertices=len(head.vertices),
        faces=len(head.faces),
        face_digest=face_list_digest(head.faces),
        python=platform.python_version(),
        pid=os.getpid(),
    )


class _Server:
    """One reader thread fills the queue; the main thread works."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._jobs: queue.Queue[Animate] = queue.Queue()
        self._unwanted: set[int] = set()
        self._stop = threading.Event()

    def send(self, event: Event) -> None:
        """Write a line; when nobody listens any more, stop."""
        with self._lock:
            try:
                line = memoryview(encode(event))
                while line:
                    line = line[self._out.write(line) :]
            except OSError:
                self._stop.set()

    def read(self, lines: IO[bytes]) -> None:
        """Requests from stdin, until it ends."""
        while line := lines.readline(MAX_LINE + 1):
            try:
                request = decode(line)
            except ProtocolError as error:
                self.send(Error(0, "bad_request", f"The worker was sent a bad line: {error}.", ""))
                if not line.endswith(b"\n"):
                    break  # too long, or cut off: what follows would be read wrongly
                continue
            match request:
                case Animate():
                    self._jobs.put(request)
                case Cancel():
                    self._unwanted.add(request.job)
                case Shutdown():
                    break
                case _:
                    self.send(Error(0, "bad_request", "The worker was sent an answer.", ""))
        self._stop.set()
        # The main thread ends between two windows; if it hangs, it ends here.
        time.sleep(_LAST_SECONDS)
        os._exit(1)

    def work(self, engine: "Engine") -> None:
        """Do the jobs."""
        last_work, released = time.monotonic(), False
        while not self._stop.is_set():
            try:
                job = self._jobs.get(timeout=0.1)
            except queue.Empty:
                if not released and time.monotonic() - last_work > _IDLE_SECONDS:
                    engine.release()
                    released = True
                continue
            self.send(self._do(job, engine))
            self._unwanted.discard(job.job)
            last_work, released = time.monotonic(), False

    def _do(self, job: Animate, engine: "Engine") -> Result | Error:
        try:
            return self._animate(job, engine)
        except Exception as error:  # one job must not end the worker
            return _as_answer(error, job.job)

    def _animate(self, job: Animate, engine: "Engine") -> Result:
        from emoface_core.engine.animate import AnimateOptions, animate
        from emoface_core.files import atomic_path

        shown = ("", 0.0)  # the last progress that was sent: stage and time

        def cancelled() -> bool:
            return self._stop.is_set() or job.job in self._unwanted

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal shown
            if cancelled():
                raise Cancelled("The job was cancelled.")
            now = time.monotonic()
            if stage != shown[0] or done >= total or now - shown[1] >= _PROGRESS_SECONDS:
                shown = (stage, now)
                self.send(Progress(job.job, stage, done, total))

        output = Path(job.output)
        options = AnimateOptions(
            emotion=job.emotion,
            intensity=job.intensity,
            preference=job.preference,
            fps=job.fps,
            start=job.start,
            duration=job.duration,
            before=job.before,
            after=job.after,
            volume=job.volume,
            text=job.text,
            neutral=Path(job.neutral) if job.neutral else None,
            spool=output.parent,
        )
        with animate(job.audio, options, engine, progress, cancelled) as performance:
            layers = performance.layers(job.tolerance, progress)
        with atomic_path(output) as temporary:
            layers.save(temporary)
        return Result(job.job, str(output), layers.frames, layers.fps, layers.seconds)


def _as_answer(error: Exception, job: int) -> Error:
    known = foreseen(error)
    if known is not None:
        return Error(job, known.code, known.message, known.hint)
    sys.stderr.write(report(error) + "\n")
    sys.stderr.flush()
    return Error(
        job,
        "failed",
        f"Something went wrong in the worker ({type(error).__name__}: {str(error)[:200]}).",
        "Try again; if it happens again, copy the report.",
    )


def _watch(parent: int) -> None:
    """End with the parent, should it die without closing our stdin."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
