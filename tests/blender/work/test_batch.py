# SPDX-License-Identifier: GPL-3.0-or-later
"""Several faces at once, by the real worker: order, failure, cancel, retry, and nothing stuck."""

import time
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon import compat
from blender_addon.control import presets, speaking
from blender_addon.control.presets import Preset
from blender_addon.layers import ownership
from blender_addon.scene import head_object
from blender_addon.ui import batch_list, operators, panels
from blender_addon.work import batch
from blender_addon.work.batch import queue
from blender_addon.work.job import desk
from blender_addon.work.session import session

from ..conftest import evaluated, write_voice
from ..scene.test_strips import AUDASPACE
from ..snapshot import differences, snapshot

pytestmark = [
    pytest.mark.usefixtures("addon"),
    pytest.mark.skipif(not AUDASPACE, reason="this bpy is built without Audaspace"),
]


@pytest.fixture
def shot(tmp_path: Path) -> Callable[..., None]:
    """Add strips of a second each to a scene at 25 fps: name -> first frame."""
    bpy.context.scene.render.fps = 25
    voice = write_voice(tmp_path / "voice ü.wav", 1.0)

    def add(**strips: int) -> None:
        for channel, (name, frame) in enumerate(strips.items(), 1):
            compat.new_sound_strip(bpy.context.scene, name, str(voice), channel, frame)

    return add


def heads(*names: str) -> list[bpy.types.Object]:
    return [head_object.add_head(bpy.context, name) for name in names]


def rows() -> list[tuple[str, str]]:
    return [(row.strip, row.face) for row in bpy.context.window_manager.emoface_batch.rows]


def states() -> dict[str, str]:
    return {entry.face.name: entry.state for entry in queue.entries}


def work(until: Callable[[], bool] = lambda: False) -> None:
    while queue.busy and not until():
        if not queue.step():
            time.sleep(0.002)  # leave the processor to the worker


def start() -> None:
    """Fill the queue as the button does, without working it off."""
    listed = batch_list.faces_of_list(bpy.context)
    queue.fill(listed, bpy.context.scene)


def test_a_whole_scene(shot: Callable[..., None]) -> None:
    ada, ben = heads("Ada", "Ben")
    ada.emoface.eyes.show = False
    ben.emoface.source, ben.emoface.file = "FILE", "elsewhere.wav"
    shot(Ada_1=11, Ben_1=31, Ada_2=61, music=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    assert rows() == [("music", ""), ("Ada_1", "Ada"), ("Ben_1", "Ben"), ("Ada_2", "Ada")]
    assert bpy.ops.emoface.animate_all() == {"FINISHED"}
    assert states() == {"Ada": "done", "Ben": "done"}
    record = ownership.record_of(ada)
    assert (record.first_frame, record.frames) == (11, 75)
    assert record.sound == "Ada_1 and 1 more"
    assert ownership.record_of(ben).first_frame == 31
    ada["emoface_intensity"] = 0.0  # the feeling lasts over the pause
    ada.update_tag()
    rest = evaluated(ada, -50)
    peaks = [np.abs(evaluated(ada, frame) - rest).max() for frame in (23, 48, 73)]
    assert peaks[0] == pytest.approx(peaks[2], rel=1e-3), "the same sound, twice"
    assert peaks[0] > 1e-3
    assert peaks[1] < 1e-6, "at rest in between"
    bpy.context.scene.emoface.face = ada
    assert speaking.repeated(ada) == ("Ada_1", "Ada_2")
    assert speaking.repeated(ben) == ("Ben_1",), "and no file any more"
    strip = compat.top_strips(bpy.context.scene.sequence_editor)[2]
    strip.frame_start += 10
    assert bpy.ops.emoface.animate() == {"FINISHED"}, "again, all that it speaks"
    again = ownership.record_of(ada)
    assert (again.sound, again.strips) == (record.sound, ("Ada_1", "Ada_2"))
    assert (again.first_frame, again.frames) == (11, 85)
    ada.emoface.strip = "Ben_1"
    assert speaking.repeated(ada) == (), "another one was chosen"
    ada.emoface.strip = "Ada_1"
    strip.name = "Ada_3"
    why = operators.EMOFACE_OT_animate.disabled_reason(bpy.context)
    assert why == (
        "“Ada” speaks “Ada_2”, which is not in the sequencer any more. "
        "Choose a strip under Sound, or list all of its strips under Several Faces."
    )


def test_each_face_has_its_own_choices_and_its_own_undo(shot: Callable[..., None]) -> None:
    ada, ben = heads("Ada", "Ben")
    ada.emoface.emotion, ben.emoface.emotion = "sad", "happy"
    shot(Ada_1=1, Ben_1=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.emoface.animate_all()
    assert ownership.record_of(bpy.data.objects["Ada"]).emotion == "sad"
    assert ownership.record_of(bpy.data.objects["Ben"]).emotion == "happy"
    bpy.ops.ed.undo()
    assert ownership.record_of(bpy.data.objects["Ada"]) is not None
    assert ownership.record_of(bpy.data.objects["Ben"]) is None


def test_one_failure_does_not_stop_the_others_and_can_be_tried_again(
    shot: Callable[..., None], tmp_path: Path
) -> None:
    ada, ben = heads("Ada", "Ben")
    shot(Ada_1=1, Ben_1=1)
    away = tmp_path / "away.wav"
    sound = bpy.data.sounds[0].copy()
    sound.filepath = str(away)
    compat.top_strips(bpy.context.scene.sequence_editor)[0].sound = sound
    before = ownership.record_of(ada)
    bpy.ops.emoface.list_strips(which="SCENE")
    with pytest.raises(RuntimeError, match="Nothing failed"):
        bpy.ops.emoface.retry()
    assert bpy.ops.emoface.animate_all() == {"FINISHED"}
    failed, done = queue.entries
    assert (failed.state, done.state) == ("failed", "done")
    assert "is missing" in failed.text
    assert ownership.record_of(ada) is before is None
    first = ownership.our_actions(ben.data.shape_keys)
    write_voice(away, 1.0)
    assert bpy.ops.emoface.retry() == {"FINISHED"}
    assert states() == {"Ada": "done", "Ben": "done"}
    assert ownership.record_of(ada) is not None
    assert ownership.our_actions(ben.data.shape_keys) == first, "what is done is not done again"


def test_cancel_one_then_all(shot: Callable[..., None]) -> None:
    heads("Ada", "Ben", "Cleo")
    shot(Ada_1=1, Ben_1=1, Cleo_1=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    start()
    before = snapshot()
    work(until=lambda: desk.job is not None)
    assert states()["Ada"] == "running"
    assert panels.progress_hint(desk.job) == "“Ada”, 1 of 3 in the list. Esc skips it."
    with pytest.raises(RuntimeError, match="is being animated"):
        bpy.ops.emoface.animate_all()
    assert "being animated" in operators.EMOFACE_OT_animate.disabled_reason(bpy.context)
    bpy.context.window_manager.emoface_batch.active = 1
    bpy.ops.emoface.cancel_row()
    assert states() == {"Ada": "running", "Ben": "cancelled", "Cleo": "waiting"}
    bpy.ops.emoface.cancel_all()
    work()
    assert set(states().values()) == {"cancelled"}
    assert not differences(before, snapshot())
    assert bpy.ops.emoface.retry() == {"FINISHED"}
    assert set(states().values()) == {"done"}


def test_what_overlaps_on_one_face_is_refused(shot: Callable[..., None]) -> None:
    (ada,) = heads("Ada")
    shot(Ada_1=1, Ada_2=20)
    bpy.ops.emoface.list_strips(which="SCENE")
    assert bpy.ops.emoface.animate_all() == {"CANCELLED"}
    assert "heard at the same time" in queue.entries[0].text
    assert ownership.record_of(ada) is None


def test_selected_strips_and_a_face_chosen_by_hand(shot: Callable[..., None]) -> None:
    heads("Ada", "Ben")
    shot(a=1, b=1, c=1)
    for strip in compat.top_strips(bpy.context.scene.sequence_editor):
        strip.select = strip.name in {"a", "b"}
    bpy.ops.emoface.list_strips(which="SELECTED")
    assert rows() == [("a", ""), ("b", "")]
    with pytest.raises(RuntimeError, match="No strip of the list has a face"):
        bpy.ops.emoface.animate_all()
    listed = bpy.context.window_manager.emoface_batch.rows
    listed[1].face = "Nobody"
    with pytest.raises(RuntimeError, match="There is no face “Nobody”"):
        bpy.ops.emoface.animate_all()
    listed[1].face = "Ben"
    bpy.ops.emoface.animate_all()
    assert states() == {"Ben": "done"}


def test_a_table(shot: Callable[..., None], tmp_path: Path) -> None:
    _, ben = heads("Ada", "Ben")
    shot(a=1, b=1)
    presets.write(Preset("quiet", {"regions.brows": 0.5}), tmp_path / "quiet.json")
    table = tmp_path / "table.csv"
    table.write_text("strip,object,emotion,preset\na,Ben,sad,quiet.json\nb,Nobody,,\n", "utf-8")
    bpy.ops.emoface.load_table(filepath=str(table))
    assert rows() == [("a", "Ben"), ("b", "")]
    assert (ben.emoface.emotion, ben.emoface.regions.brows) == ("sad", 0.5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("b,Ben,furious,", "“table.csv”, line 3: There is no emotion “furious”"),
        ("b,,sad,", "line 3: It names no strip or no object"),
        ("b,Ben,sad,none.json", "line 3: The preset “none.json” cannot be read"),
    ],
)
def test_a_wrong_line_changes_nothing(
    shot: Callable[..., None], tmp_path: Path, line: str, said: str
) -> None:
    ada, _ = heads("Ada", "Ben")
    shot(a=1, b=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    before = rows(), ada.emoface.emotion
    table = tmp_path / "table.csv"
    table.write_text(f"strip,object,emotion,preset\na,Ada,angry,\n{line}\n", "utf-8")
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.emoface.load_table(filepath=str(table))
    assert (rows(), ada.emoface.emotion) == before


def test_undo_in_the_middle(shot: Callable[..., None]) -> None:
    heads("Ada", "Ben")
    shot(Ada_1=1, Ben_1=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    bpy.ops.ed.undo_push(message="before")
    bpy.data.objects["Ada"].location.x = 3
    bpy.ops.ed.undo_push(message="moved")
    start()
    work(until=lambda: desk.job is not None)
    bpy.ops.ed.undo()
    work()
    assert states() == {"Ada": "done", "Ben": "done"}
    assert bpy.data.objects["Ada"].location.x == 0
    assert ownership.record_of(bpy.data.objects["Ada"]) is not None


def test_faces_that_are_renamed_or_deleted_in_the_middle(shot: Callable[..., None]) -> None:
    ada, ben = heads("Ada", "Ben")
    shot(Ada_1=1, Ben_1=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    start()
    work(until=lambda: desk.job is not None)
    ada.name = "Zoë"
    bpy.data.objects.remove(ben)
    work()
    assert [entry.state for entry in queue.entries] == ["done", "failed"]
    assert "is gone" in queue.entries[1].text
    assert ownership.record_of(bpy.data.objects["Zoë"]) is not None


def test_another_file_in_the_middle_leaves_nothing_behind(
    shot: Callable[..., None], tmp_path: Path
) -> None:
    heads("Ada", "Ben")
    shot(Ada_1=1, Ben_1=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    path = str(tmp_path / "shot.blend")
    start()
    work(until=lambda: desk.job is not None)
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert not queue.busy
    assert not queue.entries
    assert rows() == []
    assert ownership.record_of(bpy.data.objects["Ada"]) is None
    bpy.ops.emoface.list_strips(which="SCENE")
    assert bpy.ops.emoface.animate_all() == {"FINISHED"}, "and nothing is stuck"


def test_a_worker_that_dies_fails_its_own_face_only(shot: Callable[..., None]) -> None:
    heads("Ada", "Ben")
    shot(Ada_1=1, Ben_1=1)
    bpy.ops.emoface.list_strips(which="SCENE")
    start()
    work(until=lambda: desk.job is not None)
    first = queue.entries[0]
    while first.state == "running":
        if session._client._process is not None:
            session._client._process.kill()
        queue.step()
    work()
    assert states() == {"Ada": "failed", "Ben": "done"}


def test_faces_in_other_scenes_and_hidden_ones(shot: Callable[..., None]) -> None:
    (ada,) = heads("Ada")
    shot(Ada_1=1)
    edit, stage = bpy.context.scene, bpy.data.scenes.new("Stage")
    stage.render.fps = 25
    stage.collection.objects.link(ada)
    edit.collection.objects.unlink(ada)
    ada.hide_viewport = ada.hide_render = True
    queue.fill([(ada, ["Ada_1"])], edit)
    assert batch.scene_of(ada, edit) is stage
    work()
    assert states() == {"Ada": "done"}
