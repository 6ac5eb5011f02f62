# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes as studios have them: linked characters, shared meshes, Blender closed in the middle."""

import os
import subprocess
import sys
import time
from pathlib import Path

import bmesh
import bpy
import numpy as np
import pytest

import blender_addon
from blender_addon.command import baking
from blender_addon.command.jobs import BakeJob
from blender_addon.control import presets
from blender_addon.curves.plan import plan_bake
from blender_addon.layers import ownership
from blender_addon.layers.writer import Source, write_bake
from blender_addon.scene import casting, linked, target
from blender_addon.scene.strips import heard_of_file
from blender_addon.work.batch import queue
from blender_addon.work.job import Job, Wish
from blender_addon.work.session import Engine, session
from emoface_core.errors import InputError
from emoface_core.face.head import load_head

from ..conftest import clip, evaluated, layers, write_voice
from ..snapshot import differences, snapshot

pytestmark = pytest.mark.usefixtures("addon")


def add_face(name: str) -> bpy.types.Object:
    """A true head without its mouth, since the engine looks at it."""
    head = load_head()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(head.vertices.tolist(), [], head.faces.tolist())
    face = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(face)
    return face


def bake(face: bpy.types.Object, intensity: float = 1.0) -> None:
    write_bake(face, plan_bake(layers(), clip()), Source("s", "auto", None, intensity))


def reload(path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))


@pytest.fixture
def character(tmp_path: Path) -> Path:
    """A file with two characters in a collection: Ada bare, Bea baked."""
    collection = bpy.data.collections.new("Characters")
    bpy.context.scene.collection.children.link(collection)
    for name in ("Ada", "Bea"):
        face = add_face(name)
        bpy.context.scene.collection.objects.unlink(face)
        collection.objects.link(face)
    bake(bpy.data.objects["Bea"])
    path = tmp_path / "Figuren ü.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def link(path: Path, *, override: bool = True) -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.collections = ["Characters"]
    scene, found = bpy.context.scene, bpy.data.collections["Characters"]
    scene.collection.children.link(found)
    if override:
        found.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
        scene.collection.children.unlink(found)


def own(name: str) -> bpy.types.Object:
    return next(o for o in bpy.data.objects if o.name == name and o.library is None)


def test_a_linked_character_says_what_to_do(character: Path) -> None:
    link(character, override=False)
    with pytest.raises(InputError, match="Make a library override of it"):
        target.check(bpy.data.objects["Ada"])
    link(character)
    for name in ("Ada", "Bea"):
        with pytest.raises(InputError, match="Press Make Mesh Local"):
            target.check(own(name))
    assert bpy.ops.emoface.make_mesh_local.poll() is False


@pytest.mark.parametrize("name", ["Ada", "Bea"])
def test_with_a_mesh_of_its_own_it_can_be_animated_and_stays_so(
    character: Path, tmp_path: Path, name: str
) -> None:
    link(character)
    face = own(name)
    bpy.context.scene.emoface.face = face
    assert bpy.ops.emoface.make_mesh_local() == {"FINISHED"}
    assert face.override_library is not None, "the object is still an override"
    bake(target.check(face))
    ownership.intensity_home(face)["emoface_intensity"] = 0.5
    face.emoface.emotion, face.emoface.regions.brows = "sad", 0.25
    cue = face.emoface.cues.add()
    cue.frame, cue.emotion = 33, "angry"
    accent = face.emoface.accents.add()
    accent.first, accent.last, accent.strength = 12, 14, 0.5
    word = face.emoface.words.add()
    word.text, word.first, word.last, word.strength = "hear", 20, 24, 1.5
    moved = evaluated(face, 20)
    reload(tmp_path / "shot.blend")
    face = own(name)
    assert face.override_library is not None
    assert ownership.intensity_home(face)["emoface_intensity"] == pytest.approx(0.5)
    assert np.abs(evaluated(face, 20) - moved).max() < 1e-6
    assert (face.emoface.emotion, face.emoface.regions.brows) == ("sad", 0.25)
    assert [(cue.frame, cue.emotion) for cue in face.emoface.cues] == [(33, "angry")]
    assert [(a.first, a.last, a.strength) for a in face.emoface.accents] == [(12, 14, 0.5)]
    assert [(w.text, w.first, w.strength) for w in face.emoface.words] == [("hear", 20, 1.5)]
    assert not linked.forgets_choices(face)


def test_removing_leaves_the_linked_character_alone(character: Path) -> None:
    link(character)
    face = own("Ada")
    linked.make_mesh_local(face)
    before = snapshot()
    bake(face)
    ownership.remove_bake(face)
    assert not differences(before, snapshot())


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="older Blenders keep it")
def test_what_a_source_file_does_not_know_of_is_forgotten_and_said(tmp_path: Path) -> None:
    collection = bpy.data.collections.new("Characters")
    bpy.context.scene.collection.children.link(collection)
    collection.objects.link(add_face("Ada"))
    path = tmp_path / "plain.blend"
    bpy.data.libraries.write(str(path), {bpy.context.scene})  # as without EmoFace
    link(path)
    assert linked.forgets_choices(own("Ada"))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    bpy.ops.wm.save_mainfile()
    link(path)
    assert not linked.forgets_choices(own("Ada"))


def test_a_linked_character_from_the_command_line(character: Path, tmp_path: Path) -> None:
    link(character)
    shot = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))
    voice = str(write_voice(tmp_path / "a.wav", 1.0))
    job = BakeJob(open=str(shot), audio=voice, object="Ada", save=str(shot))
    with pytest.raises(InputError, match="--make-local"):
        baking.bake(job, Engine())
    baking.bake(BakeJob(**{**_fields(job), "make_local": True}), Engine())
    bpy.ops.wm.open_mainfile(filepath=str(shot))
    assert ownership.record_of(own("Ada")).sound == "a.wav"


def _fields(job: BakeJob) -> dict:
    return {name: getattr(job, name) for name in BakeJob.__dataclass_fields__}


def test_two_faces_on_one_mesh_cannot_both_speak() -> None:
    ada = add_face("Ada")
    ben = bpy.data.objects.new("Ben", ada.data)
    bpy.context.scene.collection.objects.link(ben)
    assert target.warnings(ada, bpy.context.scene) == ["“Ben” shares this mesh and will move too."]
    casting.check_meshes([ada])
    with pytest.raises(InputError, match="“Ada” and “Ben” share one mesh"):
        queue.fill([(ada, ["a"]), (ben, ["b"])], bpy.context.scene)


@pytest.mark.parametrize("button", ["remove_bake", "to_plain_keys"])
def test_vertices_that_were_added_later_keep_no_bake_from_being_taken_off(button: str) -> None:
    face = add_face("Ada")
    bake(face)
    mesh = bmesh.new()
    mesh.from_mesh(face.data)
    bmesh.ops.subdivide_edges(mesh, edges=mesh.edges[:1], cuts=1)
    mesh.to_mesh(face.data)
    mesh.free()
    bpy.context.scene.emoface.face = face
    with pytest.raises(InputError, match="has 5024 vertices"):
        target.check(face)
    shown = evaluated(face, 20)
    assert getattr(bpy.ops.emoface, button)() == {"FINISHED"}
    assert ownership.record_of(face) is None
    if button == "to_plain_keys":
        np.testing.assert_allclose(evaluated(face, 20), shown, atol=1e-6)
    else:
        assert face.data.shape_keys is None


def test_a_preset_of_another_face_brings_no_seed_of_its_blinks() -> None:
    ada, ben = add_face("Ada"), add_face("Ben")
    ada.emoface.eyes.seed = 77
    before = ben.emoface.eyes.seed
    presets.apply(presets.capture(ada, "p"), ben)
    assert ben.emoface.eyes.seed == before != 77


def test_a_face_that_is_hidden_and_in_another_scene(tmp_path: Path) -> None:
    face = add_face("安娜")
    stage = bpy.data.scenes.new("舞台")
    stage.collection.objects.link(face)
    bpy.context.scene.collection.objects.unlink(face)
    face.hide_viewport = face.hide_render = True
    voice = str(write_voice(tmp_path / "声音.wav", 1.0))
    record = baking.bake(BakeJob(audio=voice, object="安娜", fps=25), Engine())
    assert (record.sound, record.frames) == ("声音.wav", 25)
    assert stage.render.fps == 25, "its own scene's rate"


@pytest.mark.parametrize("how", ["import os; os._exit(3)", "import sys; sys.exit(3)"])
def test_blender_closed_in_the_middle_leaves_no_worker(tmp_path: Path, how: str) -> None:
    voice = write_voice(tmp_path / "a.wav", 30.0)
    code = f"""
import bpy, addon_utils
bpy.ops.wm.read_factory_settings(use_empty=True)
addon_utils.enable("blender_addon")
from blender_addon.scene import head_object
from blender_addon.work.job import Job, Wish, desk
from blender_addon.work.session import Engine, session
from blender_addon.scene.strips import heard_of_file
face = head_object.add_head(bpy.context, "Ada")
heard = heard_of_file({str(voice)!r}, bpy.context.scene, 1)
desk.begin(Job(session.client(Engine()), face, Wish(heard, "auto", None, 1.0)))
print("worker", session._client.pid, flush=True)
{how}
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(blender_addon.__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        timeout=200,
        check=False,
    )
    (pid,) = [int(line.split()[1]) for line in done.stdout.splitlines() if "worker " in line]
    until = time.monotonic() + 60
    while _alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False


def test_undo_of_another_change_in_the_middle(tmp_path: Path) -> None:
    face = add_face("Ada")
    bpy.ops.ed.undo_push(message="made")
    face.location.x = 3
    bpy.ops.ed.undo_push(message="moved")
    heard = heard_of_file(str(write_voice(tmp_path / "a.wav", 1.0)), bpy.context.scene, 1)
    job = Job(session.client(Engine()), face, Wish(heard, "sad", None, 1.0))
    bpy.ops.ed.undo()
    job.run()
    bpy.ops.ed.undo_push(message="animated")
    assert ownership.record_of(bpy.data.objects["Ada"]) is not None
    bpy.ops.ed.undo()
    assert ownership.record_of(bpy.data.objects["Ada"]) is None
    bpy.ops.ed.redo()
    assert ownership.record_of(bpy.data.objects["Ada"]).emotion == "sad"
