# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking without a window: `blender --command emoface bake …`, and the work behind bake.py."""

import argparse
import json
import math
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import bpy
from bpy.types import Object, Scene

from emoface_core.emotions import AUTO, EMOTIONS, MAX_INTENSITY
from emoface_core.errors import EmoFaceError, InputError

from . import strips, target
from .job import Job, Wish
from .naming import INTENSITY, BakeRecord
from .preferences import chosen_engine
from .session import Engine, session

DONE, FAULT, BAD_INPUT = 0, 1, 2

_registered: list[Any] = []  # the command, while the add-on is on


@dataclass(frozen=True, slots=True)
class BakeJob:
    """One face, one sound. The fields are the options' and the JSON keys' names."""

    open: str = ""  # a .blend to open first; "" is the one that is open
    audio: str = ""
    strip: str = ""
    object: str = ""
    emotion: str = AUTO
    intensity: float | None = None
    preference: float | None = None
    fps: float | None = None
    start_frame: int | None = None
    save: str = ""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """InputError, not an exit in the middle of Blender."""
        raise InputError(f"{message[:1].upper()}{message[1:]}.", "See --help.")


def parser() -> argparse.ArgumentParser:
    """The options of `bake`."""
    made = _Parser(
        prog="emoface bake",
        description="Animate a face from a sound, as shape keys on the timeline.",
        allow_abbrev=False,
    )
    sound = made.add_mutually_exclusive_group()
    sound.add_argument("--audio", metavar="FILE", help="a sound file: wav, flac, ogg, mp3")
    sound.add_argument("--strip", metavar="NAME", help="a sound strip of the scene's sequencer")
    made.add_argument("--object", metavar="NAME", help="the face; not needed if there is only one")
    made.add_argument("--emotion", help=f"{AUTO} (from the voice), {', '.join(EMOTIONS)}")
    made.add_argument("--intensity", type=float, metavar="F", help="0 to 1.5 (1)")
    made.add_argument("--preference", type=float, metavar="F", help="0 all voice, 1 all choice (1)")
    made.add_argument("--fps", type=float, metavar="F", help="give the scene this frame rate first")
    made.add_argument("--start-frame", type=int, metavar="N", help="where the sound file begins")
    made.add_argument("--open", metavar="FILE.blend", help="open this file first")
    made.add_argument("--save", metavar="FILE.blend", help="save the result here")
    made.add_argument("--jobs", metavar="FILE.json", help="several jobs: a list of such options")
    made.add_argument("--engine", choices=("auto", "onnx", "torch"))
    made.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    made.add_argument("--python", metavar="FILE", help="the Python that has the engine's packages")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run `bake` and return the exit code: 0 done, 2 bad input, 1 a fault of ours."""
    try:
        options = parser().parse_args(list(arguments))
        jobs = _jobs(options)
        engine = _engine(options)
    except InputError as error:
        _say(f"emoface: {error}")
        return BAD_INPUT
    except SystemExit as end:  # --help
        return int(end.code or 0)
    try:
        codes = [_one(number, jobs, job, engine) for number, job in enumerate(jobs, 1)]
    finally:
        session.close()
    return FAULT if FAULT in codes else max(codes)


def _one(number: int, jobs: Sequence[BakeJob], job: BakeJob, engine: Engine) -> int:
    tag = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
    try:
        bake(job, engine, tag)
    except InputError as error:
        _say(f"emoface: {tag}{error}")
        return BAD_INPUT
    except EmoFaceError as error:
        _say(f"emoface: {tag}{error}")
        return BAD_INPUT if error.code in {"bad_input", "no_engine"} else FAULT
    except Exception:  # what nobody foresaw: report it, and go on with the other jobs
        _say(f"emoface: {tag}A fault of ours; please report this:\n{traceback.format_exc()}")
        return FAULT
    return DONE


def bake(job: BakeJob, engine: Engine, tag: str = "") -> BakeRecord:
    """Do one job. EmoFaceError if it cannot be done; the file is then as it was."""
    began = time.monotonic()
    if job.open:
        _open(job.open)
    face = _face(job.object)
    scene = _scene_of(face)
    if job.fps is not None:
        _set_rate(scene, job.fps)
    wish = Wish(_heard(job, scene), job.emotion, job.preference, _intensity(job))
    for warning in target.warnings(target.check(face), scene):
        _say(f"emoface: {tag}note: {warning}")
    running = Job(session.client(engine), face, wish)
    record = running.run(_Progress(f"{tag}{face.name}"))
    if job.intensity is not None:
        face[INTENSITY] = job.intensity
    if job.save:
        _save(job.save)
    last = record.first_frame + record.frames - 1
    _say(
        f"{tag}{face.name} speaks {record.sound} in frames {record.first_frame}–{last}: "
        f"{len(record.keys)} shape keys, {time.monotonic() - began:.1f} s"
        + (f", saved as {job.save}" if job.save else "; not saved (give --save FILE.blend)")
    )
    return record


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


def _jobs(options: argparse.Namespace) -> list[BakeJob]:
    names = [field.name for field in fields(BakeJob)]
    given = {k: v for k in names if (v := getattr(options, k)) is not None}
    common = BakeJob(**given)
    if options.jobs is None:
        jobs = [common]
    else:
        jobs = [_read_job(common, item) for item in _read_list(Path(options.jobs))]
    for job in jobs:
        _check(job)
    return jobs


def _read_list(path: Path) -> list[Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"“{path}” cannot be read ({error.strerror}).", "Check it.") from None
    except ValueError as error:
        raise InputError(f"“{path}” is not JSON ({error}).", "Correct it.") from None
    if not isinstance(read, list) or not read or not all(isinstance(i, dict) for i in read):
        raise InputError(
            f"“{path}” is not a list of jobs.", 'Write [{"audio": "a.wav", "object": "Head"}, …].'
        )
    return read


def _read_job(common: BakeJob, item: dict[str, Any]) -> BakeJob:
    kinds: dict[str, Any] = {
        "intensity": (int, float), "preference": (int, float), "fps": (int, float),
        "start_frame": int,
    }  # fmt: skip
    item = {name.replace("-", "_"): value for name, value in item.items()}
    for name, value in item.items():
        if name not in {field.name for field in fields(BakeJob)}:
            raise InputError(f"A job cannot have “{name}”.", "See --help for what it can have.")
        if not isinstance(value, kinds.get(name, str)) or isinstance(value, bool):
            raise InputError(f"A job's “{name}” cannot be {value!r}.", "See --help.")
    if "audio" in item or "strip" in item:
        common = replace(common, audio="", strip="")
    return replace(common, **item)


def _check(job: BakeJob) -> None:
    if bool(job.audio) == bool(job.strip):
        raise InputError("A job needs a sound.", "Give --audio FILE or --strip NAME.")
    for name, value, most in (
        ("intensity", job.intensity, MAX_INTENSITY),
        ("preference", job.preference, 1.0),
    ):
        if value is not None and not 0 <= value <= most:
            raise InputError(f"The {name} {value:g} is not within 0 and {most:g}.", "Change it.")
    if job.save:
        _check_save(Path(job.save))
    if job.fps is not None and not (math.isfinite(job.fps) and 1 <= job.fps <= 1000):
        raise InputError(f"{job.fps:g} frames a second cannot be.", "Give 1 to 1000.")


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
    if name:
        obj = bpy.data.objects.get(name)
        if obj is None:
            raise InputError(f"There is no object “{name}”.", _choices(_possible_faces()))
        return obj
    possible = _possible_faces()
    if len(possible) != 1:
        raise InputError(f"{len(possible)} objects can be faces.", _choices(possible))
    return possible[0]


def _possible_faces() -> list[Object]:
    return [
        obj
        for obj in bpy.data.objects
        if obj.type == "MESH" and len(obj.data.vertices) == target.VERTICES
    ]


def _choices(objects: Sequence[Object]) -> str:
    if not objects:
        return "The file has no head of FLAME's topology."
    return f"Give --object with one of: {', '.join(obj.name for obj in objects)}."


def _scene_of(obj: Object) -> Scene:
    scenes = [bpy.context.scene, *bpy.data.scenes]
    for scene in scenes:
        if obj.name in scene.objects:
            return scene
    raise InputError(f"“{obj.name}” is in no scene.", "Put it into one.")


def _set_rate(scene: Scene, fps: float) -> None:
    """Such as 29.97 = 30 / 1.001."""
    whole = math.ceil(fps - 1e-6)
    base = 1.001 if abs(whole / 1.001 - fps) < 5e-3 else float(Fraction(whole) / Fraction(fps))
    scene.render.fps, scene.render.fps_base = whole, base


def _heard(job: BakeJob, scene: Scene) -> strips.Heard:
    if job.audio:
        first = scene.frame_start if job.start_frame is None else job.start_frame
        return strips.heard_of_file(str(Path(job.audio).absolute()), scene, first)
    for home in [scene, *bpy.data.scenes]:
        if any(sound.name == job.strip for sound in strips.sound_strips(home)):
            return strips.heard_of_strip(strips.choose(home, job.strip), home, scene)
    names = sorted({s.name for home in bpy.data.scenes for s in strips.sound_strips(home)})
    raise InputError(
        f"There is no sound strip “{job.strip}”.",
        f"Give one of: {', '.join(names)}." if names else "The file has no sound strips.",
    )


def _intensity(job: BakeJob) -> float:
    return 1.0 if job.intensity is None else job.intensity


def _check_save(path: Path) -> None:
    """Before the work, not after it."""
    if path.suffix != ".blend":
        raise InputError(f"“{path}” is no name for a .blend file.", "End it in .blend.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"The folder “{path.parent}” does not exist.", "Create it first.")


def _save(name: str) -> None:
    path = Path(name).absolute()
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False)
    except RuntimeError as error:
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
