# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on one file: it is opened once, and saved once; results, and what is done already."""

import itertools
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import bpy

import emoface_core
from emoface_core.errors import EmoFaceError

from ..curves.naming import BakeRecord
from ..work.session import Engine
from . import results as kept
from . import stage
from .baking import bake_all, say, takes_of
from .jobs import BakeJob
from .results import Result, Spoken


@dataclass(frozen=True, slots=True)
class Listed:
    """A job and its number in the list, from 1."""

    number: int
    job: BakeJob


def groups_of(jobs: Sequence[BakeJob]) -> list[list[Listed]]:
    """Neighbours that change one file and save it under one name: opened and saved once."""

    def file(entry: Listed) -> tuple[str, str, int]:
        alone = not (entry.job.open and entry.job.save)
        return entry.job.open, entry.job.save, entry.number if alone else 0

    listed = [Listed(number, job) for number, job in enumerate(jobs, 1)]
    return [list(group) for _, group in itertools.groupby(listed, key=file)]


class Group:
    """Jobs on one file: it is opened once, and saved once if any of them went well."""

    def __init__(
        self,
        listed: Sequence[Listed],
        total: int,
        engine: Engine,
        folder: Path | None,
        again: bool,
    ) -> None:
        self.listed = listed
        self.total = total
        self.engine = engine
        self.folder = folder
        self.again = again
        self.source = ""
        first = listed[0].job
        self.open, self.save = first.open, first.save

    def run(self) -> list[Result]:
        """Do the jobs; what goes wrong with one is in its result, and does not stop the others."""
        began = time.monotonic()
        if self.folder is not None:
            self.source = kept.digest_of_file(Path(self.open or bpy.data.filepath))
        failed = self._guard(self.listed[0], self._open)
        if failed is not None:
            return [self._end(entry, replace(failed, job=entry.job)) for entry in self.listed]
        if self._is_done():
            for entry in self.listed:
                say(f"{self._tag(entry)}already done, saved as {self.save}")
            return [Result(entry.job, "done") for entry in self.listed]
        results = [self._bake(entry) for entry in self.listed]
        if self.save and any(result.state == "done" for result in results):
            failed = self._guard(self.listed[0], lambda: stage.save_file(self.save))
            saved = "" if failed or self.folder is None else kept.digest_of_file(Path(self.save))
            results = [
                replace(failed or result, job=result.job, saved=saved)
                if result.state == "done"
                else result
                for result in results
            ]
        seconds = round(time.monotonic() - began, 2)
        return [
            self._end(entry, replace(result, seconds=seconds))
            for entry, result in zip(self.listed, results, strict=True)
        ]

    def _tag(self, entry: Listed) -> str:
        return f"[{entry.number}/{self.total}] " if self.total > 1 else ""

    def _guard(self, entry: Listed, work: Callable[[], None]) -> Result | None:
        """Do something; the result of a job if it went wrong. Says it."""
        tag = self._tag(entry)
        try:
            work()
        except EmoFaceError as error:
            say(f"emoface: {tag}{error}")
            return Result.of_error(entry.job, error)
        except Exception:  # what nobody foresaw: report it, and go on with the other jobs
            report = traceback.format_exc()
            say(f"emoface: {tag}A fault of ours; please report this:\n{report}")
            return Result(entry.job, "failed", "fault", report)
        return None

    def _open(self) -> None:
        if self.open:
            stage.open_file(self.open)

    def _is_done(self) -> bool:
        if self.folder is None or self.again:
            return False
        return all(
            kept.is_done(
                kept.result_path(self.folder, entry.job, entry.number),
                entry.job,
                self._fingerprint(entry.job),
                self.source,
            )
            for entry in self.listed
        )

    def _fingerprint(self, job: BakeJob) -> str:
        """Of all that makes the result, but for the .blend itself; "" if it cannot be done."""
        try:
            takes, _ = takes_of(job)
        except EmoFaceError:
            return ""
        sounds = [
            (take.face.name, heard.label, kept.digest_of_file(heard.path), asdict(heard.clip),
             heard.volume, heard.text)
            for take in takes
            for heard in take.wish.sounds
        ]  # fmt: skip
        model = Path(emoface_core.__file__).parent / "assets" / "model" / "model.json"
        preset = kept.digest_of_file(Path(job.preset)) if job.preset else ""
        engine = (emoface_core.__version__, kept.digest_of_file(model), self.engine.engine)
        return kept.digest(asdict(job), sounds, preset, engine)

    def _bake(self, entry: Listed) -> Result:
        results: list[Result] = []
        tag = self._tag(entry)

        def work() -> None:
            records, left_out = bake_all(entry.job, self.engine, tag)
            made = Result(
                entry.job,
                "done",
                faces=tuple(_spoken(name, record) for name, record in records),
                left_out=tuple(left_out),
                fingerprint=self._fingerprint(entry.job) if self.folder is not None else "",
                source=self.source,
            )
            results.append(made)

        return self._guard(entry, work) or results[0]

    def _end(self, entry: Listed, result: Result) -> Result:
        if self.folder is None:
            return result
        path = kept.result_path(self.folder, entry.job, entry.number)
        return self._guard(entry, lambda: kept.write_result(path, result)) or result


def _spoken(face: str, record: BakeRecord) -> Spoken:
    keys = len(record.keys)
    return Spoken(face, record.sound, record.first_frame, record.last_frame, keys)
