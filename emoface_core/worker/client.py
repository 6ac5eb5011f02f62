# SPDX-License-Identifier: GPL-3.0-or-later
"""Driving the worker from another program: never blocking by `poll`, or to the end by `run`.

Standard library and NumPy alone, relative imports: the add-on carries this file in its own package.

    client = WorkerClient(Launch(python, libraries), folder)
    client.submit(audio="line.wav", fps=24.0)  # starts the worker if need be; then, on a timer:
    for event in client.poll(): ...            # Hello, Progress, Done, Failed
    layers = client.run(audio="line.wav", fps=24.0)  # or wait for it; raises WorkerError
    client.close()

Whatever happens to the worker, a job ends in exactly one Done or Failed, and the next job starts a
new worker if the old one is gone.
"""

import contextlib
import queue
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import EmoFaceError, InputError
from ..layers import BakeLayers, load_layers
from .process import Closed, Heard, Launch, Process
from .protocol import MAX_TEXT, Animate, Cancel, Error, Hello, Progress, Result, Shutdown

_PREFIX = "emoface-worker-"
_STALE_SECONDS = 2 * 24 * 3600
_LOG_TAIL = 12
_LAST_WORDS = 0.2  # seconds for a worker that is given up to end by itself
_AGAIN = "Try again; if it happens again, copy the report."


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that a worker gets before it is ended by force."""

    start: float = 120.0  # PyTorch with a GPU may take a while the first time
    silence: float = 900.0  # a job that neither ends nor makes progress
    cancel: float = 4.0  # from the request to terminate
    terminate: float = 2.0  # from terminate to kill
    shutdown: float = 2.0


class WorkerError(EmoFaceError):
    """A job failed: one sentence, what to do, a code for programs, and the worker's last words.

    Codes of the client's own: worker_not_started, worker_died, worker_garbled, worker_silent, busy,
    cancelled; the others come from the worker (bad_input, cancelled, out_of_memory, disk_full,
    no_engine, failed).
    """

    def __init__(self, code: str, message: str, hint: str = "", log: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.code = code
        self.log = log


@dataclass(frozen=True, slots=True)
class Done:
    """A job's layers lie at `path`; read them by `WorkerClient.take`."""

    job: int
    path: Path
    frames: int
    fps: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A job ended without a result."""

    job: int
    error: WorkerError


ClientEvent: TypeAlias = Hello | Progress | Done | Failed


class WorkerClient:
    """A worker that is kept warm between jobs; one job at a time. Not for several threads."""

    def __init__(
        self,
        launch: Launch,
        folder: Path | None = None,
        deadlines: Deadlines = Deadlines(),
        note: Callable[[str], None] | None = None,
    ) -> None:
        """`folder`: where arrays travel (made if missing; None: the system's temporary folder).

        `note` is given each line that the worker writes to its log, in another thread.
        """
        self.launch = launch
        self.deadlines = deadlines
        self.hello: Hello | None = None
        self._note = note
        self._parent_folder = folder
        self._folder: Path | None = None
        self._process: Process | None = None
        self._started = 0.0  # all times by time.monotonic()
        self._job: Animate | None = None
        self._sent = False
        self._answered = False  # the worker has said something about the job
        self._warm = False  # the worker has finished a job before
        self._jobs = 0
        self._last_sign = 0.0
        self._cancelled_at: float | None = None
        self._terminated_at: float | None = None

    # What the interface asks

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None

    @property
    def state(self) -> str:
        """stopped | starting | idle | busy | cancelling."""
        if self._cancelled_at is not None:
            return "cancelling"
        if self._process is None or not self._process.alive:
            return "stopped" if self._job is None else "busy"
        if self.hello is None:
            return "starting"
        return "idle" if self._job is None else "busy"

    @property
    def log(self) -> tuple[str, ...]:
        """The worker's last lines on stderr."""
        return self._process.log if self._process else ()

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return self._process.pid if self._process and self._process.alive else None

    # What it does

    def start(self) -> None:
        """Start the worker if none runs, without waiting for it. WorkerError if that fails."""
        if self._process is not None:
            if self._process.alive:
                return
            self._forget_process()
        try:
            self._process = Process(self.launch, self._note)
        except (OSError, ValueError) as error:
            raise WorkerError(
                "worker_not_started",
                f"“{self.launch.python}” could not be started "
                f"({getattr(error, 'strerror', None) or error}).",
                "Check the Python that is set in the preferences.",
            ) from None
        self._started = time.monotonic()

    def submit(
        self,
        *,
        audio: str | Path,
        fps: float,
        emotion: str = "auto",
        intensity: float = 1.0,
        preference: float | None = None,
        start: float = 0.0,
        duration: float | None = None,
        before: float = 0.0,
        after: float = 0.0,
        volume: float = 1.0,
        text: str = "",
        neutral: NDArray[np.floating] | None = None,
        faces: NDArray[np.integer] | None = None,
        tolerance: float = 1e-4,
    ) -> int:
        """Begin a job and return its number; see `protocol.Animate` for the options.

        `neutral` (5023, 3), with `faces` (9976, 3) if known: the mesh to be moved, in any units and
        orientation. WorkerError if a job is under way or the worker cannot be started.
        """
        if self._job is not None:
            raise WorkerError("busy", "A job is still under way.", "Wait for it, or cancel it.")
        if len(text) > MAX_TEXT:
            raise WorkerError(
                "bad_input",
                f"The spoken text has more than {MAX_TEXT} letters.",
                "Cut the sound into shorter strips, each with its own text.",
            )
        self.start()
        folder = self._make_folder()
        self._jobs += 1
        mesh = ""
        if neutral is not None:
            mesh = str(folder / f"{self._jobs}-neutral.npz")
            arrays = {"vertices": np.asarray(neutral, np.float32)}
            if faces is not None:
                arrays["faces"] = np.asarray(faces, np.int32)
            try:
                np.savez(mesh, **arrays)
            except OSError as error:
                raise _disk_error(error) from None
        self._job = Animate(
            job=self._jobs,
            audio=str(Path(audio).absolute()),
            output=str(folder / f"{self._jobs}-layers.npz"),
            fps=fps,
            emotion=emotion,
            intensity=intensity,
            preference=preference,
            start=start,
            duration=duration,
            before=before,
            after=after,
            volume=volume,
            text=text,
            neutral=mesh,
            tolerance=tolerance,
        )
        self._sent = self._answered = False
        self._last_sign = time.monotonic()
        self._send_job()
        return self._jobs

    def cancel(self) -> None:
        """Ask for the end of the job, if there is one; `poll` sees that it comes to pass."""
        if self._job is None or self._cancelled_at is not None:
            return
        self._cancelled_at = time.monotonic()
        if self._process is not None and self._sent:
            self._process.send(Cancel(self._job.job))

    def poll(self) -> list[ClientEvent]:
        """What happened since the last call; never blocks. Also keeps the deadlines."""
        events: list[ClientEvent] = []
        process = self._process
        if process is None:
            return events
        while True:
            try:
                heard = process.heard.get_nowait()
            except queue.Empty:
                break
            events += self._take_in(heard)
            if self._process is None:
                return events
        return events + self._keep_deadlines(process)

    def wait(
        self,
        progress: Callable[[str, int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> BakeLayers:
        """Wait for the job under way and return its layers. WorkerError if it fails."""
        while True:
            for event in self.poll():
                if isinstance(event, Progress) and progress is not None:
                    progress(event.stage, event.done, event.total)
                elif isinstance(event, Failed):
                    raise event.error
                elif isinstance(event, Done):
                    return self.take(event)
            if self._job is None:
                raise WorkerError("failed", "There is no job to wait for.")
            if cancelled is not None and cancelled():
                self.cancel()
            time.sleep(0.01)

    def run(
        self,
        progress: Callable[[str, int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        **options: Any,  # those of submit
    ) -> BakeLayers:
        """`submit` and `wait`."""
        self.submit(**options)
        return self.wait(progress, cancelled)

    def take(self, done: Done) -> BakeLayers:
        """The layers of a finished job; its files are removed. WorkerError if unreadable."""
        try:
            return load_layers(done.path)
        except InputError as error:
            raise WorkerError("worker_garbled", error.message, error.hint, self.log) from None
        except MemoryError:
            raise WorkerError(
                "out_of_memory", "The result does not fit into memory.", "Bake a shorter part."
            ) from None
        finally:
            self._clear(done.job)

    def close(self) -> None:
        """End the worker, by force if it must be, and remove the files. May be called again."""
        process, self._process = self._process, None
        self._job, self._cancelled_at, self._terminated_at = None, None, None
        self.hello = None
        if process is not None:
            process.send(Shutdown())
            process.close_input()
            if not process.wait(self.deadlines.shutdown):
                process.terminate()
                if not process.wait(self.deadlines.terminate):
                    process.kill()
                    process.wait(self.deadlines.terminate)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> "WorkerClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # How it does it

    def _send_job(self) -> None:
        if self._cancelled_at is not None:
            return
        if self._job and self.hello and self._process and not self._sent:
            self._sent = self._process.send(self._job)

    def _take_in(self, heard: Heard) -> list[ClientEvent]:
        self._last_sign = time.monotonic()
        if isinstance(heard, Closed):
            return self._ended(heard)
        if isinstance(heard, Hello):
            self.hello = heard
            self._send_job()
            return [heard] if self._cancelled_at is None else self._end(_cancelled())
        if not isinstance(heard, Progress | Result | Error):
            return self._abort(
                "worker_garbled", f"The worker sent a {type(heard).__name__}, not an answer."
            )
        if heard.job == 0 and isinstance(heard, Error):  # about the worker itself: it is of no use
            return self._abort(heard.code, heard.message, heard.hint)
        ours = self._job is not None and heard.job == self._job.job
        return self._take_answer(heard) if ours else []  # else: of a job that is over

    def _take_answer(self, heard: Progress | Result | Error) -> list[ClientEvent]:
        wanted = self._cancelled_at is None
        self._answered = True
        if isinstance(heard, Progress):
            return [heard] if wanted else []
        self._warm = True
        if not wanted:  # the job was faster than the wish to end it, perhaps
            return self._end(_cancelled())
        if isinstance(heard, Error):
            return self._end(WorkerError(heard.code, heard.message, heard.hint, self._tail()))
        self._job = None
        return [Done(heard.job, Path(heard.path), heard.frames, heard.fps, heard.seconds)]

    def _ended(self, closed: Closed) -> list[ClientEvent]:
        """Its output is closed: it died, or talks nonsense."""
        process = self._process
        assert process is not None  # noqa: S101
        if closed.garbage and process.alive:
            return self._abort(
                "worker_garbled", f"The worker said something that is no answer: {closed.garbage}."
            )
        if not process.wait(self.deadlines.terminate):
            process.kill()
            process.wait(self.deadlines.terminate)
        how = process.how_it_ended()
        if self._job and self._warm and not self._answered and self._cancelled_at is None:
            return self._start_again()
        if self._cancelled_at is not None:
            error = _cancelled()
        elif self.hello is None:
            error = WorkerError(
                "worker_not_started",
                f"The worker ended before it was ready ({how}).",
                "Check the Python and the engine that are set in the preferences.",
                self._tail(),
            )
        else:
            memory = how == "signal SIGKILL"
            error = WorkerError(
                "worker_died",
                f"The worker ended in the middle of its work ({how}).",
                "The system may have run out of memory: close other programs, then try again."
                if memory
                else _AGAIN,
                self._tail(),
            )
        self._forget_process()
        return self._end(error)

    def _start_again(self) -> list[ClientEvent]:
        """It died between two jobs, and we saw it only now: not this job's fault, so once more."""
        self._forget_process()
        self._sent = False
        try:
            self.start()
        except WorkerError as error:
            return self._end(error)
        return []

    def _keep_deadlines(self, process: Process) -> list[ClientEvent]:
        now, limits = time.monotonic(), self.deadlines
        if self._terminated_at is not None:
            if now - self._terminated_at > limits.terminate:
                process.kill()
        elif self._cancelled_at is not None:
            if now - self._cancelled_at > limits.cancel:
                process.terminate()
                self._terminated_at = now
        elif self.hello is None:
            if now - self._started > limits.start:
                return self._abort(
                    "worker_not_started",
                    f"The worker was not ready after {limits.start:.0f} seconds.",
                    "Check the Python and the engine that are set in the preferences.",
                )
        elif self._job is not None and now - self._last_sign > limits.silence:
            return self._abort(
                "worker_silent",
                f"The worker gave no sign of life for {limits.silence:.0f} seconds.",
            )
        return []

    def _abort(self, code: str, message: str, hint: str = _AGAIN) -> list[ClientEvent]:
        """End the worker and fail the job."""
        process = self._process
        assert process is not None  # noqa: S101
        process.close_input()
        if not process.wait(_LAST_WORDS):
            process.kill()
            process.wait(self.deadlines.terminate)
        error = WorkerError(code, message, hint, self._tail())
        self._forget_process()
        return self._end(_cancelled() if self._cancelled_at is not None else error)

    def _end(self, error: WorkerError) -> list[ClientEvent]:
        """The job is over (if there was one)."""
        job, self._job = self._job, None
        self._cancelled_at = self._terminated_at = None
        if job is None:
            return []
        self._clear(job.job)
        return [Failed(job.job, error)]

    def _tail(self) -> tuple[str, ...]:
        return self.log[-_LOG_TAIL:]

    def _forget_process(self) -> None:
        if self._process is not None:
            self._process.close_input()
        self._process = None
        self.hello = None
        self._warm = False

    def _make_folder(self) -> Path:
        """This client's own folder, made once; those that dead clients left behind are removed."""
        if self._folder is None or not self._folder.is_dir():
            parent = Path(self._parent_folder or tempfile.gettempdir())
            try:
                parent.mkdir(parents=True, exist_ok=True)
                _sweep(parent)
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            except OSError as error:
                raise _disk_error(error) from None
        return self._folder

    def _clear(self, job: int) -> None:
        if self._folder is not None:
            for path in [*self._folder.glob(f"{job}-*"), *self._folder.glob(f".{job}-*")]:
                with contextlib.suppress(OSError):  # `close` removes the folder; `_sweep`, the rest
                    path.unlink()


def _sweep(parent: Path) -> None:
    for folder in parent.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _disk_error(error: OSError) -> WorkerError:
    return WorkerError(
        "disk_full",
        f"The worker's folder cannot be written ({error.strerror}).",
        "Free some space on the disk, or choose another folder in the preferences.",
    )


def _cancelled() -> WorkerError:
    return WorkerError("cancelled", "The job was cancelled.")
