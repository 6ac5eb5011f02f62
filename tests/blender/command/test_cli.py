# SPDX-License-Identifier: GPL-3.0-or-later
"""bake.py as a studio runs it: exit codes, an error is one line, several jobs, exact timing."""

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import bpy
import numpy as np
import pytest

import blender_addon
import emoface_core
from blender_addon import compat
from blender_addon.command import baking, cli, jobs, stage
from blender_addon.command.baking import choices_known
from blender_addon.command.jobs import BakeJob
from blender_addon.layers import hosts, ownership
from blender_addon.scene import head_object
from blender_addon.ui import operators
from blender_addon.work.job import Job, Wish, wish_of
from blender_addon.work.session import Engine, session
from emoface_core.engine import animate as engine
from emoface_core.errors import InputError

from ..conftest import evaluated, write_voice

pytestmark = pytest.mark.usefixtures("warm_command")

BAKE = Path(blender_addon.__file__).with_name("bake.py")


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    return write_voice(tmp_path / "voice.wav", 1.0)


@pytest.fixture
def scene_file(tmp_path: Path) -> Path:
    head_object.add_head(bpy.context, "Ada")
    path = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def bake(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run bake.py in a process of its own, as `blender -b -P bake.py -- …` does."""
    return subprocess.run(
        [sys.executable, str(BAKE), *map(str, arguments)],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )


def test_a_job_is_done_and_saved(
    voice: Path,
    scene_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    warm_command: list[str],
) -> None:
    out = tmp_path / "out.blend"
    options = ["--open", scene_file, "--audio", voice, "--emotion", "sad", "--intensity", 0.5,
               "--start-frame", 10, "--save", out]  # fmt: skip
    assert cli.main([str(option) for option in options]) == 0
    assert "Ada speaks voice.wav in frames 10–33" in capsys.readouterr().err
    assert warm_command == ["closed"], "the worker is not left behind"
    bpy.ops.wm.open_mainfile(filepath=str(out))
    ada = bpy.data.objects["Ada"]
    assert ownership.record_of(ada).emotion == "sad"
    assert ada["emoface_intensity"] == pytest.approx(0.5)


def test_a_text_of_a_list_finds_the_words(
    scene_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = Path(emoface_core.__file__).parent / "assets" / "demo.flac"
    words = (
        "produced the block books, which were the immediate predecessors of the true printed book,"
    )
    (tmp_path / "line.txt").write_text(words, "utf-8")
    job = {"open": str(scene_file), "audio": str(sound), "fps": 25}
    listed = [
        {**job, "text": str(tmp_path / "line.txt"), "save": str(tmp_path / "1.blend")},
        {**job, "text": "This is not what anybody says in there, by no means."},
    ]
    (tmp_path / "jobs.json").write_text(json.dumps(listed))
    assert cli.main(["--jobs", str(tmp_path / "jobs.json")]) == 2
    said = capsys.readouterr().err
    assert "emoface: [2/2] The text does not fit what is said in the sound." in said
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "1.blend"))
    with choices_known():
        heard = bpy.data.objects["Ada"].emoface.words
        assert [word.text for word in heard] == words.split()
        (printed,) = (word for word in heard if word.text == "printed")
        assert printed.first == pytest.approx(1 + 4.17 * 25, abs=2)


def test_several_jobs_go_on_past_a_bad_one(voice: Path, scene_file: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.json"
    listed = [
        {"open": str(scene_file), "audio": str(voice), "save": str(tmp_path / "1.blend")},
        {"open": str(scene_file), "audio": str(tmp_path / "gone.wav")},
        {"open": str(scene_file), "audio": str(voice), "fps": 60, "object": "Ada",
         "save": str(tmp_path / "3.blend")},
    ]  # fmt: skip
    jobs.write_text(json.dumps(listed))
    done = bake("--jobs", jobs)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("emoface: ")]
    assert len(lines) == 1
    assert "[2/3] There is no file" in lines[0]
    assert (tmp_path / "1.blend").is_file()
    assert "[3/3] Ada speaks voice.wav in frames 1–60" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs a sound"),
        (["--all", "--strip", "b"], "not allowed with"),
        (["--audio", "a.wav", "--part", "3/2"], "There is no part 3 of 2"),
        (["--audio", "a.wav", "--preset", "gone.json"], "preset “gone.json” cannot be read"),
        (["--audio", "a.wav", "--strip", "b"], "not allowed with"),
        (["--audio", "a.wav", "--intensity", "2"], "The intensity 2 is not within 0 and 1.5"),
        (["--audio", "a.wav", "--into", "tracks"], "cannot go into “tracks”. Give nla or action"),
        (["--audio", "a.wav", "--fps", "0"], "0 frames a second cannot be"),
        (["--audio", "a.wav", "--save", "x.png"], "no name for a .blend file"),
        (["--audio", "a.wav", "--save", "/nowhere/x.blend"], "does not exist"),
        (["--audio", "a.wav", "--object", "Nobody"], "There is no object “Nobody”"),
        (["--audio", "gone.wav", "--object", "Ada"], "There is no file"),
        (["--strip", "gone", "--object", "Ada"], "There is no sound strip “gone”"),
        (["--audio", "a.wav", "--python", "/nowhere/python"], "There is no Python"),
        (["--jobs", "gone.json"], "cannot be read"),
        (["--bogus"], "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head_object.add_head(bpy.context, "Ada")
    assert cli.main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert said.lower() in lines[0].lower()
    assert "Traceback" not in lines[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "not a list of jobs"),
        ("{", "is not JSON"),
        ('[{"sound": "a"}]', "cannot have “sound”"),
        ('[{"audio": 3}]', "“audio” cannot be 3"),
        ('[{"audio": "a", "intensity": true}]', "“intensity” cannot be True"),
        ('[{"audio": "a", "strip": "b"}]', "job 1: A job has one sound, not “audio” and “strip”"),
        ('[{"emotion": "sad"}]', "job 1: A job needs a sound"),
        ('[{"audio": "a", "feel_after": -1}]', "A face cannot feel -1 frames after the sound"),
    ],
)
def test_bad_job_files_are_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "jobs.json"
    path.write_text(text)
    assert cli.main(["--jobs", str(path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "pair"),
    [
        ("in,Ada,out in,Ada,out", "2 and 3"),
        ("in,Ada,out in,Ben,out", ""),
        ("in,,out in2,,out", "2 and 3"),
        ("in,Ada,out in2,Ben,out", "2 and 3"),
        ("in,Ada,out in,Ada,out2 in,Ben,out", "2 and 4"),
        ("in,Ada,out in,Ada,out2 out,Ben,out", ""),
        (",Ada,out ,Ben,out ,Ada,out", "2 and 4"),
        ("in,Ada, in,Ada,", ""),
    ],
)
def test_jobs_that_overwrite_each_other_are_refused(rows: str, pair: str, tmp_path: Path) -> None:
    table = tmp_path / "jobs.csv"
    files = re.sub(r"(in|out)2?", r"\g<0>.blend", rows)
    table.write_text(
        "\n".join(["open,object,save,audio", *(f"{r},a.wav" for r in files.split(" "))])
    )
    if not pair:
        assert len(jobs.read_list(table, BakeJob())) > 1
        return
    with pytest.raises(InputError, match=rf"“jobs.csv”, lines {pair}: the second would overwrite"):
        jobs.read_list(table, BakeJob())


def test_the_emotion_must_be_one(voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head_object.add_head(bpy.context, "Ada")
    assert cli.main(["--audio", str(voice), "--emotion", "furious"]) == 2
    assert "There is no emotion “furious”" in capsys.readouterr().err


@pytest.mark.parametrize(("fps", "rate"), [(24, 24), (25, 25), (29.97, 30 / 1.001), (30, 30),
                                           (60, 60), (23.976, 24 / 1.001)])  # fmt: skip
def test_the_frame_rate_is_exact(fps: float, rate: float) -> None:
    scene = bpy.context.scene
    stage.set_rate(scene, fps)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 60])
def test_every_frame_is_what_the_engine_made(voice: Path, fps: float) -> None:
    """The whole way through the worker against the engine alone, on a turned head in cm."""
    face = head_object.add_head(bpy.context, "Ada")
    points = np.empty(5023 * 3, np.float32)
    face.data.vertices.foreach_get("co", points)
    face.data.vertices.foreach_set("co", (points.reshape(-1, 3)[:, [1, 2, 0]] * 100).ravel())
    baking.bake(BakeJob(audio=str(voice), emotion="happy", fps=fps, start_frame=11), Engine())
    rate = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    wanted = offsets_of_engine(voice, rate)
    upright = wanted[..., [0, 2, 1]] * [1, -1, 1]
    turned = upright[..., [1, 2, 0]] * 100
    rest = evaluated(face, -100)
    worst = max(
        np.linalg.norm(evaluated(face, 11 + t) - rest - turned[t], axis=1).max()
        for t in range(0, len(turned), 5)
    )
    assert len(turned) == round(rate)
    assert worst / 100 < 1e-4


def test_a_face_feels_around_the_sound(voice: Path) -> None:
    face = head_object.add_head(bpy.context, "Ada")
    bpy.context.scene.render.fps = 25
    job = BakeJob(audio=str(voice), emotion="happy", start_frame=31, feel_before=12, feel_after=40)
    record = baking.bake(job, Engine())
    assert (record.first_frame, record.frames) == (31 - 12, 12 + 25 + 40)
    rest = evaluated(face, -200)
    for frame in (20, 31 + 25 + 38):
        assert np.abs(evaluated(face, frame) - rest).max() > 3e-3


def offsets_of_engine(voice: Path, fps: float) -> np.ndarray:
    from emoface_core.engine.choose import choose_engine

    options = engine.AnimateOptions(emotion="happy", fps=fps)
    performance = engine.animate(voice, options, choose_engine("onnx"))
    return np.concatenate([speech + emotion for speech, emotion in performance.chunks(64)])


def test_a_trimmed_and_shifted_strip_is_the_same_motion_later(tmp_path: Path) -> None:
    if bpy.app.version < (4, 3):
        pytest.skip("this bpy is built without Audaspace")
    voice, scene = write_voice(tmp_path / "long.wav", 3.0), bpy.context.scene
    scene.render.fps = 25
    strip = compat.new_sound_strip(scene, "line", str(voice), 1, 41)
    strip.frame_offset_start, strip.frame_offset_end = 25, 12
    face = head_object.add_head(bpy.context, "Ada")
    record = baking.bake(BakeJob(strip="line", emotion="sad"), Engine())
    assert (record.first_frame, record.frames) == (66, 38)
    part = tmp_path / "part.wav"
    with wave.open(str(voice), "rb") as file:
        file.setpos(16000)
        sound = file.readframes(int(38 / 25 * 16000))
    with wave.open(str(part), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        file.writeframes(sound)
    trimmed = [evaluated(face, 66 + t) for t in range(0, 38, 3)]
    baking.bake(BakeJob(audio=str(part), emotion="sad", start_frame=1), Engine())
    whole = [evaluated(face, 1 + t) for t in range(0, 38, 3)]
    assert max(np.abs(a - b).max() for a, b in zip(trimmed, whole, strict=True)) < 2e-4


def test_the_command_needs_to_know_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.command([]) == 2
    assert "bake" in capsys.readouterr().err
    assert cli.main(["--help"]) == 0


def test_of_two_heads_one_must_be_named(voice: Path) -> None:
    head_object.add_head(bpy.context, "Ada")
    head_object.add_head(bpy.context, "Ben")
    with pytest.raises(InputError, match="Give --object with one of: Ada, Ben"):
        baking.bake(BakeJob(audio=str(voice)), Engine())


@pytest.fixture
def duet_file(voice: Path, tmp_path: Path) -> Path:
    """Two heads, three strips named after them, and one that is nobody's."""
    if bpy.app.version < (4, 3):
        pytest.skip("this bpy is built without Audaspace")
    scene = bpy.context.scene
    scene.render.fps = 25
    head_object.add_head(bpy.context, "Ada")
    head_object.add_head(bpy.context, "Ben")
    for channel, (name, frame) in enumerate(
        {"Ada_1": 1, "Ben_1": 11, "Ada_2": 101, "hum": 1}.items()
    ):
        compat.new_sound_strip(scene, name, str(voice), channel + 1, frame)
    path = tmp_path / "duet ü.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def spoken(path: Path) -> dict[str, tuple[str, int, int]]:
    """Who speaks what in a file: sound, first frame, frames."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    records = {obj.name: ownership.record_of(obj) for obj in bpy.data.objects}
    return {name: (r.sound, r.first_frame, r.frames) for name, r in records.items() if r}


def test_a_whole_scene_and_its_result_file(duet_file: Path, tmp_path: Path) -> None:
    out, results = tmp_path / "out.blend", tmp_path / "results"
    options = ["--open", str(duet_file), "--all", "--save", str(out), "--results", str(results)]
    assert cli.main(options) == 0
    assert spoken(out) == {"Ada": ("Ada_1 and 1 more", 1, 125), "Ben": ("Ben_1", 11, 25)}
    (result,) = [json.loads(path.read_text("utf-8")) for path in results.iterdir()]
    assert (result["state"], result["faces"][0]["last_frame"]) == ("done", 125)
    assert result["left_out"] == ["“hum” is left out. Its name and its channel's name no face."]


def test_jobs_on_one_file_are_saved_together_and_not_done_twice(
    duet_file: Path, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, results, jobs = tmp_path / "out.blend", tmp_path / "results", tmp_path / "jobs.json"
    same = {"open": str(duet_file), "save": str(out)}
    listed = [
        {**same, "id": "ada", "strip": ["Ada_1", "Ada_2"], "object": "Ada", "emotion": "sad"},
        {**same, "id": "ben", "strip": "Ben_1", "object": "Ben"},
        {**same, "id": "nobody", "strip": "gone", "object": "Eve"},
    ]
    jobs.write_text(json.dumps(listed[:2]))
    options = ["--jobs", str(jobs), "--results", str(results)]
    assert cli.main(options) == 0
    assert set(spoken(out)) == {"Ada", "Ben"}
    first = out.stat().st_mtime_ns
    capsys.readouterr()
    assert cli.main(options) == 0
    assert capsys.readouterr().err.count("already done") == 2
    assert out.stat().st_mtime_ns == first
    assert cli.main([*options, "--part", "2/2"]) == 0
    assert not capsys.readouterr().err, "neighbours on one file are one part"
    assert cli.main([*options, "--part", "1/2"]) == 0
    assert "[2/2] already done" in capsys.readouterr().err
    write_voice(voice, 0.5)  # the sound was recorded again
    jobs.write_text(json.dumps(listed))
    assert cli.main(options) == 2
    assert out.stat().st_mtime_ns > first
    assert set(spoken(out)) == {"Ada", "Ben"}, "what went well is saved"
    assert out.with_name("out.blend1").is_file(), "what was there before"
    states = {path.stem: json.loads(path.read_text("utf-8"))["state"] for path in results.iterdir()}
    assert states == {"ada": "done", "ben": "done", "nobody": "failed"}


def test_a_preset_and_the_faces_own_choices(voice: Path, tmp_path: Path) -> None:
    preset = tmp_path / "wütend.json"
    preset.write_text('{"emoface_preset": 1, "values": {"emotion": "angry", "intensity": 0.5}}')
    with choices_known():
        face = head_object.add_head(bpy.context, "Ada")
        face.emoface.emotion = "sad"
        assert baking.bake(BakeJob(audio=str(voice)), Engine()).emotion == "sad"
        assert (
            baking.bake(BakeJob(audio=str(voice), preset=str(preset)), Engine()).emotion == "angry"
        )
        assert face["emoface_intensity"] == pytest.approx(0.5)
        again = BakeJob(audio=str(voice), preset=str(preset), emotion="happy", intensity=1.2)
        assert baking.bake(again, Engine()).emotion == "happy"
        assert face["emoface_intensity"] == pytest.approx(1.2)


def panel_again(face: bpy.types.Object) -> Wish:
    """What Animate Again would make."""
    return wish_of(face, *operators.heard(bpy.context, face))


def test_the_panel_shows_what_was_asked_for_and_makes_it_again(
    voice: Path, scene_file: Path, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("produced\n the block", "utf-8")
    options = ["--open", scene_file, "--audio", voice, "--start-frame", 7, "--emotion", "happy",
               "--preference", 0.8, "--intensity", 0.5, "--into", "action", "--text", words,
               "--save", tmp_path / "out.blend"]  # fmt: skip
    assert cli.main([str(option) for option in options]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out.blend"))
    with choices_known():
        face = bpy.data.objects["Ada"]
        bpy.context.scene.emoface.face = face
        choices = face.emoface
        assert (choices.emotion, choices.text) == ("happy", "produced the block")
        assert [choices.intensity, choices.preference] == pytest.approx([0.5, 0.8])
        assert (choices.source, choices.first_frame) == ("FILE", 7)
        assert choices.into == hosts.plays_in(face.data.shape_keys) == hosts.ACTION
        shown = evaluated(face, 15)
        again = panel_again(face)
        assert again.heard.path == voice
        Job(session.client(Engine()), face, again).run()
        np.testing.assert_allclose(evaluated(face, 15), shown, atol=1e-6)
        assert ownership.record_of(face).emotion == "happy"


def test_the_panel_speaks_the_strips_of_the_command_again(duet_file: Path) -> None:
    with choices_known():
        face = bpy.data.objects["Ada"]
        bpy.context.scene.emoface.face = face
        face.emoface.source, face.emoface.file = "FILE", "elsewhere.wav"
        face.emoface.strip, face.emoface.preference = "hum", 0.3  # of no emotion yet
        baking.bake(BakeJob(strip="Ada_1", object="Ada", emotion="sad"), Engine())
        assert panel_again(face).strips == ("Ada_1",)
        assert panel_again(face).preference == 1.0
        baking.bake(BakeJob(strip=("Ada_1", "Ada_2"), object="Ada"), Engine())
        assert panel_again(face).strips == ("Ada_1", "Ada_2")


def test_where_a_bake_plays(
    voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head_object.add_head(bpy.context, "Ada")
    jobs = tmp_path / "jobs.json"
    for into, plays in (("nla", hosts.NLA), ("action", hosts.ACTION), ("nla", hosts.NLA)):
        jobs.write_text(json.dumps([{"audio": str(voice), "object": "Ada", "into": into}]))
        assert cli.main(["--jobs", str(jobs)]) == 0
        assert hosts.plays_in(bpy.data.objects["Ada"].data.shape_keys) == plays
    key = bpy.data.objects["Ada"].data.shape_keys
    compat.new_key_action("own", key).play(key.animation_data)
    capsys.readouterr()
    assert cli.main(["--audio", str(voice), "--into", "action"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "Your Action “own” is active" in said[-1] and "push it down" in said[-1]
    assert hosts.plays_in(key) == hosts.NLA


def test_nobody_to_speak_is_one_line(duet_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bpy.data.objects["Ada"].name = "Cleo"
    bpy.data.objects["Ben"].name = "Dan"
    assert cli.main(["--all"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines == [
        "emoface: No face's name stands in the name of a sound strip or its channel. "
        "Name them so, or give --strip and --object."
    ]


def test_a_fault_of_ours_is_one_too(
    voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    head_object.add_head(bpy.context, "Ada")
    monkeypatch.setattr(baking, "Job", fail)
    assert cli.main(["--audio", str(voice), "--results", str(tmp_path)]) == 1
    result = json.loads((tmp_path / "0001.json").read_text("utf-8"))
    assert (result["state"], result["code"]) == ("failed", "fault")
