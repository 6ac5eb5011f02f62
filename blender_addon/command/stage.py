# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that is open: opened, its faces and sounds found by name, saved."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import bpy
from bpy.types import Object, Scene

from emoface_core.errors import InputError
from emoface_core.files import atomic_path

from ..scene import casting, linked, strips, target
from .jobs import BakeJob


def open_file(name: str) -> None:
    """Open a .blend. InputError if it cannot be."""
    path = Path(name).absolute()
    if not path.is_file():
        raise InputError(f"There is no file “{name}”.", "Check --open.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False)
    except RuntimeError as error:
        raise InputError(f"“{name}” cannot be opened ({error}).", "Choose another file.") from None


def find_face(name: str) -> Object:
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


def usable(face: Object, job: BakeJob) -> Object:
    """The face, with a mesh of its own if that is wished; InputError says why it cannot be used."""
    if job.make_local and linked.needs_local_mesh(face):
        linked.make_mesh_local(face)
    return target.check(face)


def scene_of(obj: Object) -> Scene:
    """The scene that an object is in, the present one first. InputError if it is in none."""
    scenes = [bpy.context.scene, *bpy.data.scenes]
    for scene in scenes:
        if scene in obj.users_scene:
            return scene
    raise InputError(f"“{obj.name}” is in no scene.", "Put it into one.")


def set_rate(scene: Scene, fps: float) -> None:
    """Give a scene a frame rate, such as 29.97 = 30 / 1.001."""
    whole = math.ceil(fps - 1e-6)
    base = 1.001 if abs(whole / 1.001 - fps) < 5e-3 else float(Fraction(whole) / Fraction(fps))
    scene.render.fps, scene.render.fps_base = whole, base


def heard(job: BakeJob, scene: Scene) -> list[strips.Heard]:
    """The sounds that a job names. InputError if one of them is not there."""
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


def save_file(name: str) -> None:
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
