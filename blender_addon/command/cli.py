# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking without a window: `blender --command emoface bake …`, and the work behind bake.py."""

import argparse
import itertools
import math
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import bpy
from bpy.types import Object, Scene

import emoface_core
from emoface_core.emotions import AUTO, EMOTIONS
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.files import atomic_path

from ..control import presets, properties
from ..curves.naming import INTENSITY, BakeRecord
from ..layers import ownership
from ..scene import casting, linked, strips, target
from ..work.job import Job, Wish, wish_of
from ..work.session import Engine, chosen_engine, session
from . import jobs
from .jobs import BakeJob, Result, Spoken

DONE, FAULT, BAD_INPUT = 0, 1, 2

_registered: list[Any] = []  # the command, while the add-on is on


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """InputError, not an exit in the middle of Blender."""
        raise InputError(f"{message[:1].upper()}{message[1:]}.", "See --help.")


def parser() -> argparse.ArgumentParser:
    """The options of `bake`."""
    made = _Parser(
        prog="emoface bake",
        description="Animate faces from sounds, as shape keys on the timeline.",
        epilog="Exit codes: 0 all is done, 2 something in the input is wrong, 1 a fault of ours.",
        allow_abbrev=False,
    )
    sound = made.add_mutually_exclusive_group()
    sound.add_argument("--audio", metavar="FILE", help="a sound file: wav, flac, ogg, mp3")
    sound.add_argument(
        "--strip",
        metavar="NAME",
        action="append",
        help="a sound strip of the sequencer; given again: others that the same face speaks",
    )
    sound.add_argument(
        "--all",
        action="store_true",
        default=None,
        help="every sound strip, each to the face that its name or its channel's says; "
        "with --object only that face's",
    )
    made.add_argument("--object", metavar="NAME", help="the face; not needed if there is only one")
    made.add_argument(
        "--make-local",
        action="store_true",
        default=None,
        help="give a linked character's face a mesh of this file's own, so that it can be baked",
    )
    made.add_argument("--preset", metavar="FILE", help="a preset of the panel: emotion and style")
    made.add_argument("--emotion", help=f"{AUTO} (from the voice), {', '.join(EMOTIONS)}")
    made.add_argument("--intensity", type=float, metavar="F", help="0 to 1.5 (1)")
    made.add_argument("--preference", type=float, metavar="F", help="0 all voice, 1 all choice (1)")
    made.add_argument(
        "--eyes",
        action="store_true",
        default=None,
        help="blink and look about, too, as the face's panel says; without it the eyes do only "
        "what speech and emotion make them do, or what the preset says",
    )
    made.add_argument("--fps", type=float, metavar="F", help="give the scene this frame rate first")
    made.add_argument("--start-frame", type=int, metavar="N", help="where the sound file begins")
    made.add_argument("--open", metavar="FILE.blend", help="open this file first")
    made.add_argument("--save", metavar="FILE.blend", help="save the result here")
    made.add_argument(
        "--jobs", metavar="FILE", help="several jobs: a .json list of such options, or a .csv table"
    )
    made.add_argument(
        "--part",
        metavar="I/N",
        help="only the Ith of N parts of the list; jobs on one file stay together",
    )
    made.add_argument(
        "--results",
        metavar="FOLDER",
        help="write a result file for each job here, and leave out what is done and unchanged",
    )
    made.add_argument("--again", action="store_true", help="do also what is done")
    made.add_argument("--engine", choices=("auto", "onnx", "torch"))
    made.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    made.add_argument("--python", metavar="FILE", help="the Python that has the engine's packages")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run `bake` and return the exit code: 0 done, 2 bad input, 1 a fault of ours."""
    try:
        options = parser().parse_args(list(arguments))
        listed = _groups(_jobs(options))
        part, count = jobs.parse_part(options.part or "1/1")
        engine = _engine(options)
    except InputError as error:
        _say(f"emoface: {error}")
        return BAD_INPUT
    except SystemExit as end:  # --help
        return int(end.code or 0)
    folder = Path(options.results) if options.results else None
    total = sum(len(group) for group in listed)
    try:
        with _properties():
            results = [
                result
                for group in listed[part - 1 :: count]
                for result in _Group(group, total, engine, folder, options.again).run()
            ]
    finally:
        session.close()
    codes = {_exit_code(result) for result in results}
    return FAULT if FAULT in codes else max(codes, default=DONE)


def _exit_code(result: Result) -> int:
    if result.state == "done":
        return DONE
    return BAD_INPUT if result.code in {"bad_input", "no_engine"} else FAULT


@dataclass(frozen=True, slots=True)
class _Listed:
    """A job and its number in the list, from 1."""

    number: int
    job: BakeJob


def _jobs(options: argparse.Namespace) -> list[_Listed]:
    names = [field.name for field in fields(BakeJob)]
    given = {k: v for k in names if (v := getattr(options, k, None)) is not None}
    if "strip" in given:
        given["strip"] = tuple(given["strip"])
    common = BakeJob(**given)
    read = [common] if options.jobs is None else jobs.read_list(Path(options.jobs), common)
    jobs.check_all(read)
    return [_Listed(number, job) for number, job in enumerate(read, 1)]


def _groups(listed: Sequence[_Listed]) -> list[list[_Listed]]:
    """Neighbours that change one file and save it under one name: opened and saved once."""

    def file(entry: _Listed) -> tuple[str, str, int]:
        alone = not (entry.job.open and entry.job.save)
        return entry.job.open, entry.job.save, entry.number if alone else 0

    return [list(group) for _, group in itertools.groupby(listed, key=file)]


@dataclass(frozen=True, slots=True)
class _Take:
    """A face and what it is to speak."""

    face: Object
    wish: Wish


class _Group:
    """Jobs on one file: it is opened once, and saved once if any of them went well."""

    def __init__(
        self,
        listed: Sequence[_Listed],
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
            self.source = jobs.digest_of_file(Path(self.open or bpy.data.filepath))
        failed = self._guard(self.listed[0], self._open)
        if failed is not None:
            return [self._end(entry, replace(failed, job=entry.job)) for entry in self.listed]
        if self._is_done():
            for entry in self.listed:
                _say(f"{self._tag(entry)}already done, saved as {self.save}")
            return [Result(entry.job, "done") for entry in self.listed]
        results = [self._bake(entry) for entry in self.listed]
        if self.save and any(result.state == "done" for result in results):
            failed = self._guard(self.listed[0], lambda: _save(self.save))
            saved = "" if failed or self.folder is None else jobs.digest_of_file(Path(self.save))
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

    def _tag(self, entry: _Listed) -> str:
        return f"[{entry.number}/{self.total}] " if self.total > 1 else ""

    def _guard(self, entry: _Listed, work: Any) -> Result | None:
        """Do something; the result of a job if it went wrong. Says it."""
        tag = self._tag(entry)
        try:
            work()
        except EmoFaceError as error:
            _say(f"emoface: {tag}{error}")
            return Result.of_error(entry.job, error)
        except Exception:  # what nobody foresaw: report it, and go on with the other jobs
            report = traceback.format_exc()
            _say(f"emoface: {tag}A fault of ours; please report this:\n{report}")
            return Result(entry.job, "failed", "fault", report)
        return None

    def _open(self) -> None:
        if self.open:
            _open(self.open)

    def _is_done(self) -> bool:
        if self.folder is None or self.again:
            return False
        return all(
            jobs.is_done(
                jobs.result_path(self.folder, entry.job, entry.number),
                entry.job,
                self._fingerprint(entry.job),
                self.source,
            )
            for entry in self.listed
        )

    def _fingerprint(self, job: BakeJob) -> str:
        """Of all that makes the result, but for the .blend itself; "" if it cannot be done."""
        try:
            takes, _ = _takes(job)
        except EmoFaceError:
            return ""
        sounds = [
            (take.face.name, heard.label, jobs.digest_of_file(heard.path), asdict(heard.clip),
             heard.volume)
            for take in takes
            for heard in take.wish.sounds
        ]  # fmt: skip
        model = Path(emoface_core.__file__).parent / "assets" / "model" / "model.json"
        preset = jobs.digest_of_file(Path(job.preset)) if job.preset else ""
        engine = (emoface_core.__version__, jobs.digest_of_file(model), self.engine.engine)
        return jobs.digest(asdict(job), sounds, preset, engine)

    def _bake(self, entry: _Listed) -> Result:
        results: list[Result] = []
        tag = self._tag(entry)

        def work() -> None:
            records, left_out = _bake_all(entry.job, self.engine, tag)
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

    def _end(self, entry: _Listed, result: Result) -> Result:
        if self.folder is None:
            return result
        path = jobs.result_path(self.folder, entry.job, entry.number)
        return self._guard(entry, lambda: jobs.write_result(path, result)) or result


def _spoken(face: str, record: BakeRecord) -> Spoken:
    keys = len(record.keys)
    return Spoken(face, record.sound, record.first_frame, record.last_frame, keys)


@contextmanager
def _properties() -> Iterator[None]:
    """A face's choices, where the add-on is not turned on: bake.py of a checkout."""
    if hasattr(Object, "emoface"):
        yield
        return
    properties.register()
    try:
        yield
    finally:
        properties.unregister()


def bake(job: BakeJob, engine: Engine, tag: str = "") -> BakeRecord:
    """Open, bake one face, save. EmoFaceError if it cannot be done; the file is then as it was."""
    if job.open:
        _open(job.open)
    with _properties():
        records, _ = _bake_all(job, engine, tag)
    if job.save:
        _save(job.save)
    return records[0][1]


def _bake_all(
    job: BakeJob, engine: Engine, tag: str
) -> tuple[list[tuple[str, BakeRecord]], list[str]]:
    """The bakes of a job in the open file by the faces' names, and the strips that are left out."""
    takes, left_out = _takes(job)
    for line in left_out:
        _say(f"{tag}note: {line}")
    made = []
    for take in takes:
        began = time.monotonic()
        for warning in target.warnings(take.face, _scene_of(take.face)):
            _say(f"{tag}note: {warning}")
        name = take.face.name
        record = Job(session.client(engine), take.face, take.wish).run(_Progress(f"{tag}{name}"))
        if job.intensity is not None:
            ownership.intensity_home(take.face)[INTENSITY] = job.intensity
        made.append((name, record))
        kept = f"to be saved as {job.save}" if job.save else "not saved (give --save FILE.blend)"
        _say(
            f"{tag}{name} speaks {record.sound} in frames {record.span}: "
            f"{len(record.keys)} shape keys, {time.monotonic() - began:.1f} s; {kept}"
        )
    return made, left_out


def _takes(job: BakeJob) -> tuple[list[_Take], list[str]]:
    """Who speaks what, in the open file; and the strips that nobody speaks, with the reason."""
    preset = presets.read(Path(job.preset)) if job.preset else None
    if not job.all:
        face = _usable(_face(job.object), job)
        scene = _scene_of(face)
        if job.fps is not None:
            _set_rate(scene, job.fps)
        sounds = _heard(job, scene)
        return [_Take(face, _wish(job, preset, face, sounds))], []
    scene = _scene_of(_face(job.object)) if job.object else bpy.context.scene
    if job.fps is not None:
        _set_rate(scene, job.fps)
    roles = casting.cast_scene(scene, scene)
    left_out = [f"“{r.strip}” is left out. {r.reason}" for r in roles if not r.face]
    names = dict.fromkeys(r.face for r in roles if r.face and job.object in {"", r.face})
    if not names:
        raise InputError(
            "No face's name stands in the name of a sound strip or its channel.",
            "Name them so, or give --strip and --object.",
        )
    takes = []
    for name in names:
        face = _usable(scene.objects[name], job)
        wanted = [role.strip for role in roles if role.face == name]
        sounds = [
            strips.heard_of_strip(strips.choose(scene, strip), scene, scene) for strip in wanted
        ]
        takes.append(_Take(face, _wish(job, preset, face, sounds)))
    casting.check_meshes([take.face for take in takes])
    return takes, left_out


def _wish(
    job: BakeJob, preset: presets.Preset | None, face: Object, sounds: Sequence[strips.Heard]
) -> Wish:
    """What the options say; where they say nothing, the preset; else the face's own choices."""
    if preset is not None:
        presets.apply(preset, face)
    wish = wish_of(face, *sounds)
    emotion = wish.emotion if job.emotion is None else job.emotion
    preference = wish.preference if job.preference is None else job.preference
    return replace(
        wish,
        emotion=emotion,
        preference=None if emotion == AUTO else preference,
        intensity=wish.intensity if job.intensity is None else job.intensity,
        eyes=None if job.preset and not job.eyes else job.eyes,
    )


class _Progress:
    """A line on stderr whenever a stage begins or a tenth is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last: tuple[str, int] = ("", -1)

    def __call__(self, text: str, fraction: float) -> None:
        now = (text, int(fraction * 10))
        if now != self.last:
            self.last = now
            _say(f"{self.name}: {text} {fraction:.0%}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _engine(options: argparse.Namespace) -> Engine:
    engine = chosen_engine()
    if options.python is not None and not Path(options.python).is_file():
        raise InputError(f"There is no Python “{options.python}”.", "Check --python.")
    given = {
        name: value
        for name in ("engine", "device", "python")
        if (value := getattr(options, name)) is not None
    }
    return replace(engine, **given)


def _open(name: str) -> None:
    path = Path(name).absolute()
    if not path.is_file():
        raise InputError(f"There is no file “{name}”.", "Check --open.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False)
    except RuntimeError as error:
        raise InputError(f"“{name}” cannot be opened ({error}).", "Choose another file.") from None


def _face(name: str) -> Object:
    """The object of that name, or the only one that can be a face."""
    # An override has the name of what it overrides, which is in no scene.
    here = [obj for obj in bpy.data.objects if obj.users_scene]
    possible = casting.possible_faces(here)
    if name:
        same = [obj for obj in here if obj.name == name] or [bpy.data.objects.get(name)]
        if same[0] is None:
            raise InputError(f"There is no object “{name}”.", _choices(possible))
        return same[0]
    if len(possible) != 1:
        raise InputError(f"{len(possible)} objects can be faces.", _choices(possible))
    return possible[0]


def _choices(objects: Sequence[Object]) -> str:
    if not objects:
        return "The file has no head of FLAME's topology."
    return f"Give --object with one of: {', '.join(obj.name for obj in objects)}."


def _usable(face: Object, job: BakeJob) -> Object:
    """The face, with a mesh of its own if that is wished; InputError says why it cannot be used."""
    if job.make_local and linked.needs_local_mesh(face):
        linked.make_mesh_local(face)
    return target.check(face)


def _scene_of(obj: Object) -> Scene:
    scenes = [bpy.context.scene, *bpy.data.scenes]
    for scene in scenes:
        if scene in obj.users_scene:
            return scene
    raise InputError(f"“{obj.name}” is in no scene.", "Put it into one.")


def _set_rate(scene: Scene, fps: float) -> None:
    """Such as 29.97 = 30 / 1.001."""
    whole = math.ceil(fps - 1e-6)
    base = 1.001 if abs(whole / 1.001 - fps) < 5e-3 else float(Fraction(whole) / Fraction(fps))
    scene.render.fps, scene.render.fps_base = whole, base


def _heard(job: BakeJob, scene: Scene) -> list[strips.Heard]:
    if job.audio:
        first = scene.frame_start if job.start_frame is None else job.start_frame
        return [strips.heard_of_file(str(Path(job.audio).absolute()), scene, first)]
    return [_heard_of_strip(name, scene) for name in job.strips]


def _heard_of_strip(name: str, scene: Scene) -> strips.Heard:
    for home in [scene, *bpy.data.scenes]:
        if any(sound.name == name for sound in strips.sound_strips(home)):
            return strips.heard_of_strip(strips.choose(home, name), home, scene)
    names = sorted({s.name for home in bpy.data.scenes for s in strips.sound_strips(home)})
    raise InputError(
        f"There is no sound strip “{name}”.",
        f"Give one of: {', '.join(names)}." if names else "The file has no sound strips.",
    )


def _save(name: str) -> None:
    """Under a name of its own, then renamed: two machines that do one job cannot mix their bytes.

    What was there before becomes .blend1, as when Blender saves.
    """
    path = Path(name).absolute()
    try:
        with atomic_path(path) as temporary:
            bpy.ops.wm.save_as_mainfile(filepath=str(temporary), check_existing=False, copy=True)
            if path.exists() and bpy.context.preferences.filepaths.save_version > 0:
                path.replace(path.with_name(f"{path.name}1"))
    except (RuntimeError, OSError) as error:
        raise InputError(f"“{name}” cannot be saved ({error}).", "Choose another place.") from None


def command(arguments: list[str]) -> int:
    """`blender --command emoface …`."""
    if not arguments or arguments[0] != "bake":
        _say("emoface: Say what to do: blender --command emoface bake --help")
        return BAD_INPUT
    return main(arguments[1:])


def register() -> None:
    """Add the command."""
    _registered.append(bpy.utils.register_cli_command("emoface", command))


def unregister() -> None:
    """Take it away."""
    while _registered:
        bpy.utils.unregister_cli_command(_registered.pop())
