# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on turned on: its buttons, what they say, and a whole bake by the real worker."""

import re
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon.control.properties import chosen_face
from blender_addon.curves.naming import INTENSITY
from blender_addon.layers import ownership, writer
from blender_addon.scene.strips import heard_of_file
from blender_addon.ui import cue_tools, operators
from blender_addon.ui.text import wrap
from blender_addon.work import report
from blender_addon.work.job import Failure, Job, Wish, desk, wish_of
from blender_addon.work.session import Engine, session
from emoface_core.errors import InputError
from emoface_core.worker.client import WorkerError

from ..conftest import add_face, evaluated, write_voice
from ..snapshot import differences, snapshot

pytestmark = pytest.mark.usefixtures("addon")


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    return write_voice(tmp_path / "voix é.wav", 1.0)


def head_with(voice: Path) -> bpy.types.Object:
    bpy.ops.emoface.add_head()
    face = bpy.context.scene.emoface.face
    face.emoface.source, face.emoface.file = "FILE", str(voice)
    return face


def reason() -> str:
    return operators.EMOFACE_OT_animate.disabled_reason(bpy.context)


def test_the_button_says_what_is_missing(voice: Path) -> None:
    assert reason().startswith("No face is chosen.")
    cube = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    bpy.context.scene.collection.objects.link(cube)
    bpy.context.view_layer.objects.active = cube
    assert reason().startswith("“Cube” has 0 vertices")
    bpy.context.scene.emoface.face = add_face()
    assert reason().startswith("There is no sound in the sequencer.")
    face = chosen_face(bpy.context)
    face.emoface.source = "FILE"
    assert reason() == "No sound file is chosen. Choose one."
    face.emoface.file = str(voice)
    assert reason() == ""
    with pytest.raises(RuntimeError, match="has no animation by EmoFace"):
        bpy.ops.emoface.remove_bake()
    with pytest.raises(RuntimeError, match="Nothing is under way"):
        bpy.ops.emoface.cancel()


def test_a_face_that_left_the_scene_is_not_the_face() -> None:
    face = add_face()
    bpy.context.scene.emoface.face = face
    assert chosen_face(bpy.context) is face
    bpy.context.scene.collection.objects.unlink(face)
    assert chosen_face(bpy.context) is None


def test_from_a_sound_to_a_face_and_back(voice: Path) -> None:
    face = head_with(voice)
    face.emoface.emotion, face.emoface.intensity = "happy", 0.6
    rest = evaluated(face, 1)
    before = snapshot()
    bpy.context.scene.frame_set(5)
    assert bpy.ops.emoface.animate() == {"FINISHED"}
    assert bpy.context.scene.frame_current == 5, "the animator is left where they are"
    record = ownership.record_of(face)
    assert (record.sound, record.first_frame, record.frames) == (voice.name, 1, 24)
    assert record.worst_error <= 1e-4
    assert face[INTENSITY] == pytest.approx(0.6)
    assert np.abs(evaluated(face, 8) - rest).max() > 5e-4, "it moves"
    assert bpy.ops.emoface.animate() == {"FINISHED"}, "again, over the first"
    assert bpy.ops.emoface.remove_bake() == {"FINISHED"}
    bpy.context.scene.frame_set(1)
    assert not differences(before, snapshot())


def test_a_bake_takes_what_was_chosen_to_the_face_once(
    voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    face, taken = head_with(voice), []
    restyle = writer.restyle
    monkeypatch.setattr(writer, "restyle", lambda *given: taken.append(given) or restyle(*given))
    face.emoface.text = "produced the block"
    assert bpy.ops.emoface.animate() == {"FINISHED"}
    assert [word.text for word in face.emoface.words] == ["produced", "the", "block"]
    assert not taken, "the bake itself is as the engine made it"
    face.emoface.words[1].mute = True
    assert len(taken) == 1
    assert bpy.ops.emoface.animate() == {"FINISHED"}
    assert len(taken) == 2, "the muted word is, however many were listed"
    assert [word.mute for word in face.emoface.words] == [False, True, False]


def test_another_emotion_is_chosen_after_the_bake(voice: Path) -> None:
    face = head_with(voice)
    face.emoface.emotion = "happy"
    bpy.ops.emoface.animate()
    happy = evaluated(face, 8)
    face.emoface.emotion = "angry"
    angry = evaluated(face, 8)
    assert np.abs(angry - happy).max() > 5e-4
    bpy.ops.emoface.animate()
    assert np.abs(evaluated(face, 8) - angry).max() < 3e-4, "as a new bake would make it"


def test_what_is_chosen_while_it_is_made_shows(voice: Path) -> None:
    face = head_with(voice)
    face.emoface.emotion = "happy"
    job = Job(session.client(Engine()), face, wish_of(face, *operators.heard(bpy.context, face)))
    face.emoface.emotion, face.emoface.intensity = "sad", 0.5
    job.run()
    assert ownership.record_of(face).emotion == "sad"
    assert face[INTENSITY] == pytest.approx(0.5)
    shown = evaluated(face, 8)
    face.emoface.emotion = "calm"
    assert np.abs(evaluated(face, 8) - shown).max() > 3e-4
    face.emoface.emotion = "sad"
    np.testing.assert_allclose(evaluated(face, 8), shown, atol=1e-6)


def test_a_mixture_that_no_menu_has_stays_until_another_is_chosen(voice: Path) -> None:
    face = head_with(voice)
    (heard,) = operators.heard(bpy.context, face)
    mixture = "happy=0.7,surprised=0.3"
    Job(session.client(Engine()), face, Wish(heard, mixture, 1.0, 1.0)).run()
    again = wish_of(face, heard)
    assert (again.emotion, again.preference) == (mixture, 1.0)
    face.emoface.emotion = "angry"
    assert wish_of(face, heard).emotion == "angry"


def test_a_face_feels_before_and_after_the_sound_by_its_cues(voice: Path) -> None:
    face = head_with(voice)
    face.emoface.emotion = "happy"
    bpy.ops.emoface.animate()
    last = ownership.record_of(face).last_frame
    spoken = evaluated(face, 8)
    cue = face.emoface.cues.add()
    cue.frame, cue.emotion = last + 30, "angry"
    assert cue_tools.unfelt(face, cue) == f"The face feels nothing after frame {last}."
    face.emoface.feel_before, face.emoface.feel_after = 20, 60
    bpy.ops.emoface.animate()
    record = ownership.record_of(face)
    assert (record.first_frame, record.last_frame) == (1 - 20, last + 60)
    assert cue_tools.unfelt(face, cue) == ""
    assert np.abs(evaluated(face, 8) - spoken).max() < 1e-3, "what is said is the same"
    rest = evaluated(face, -500)
    before, after, reaction = (evaluated(face, frame) for frame in (-15, last + 10, last + 55))
    assert np.abs(before - rest).max() > 3e-3
    assert np.abs(after - rest).max() > 3e-3
    assert np.abs(reaction - after).max() > 3e-3


def test_a_sound_that_is_none_fails_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("not a sound")
    face = head_with(path)
    with pytest.raises(RuntimeError, match=r"notes\.wav"):
        bpy.ops.emoface.animate()
    assert desk.failure is not None
    assert desk.failure.code == "bad_input"
    assert desk.failure.hint
    assert ownership.record_of(face) is None
    assert desk.job is None


def wish(voice: Path) -> Wish:
    return Wish(heard_of_file(str(voice), bpy.context.scene, 1), "auto", None, 1.0)


def wait(job: Job) -> None:
    with pytest.raises((WorkerError, InputError)):
        job.run()


def test_a_cancelled_job_leaves_the_face_alone(voice: Path) -> None:
    face = head_with(voice)
    before = snapshot()
    job = Job(session.client(Engine()), face, wish(voice))
    job.cancel()
    wait(job)
    assert job.state == "cancelled"
    assert not differences(before, snapshot())
    assert bpy.ops.emoface.animate() == {"FINISHED"}, "and the next one works"


def test_a_killed_worker_leaves_the_face_alone(voice: Path) -> None:
    face = head_with(voice)
    client = session.client(Engine())
    before = snapshot()
    job = Job(client, face, wish(voice))
    while job.state == "running":  # the client may start another one: none survives
        if client._process is not None:
            client._process.kill()
        job.step()
    assert (job.state, job.error.code) in {
        ("failed", "worker_died"),
        ("failed", "worker_not_started"),
    }
    assert not differences(before, snapshot())
    assert bpy.ops.emoface.animate() == {"FINISHED"}, "and the next one works"


def test_a_face_that_is_deleted_on_the_way(voice: Path) -> None:
    face = head_with(voice)
    job = Job(session.client(Engine()), face, wish(voice))
    bpy.data.objects.remove(face)
    wait(job)
    assert job.error.message == "The face “EmoFace Head” is gone."


def test_a_face_that_is_renamed_on_the_way(voice: Path) -> None:
    face = head_with(voice)
    job = Job(session.client(Engine()), face, wish(voice))
    face.name = "Ada"
    job.run()
    assert ownership.record_of(bpy.data.objects["Ada"]) is not None


def test_a_file_that_is_loaded_on_the_way_ends_the_job(voice: Path, tmp_path: Path) -> None:
    face = head_with(voice)
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    desk.begin(Job(session.client(Engine()), face, wish(voice)))
    bpy.ops.wm.open_mainfile(filepath=path)
    assert desk.job is None
    assert ownership.record_of(bpy.data.objects["EmoFace Head"]) is None
    assert bpy.ops.emoface.animate() == {"FINISHED"}, "the abandoned job does not stand in the way"


def test_nothing_of_a_job_is_saved(voice: Path, tmp_path: Path) -> None:
    face = head_with(voice)
    desk.begin(Job(session.client(Engine()), face, wish(voice)))
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert reason() == ""
    assert ownership.record_of(bpy.data.objects[0]) is None


def test_one_job_at_a_time(voice: Path) -> None:
    face = head_with(voice)
    desk.begin(Job(session.client(Engine()), face, wish(voice)))
    assert reason() == "“EmoFace Head” is being animated. Wait until it is done, or cancel it."
    desk.job.run()
    desk.end()
    assert reason() == ""


def test_the_engine_is_tested_and_its_memory_freed(voice: Path) -> None:
    assert bpy.ops.emoface.test_engine() == {"FINISHED"}
    assert session.running
    bpy.ops.emoface.free_memory()
    assert not session.running
    with pytest.raises(RuntimeError, match="not running"):
        bpy.ops.emoface.free_memory()


def test_a_python_that_is_none_is_said(voice: Path) -> None:
    face = head_with(voice)
    with pytest.raises(WorkerError, match="could not be started") as caught:
        Job(session.client(Engine(python="/nowhere/python")), face, wish(voice))
    assert caught.value.hint


def test_a_report_holds_no_names() -> None:
    failure = Failure(
        "Ada",
        "“/home/ada/secret take.wav” cannot be read.",
        "",
        "bad_input",
        ("File /home/ada/film/x.py, line 3", r"C:\Users\Ada\film\y.py", "MemoryError"),
    )
    text = report.report(failure, Engine())
    assert "MemoryError" in text
    assert "bad_input" in text
    assert not re.search(r"ada|film|secret", text, re.IGNORECASE)


def test_text_is_broken_between_words() -> None:
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("a /long/path", 6) == ["a", "/long/", "path"]
    assert wrap("", 4) == []
