# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets in their makers' forms: what is found, how it is split, and what is said of faults."""

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from emoface_core.emotions import EMOTIONS
from emoface_core.errors import InputError
from emoface_core.face.flame import convert_flame, read_flame
from emoface_core.face.head import load_head
from emoface_core.face.topology import FLAME_VERTICES
from emoface_core.training.datasets import main
from emoface_core.training.datasets.arkit import Curves, on_the_rig, read_arkit_csv
from emoface_core.training.datasets.folder import open_folder
from emoface_core.training.datasets.mead import open_mead
from emoface_core.training.datasets.motion import Motion, read_motion
from emoface_core.training.datasets.ravdess import open_ravdess
from emoface_core.training.datasets.source import check_lengths, needed, open_clips
from emoface_core.training.datasets.vocaset import HELD_OUT, TEST, TRAIN, open_vocaset
from tests.core.training.datasets.made import (
    arkit_csv,
    flame_arrays,
    jaw,
    python2_pickle,
    sound,
    vocaset,
)


@pytest.fixture(scope="module")
def flame(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flame")
    np.savez(folder / "model.npz", **flame_arrays())
    convert_flame(folder / "model.npz", folder / "flame.npz")
    return folder / "flame.npz"


# --- rates --------------------------------------------------------------------------------------


def test_sixty_to_thirty_takes_every_other_frame():
    offsets = np.random.default_rng(0).standard_normal((41, 5, 3)).astype(np.float32)
    assert np.array_equal(Motion(offsets, 60).at_rate(30, frames=21), offsets[::2])
    assert np.array_equal(Motion(offsets, 60).at_rate(30, start=0.5, frames=3), offsets[30:35:2])
    assert len(Motion(offsets[:40], 60).at_rate(30)) == 20


def test_other_rates_are_interpolated_and_held_at_the_end():
    ramp = np.arange(26, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    made = Motion(ramp, 25).at_rate(30, frames=40)[:, 0, 0]
    assert np.allclose(made[:31], np.arange(31) / 30 * 25, atol=1e-5)
    assert np.array_equal(made[31:], np.full(9, 25))


def test_filtering_takes_out_what_the_lower_rate_cannot_hold():
    t = np.arange(240) / 60

    def wave(hertz):
        return np.sin(2 * np.pi * hertz * t)[:, None, None].astype(np.float32)

    def kept(hertz, filtered):
        made = Motion(wave(hertz), 60).at_rate(30, filtered=filtered)[20:-20, 0, 0]
        return np.sqrt(2 * np.mean(made**2))

    assert kept(25, False) > 0.9  # folds down to 5 Hz
    assert kept(25, True) < 0.05
    assert kept(5, True) == pytest.approx(1, abs=0.03)


# --- VOCASET ------------------------------------------------------------------------------------


@pytest.fixture
def voca(tmp_path):
    names = [(TRAIN[3], 1), (TRAIN[0], 40), (HELD_OUT[0], 20), (HELD_OUT[1], 21), (TEST[0], 40)]
    return vocaset(tmp_path / "vocaset", names)


def test_vocaset(voca):
    sound(voca / "wav" / f"{TRAIN[1]}_sentence09.wav", 1.0)  # some sequences were never captured
    clips = open_vocaset(voca)
    assert [c.speaker for c in clips.of("train")] == [TRAIN[0], TRAIN[3]]
    assert [c.name for c in clips.of("held_out")] == [f"{HELD_OUT[1]}_sentence21"]
    assert [c.speaker for c in clips.of("test")] == [TEST[0]]
    assert clips.speakers == (TRAIN[0], TRAIN[3])  # in the published order
    assert not clips.missing
    assert len(clips.unused) == 2 and "sentence09.wav: no motion" in clips.unused[0]
    motion = clips.read(clips.of("train")[1])
    assert motion.fps == 60
    assert np.allclose(motion.offsets, jaw(40, 60), atol=1e-6)


def test_vocasets_faults_are_a_sentence_each(voca):
    (voca / "wav" / f"{TRAIN[0]}_sentence40.wav").unlink()
    clips = open_vocaset(voca)
    assert clips.missing == (f"{TRAIN[0]}_sentence40.wav",)
    with pytest.raises(InputError, match="lacks the sound"):
        needed(clips, voca)
    stray = voca / "vertices_npy" / "somebody.npy"
    stray.write_bytes(b"")
    with pytest.raises(InputError, match=r"somebody.npy.*not named as VOCASET"):
        open_vocaset(voca)
    stray.rename(voca / "vertices_npy" / "Me_sentence01.npy")
    with pytest.raises(InputError, match="“Me”, who is none of"):
        open_vocaset(voca)


def test_vocaset_laid_out_otherwise(voca, tmp_path):
    with pytest.raises(InputError, match="no folder"):
        open_vocaset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="“vertices_npy”"):
        open_vocaset(tmp_path)
    (voca / "templates.pkl").unlink()
    with pytest.raises(InputError, match="no templates.pkl"):
        open_vocaset(voca)
    python2_pickle(voca / "templates.pkl", {TRAIN[0]: np.zeros((10, 3))})
    with pytest.raises(InputError, match=r"form \(10, 3\)"):
        open_vocaset(voca)
    python2_pickle(voca / "templates.pkl", {TRAIN[0]: load_head().vertices})
    with pytest.raises(InputError, match="templates lack"):
        open_vocaset(voca)


def test_malicious_templates_are_refused_and_not_run(voca, tmp_path):
    class Bad:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "proof"),)

    (voca / "templates.pkl").write_bytes(pickle.dumps({TRAIN[0]: Bad()}, 2))
    with pytest.raises(InputError, match="mkdir"):
        open_vocaset(voca)
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    "array, says",
    [
        (np.zeros((10, 15066), np.float32), "15069"),
        (np.zeros((0, 15069), np.float32), "no frames"),
        (np.full((3, 15069), np.nan, np.float32), "not numbers"),
        (np.full((3, 15069), 100, np.float32), "moves points by"),
        (np.array([{}]), "not a readable .npy"),
    ],
)
def test_motion_of_wrong_forms(tmp_path, array, says):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=says):
        read_motion(tmp_path / "x.npy", 60, template=load_head().vertices)


def test_sound_and_motion_that_do_not_belong_together(voca):
    clip = open_vocaset(voca).of("train")[0]
    assert check_lengths(clip, 2.0, 2.5) == 2.0
    with pytest.raises(InputError, match=r"lasts 2.00 s and its motion 4.00 s"):
        check_lengths(clip, 2.0, 4.0)


# --- 3D-RAVDESS ---------------------------------------------------------------------------------


def test_ravdess_as_vertices(tmp_path):
    rest = load_head().vertices
    faces = {}
    for actor, emotion, intensity in ((1, 5, 2), (1, 1, 1), (21, 3, 1), (24, 8, 2)):
        rest_of_name = f"01-{emotion:02}-{intensity:02}-01-02-{actor:02}"
        sound(tmp_path / f"Actor_{actor:02}" / f"03-{rest_of_name}.wav", 0.5)
        faces[f"Actor_{actor:02}"] = rest + 0.01 * actor
        motion = tmp_path / "motion" / f"01-{rest_of_name}.npy"
        motion.parent.mkdir(exist_ok=True)
        np.save(motion, faces[f"Actor_{actor:02}"] + jaw(15, 30))
    np.savez(tmp_path / "templates.npz", **faces)
    (tmp_path / "motion" / "01-02-01-01-01-01-03.npy").write_bytes(b"song")
    clips = open_ravdess(tmp_path)
    angry = next(c for c in clips.of("train") if c.emotion == EMOTIONS.index("angry"))
    assert (angry.level, angry.intensity, angry.speaker) == (1, 1.0, "01")
    neutral = next(c for c in clips.of("train") if c.emotion == 0)
    assert (neutral.level, neutral.intensity) == (0, 0.5)
    assert angry.content == neutral.content == ("01", "01", "02")
    assert [c.speaker for c in clips.of("held_out")] == ["21"]
    assert [c.speaker for c in clips.of("test")] == ["24"]
    assert clips.unused == ("01-02-01-01-01-01-03.npy: song",)
    motion = clips.read(angry)
    assert motion.fps == 30
    assert np.allclose(motion.offsets, jaw(15, 30), atol=1e-6)


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-12", "03-01-05-01-01-01-25", "take one"])
def test_ravdess_names_that_cannot_be(tmp_path, name):
    sound(tmp_path / f"{name}.wav", 0.2)
    with pytest.raises(InputError, match="not named as RAVDESS"):
        open_ravdess(tmp_path)


def test_ravdess_as_flames_parameters_keeps_the_jaw_and_not_the_head(tmp_path, flame):
    name = "03-01-03-01-01-01-05"
    sound(tmp_path / f"{name}.wav", 0.5)
    pose = np.zeros((15, 6))
    pose[:, 0], pose[:, 3] = 0.5, np.linspace(0, 0.3, 15)
    shape = np.random.default_rng(0).standard_normal((15, 100))
    np.savez(tmp_path / f"{name}.npz", expression=np.zeros((15, 50)), pose=pose, shape=shape)
    with pytest.raises(InputError, match="no FLAME model"):
        clips = open_ravdess(tmp_path)
        clips.read(clips.clips[0])
    model = read_flame(flame)
    clips = open_ravdess(tmp_path, model)
    found = clips.read(clips.clips[0]).offsets
    person = shape.mean(0)
    wanted = model.vertices(np.zeros((15, 0)), shape=person, jaw=pose[:, 3:]) - model.neutral(
        person
    )
    assert np.allclose(found, wanted, atol=1e-7)
    assert np.abs(found[0]).max() < 1e-6 < np.abs(found[-1]).max()


# --- 3DMEAD -------------------------------------------------------------------------------------


def test_mead(tmp_path, flame):
    rng = np.random.default_rng(0)
    for name in ("M003_032_0_0", "M003_024_1_2", "W009_033_0_0", "W009_028_6_1", "M003_001_7_0"):
        parameters = np.zeros((1, 10, 403))
        parameters[..., 300:] = 0.1 * rng.standard_normal((1, 10, 103))
        np.save(tmp_path / f"{name}.npy", parameters)
        sound(tmp_path / "wav" / f"{name}.wav", 0.4)
    clips = open_mead(tmp_path, read_flame(flame))
    happy, neutral = clips.of("train")
    assert (EMOTIONS[happy.emotion], happy.intensity) == ("happy", 1.0)
    assert (EMOTIONS[neutral.emotion], neutral.level) == ("neutral", 0)
    assert [c.name for c in clips.of("held_out")] == ["W009_033_0_0"]
    assert [EMOTIONS[c.emotion] for c in clips.of("test")] == ["angry"]
    assert "contempt" in clips.unused[0]
    motion = clips.read(happy)
    assert motion.offsets.shape == (10, FLAME_VERTICES, 3) and motion.fps == 25
    (tmp_path / "M003_1_1_1.npy").write_bytes(b"")
    with pytest.raises(InputError, match="not named as 3DMEAD"):
        open_mead(tmp_path, None)


def test_mead_as_emote_gives_it(tmp_path, flame):
    rng = np.random.default_rng(0)

    def take(speaker: str, emotion: str, level: int, sentence: str, view: str = "front") -> Path:
        place = Path(emotion, f"level_{level}", sentence)
        path = tmp_path / speaker / view / place / "shape_pose_cam.hdf5"
        path.parent.mkdir(parents=True)
        with h5py.File(path, "w") as file:
            for name, width in (("cam", 3), ("exp", 100), ("global_pose", 3), ("jaw", 3)):
                file[name] = (0.1 * rng.standard_normal((1, 10, width))).astype(np.float32)
            file["shape"] = np.zeros((1, 10, 300), np.float32)
        sound(tmp_path / speaker / "audio" / place.with_suffix(".wav"), 0.4)
        return path

    path = take("M003", "surprised", 3, "012")
    take("M003", "neutral", 1, "034")
    take("M003", "contempt", 1, "001")
    take("M003", "happy", 1, "002", view="left_30")
    clips = open_mead(tmp_path, read_flame(flame))
    (one,) = clips.of("train")
    assert (one.name, EMOTIONS[one.emotion], one.intensity) == ("M003_012_3_2", "surprised", 1.0)
    assert one.sound == tmp_path / "M003/audio/surprised/level_3/012.wav"
    assert [clip.name for clip in clips.of("held_out")] == ["M003_034_0_0"]
    assert sorted(clips.unused)[0] == "002.wav: no motion" and not clips.missing
    # The same numbers as ProbTalk3D's export of them.
    with h5py.File(path) as file:
        numbers = np.concatenate([file[name][:] for name in ("shape", "exp", "jaw")], -1)
    np.save(tmp_path / "export.npy", numbers)
    exported = read_motion(tmp_path / "export.npy", 25.0, flame=read_flame(flame))
    found = clips.read(one)
    assert found.fps == 25 and np.array_equal(found.offsets, exported.offsets)
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="no shape, exp and jaw"):
        clips.read(one)
    path.rename(tmp_path / "shape_pose_cam.hdf5")
    (tmp_path / "export.npy").unlink()
    (tmp_path / "front").mkdir()
    (tmp_path / "shape_pose_cam.hdf5").rename(tmp_path / "front" / "shape_pose_cam.hdf5")
    with pytest.raises(InputError, match="not at a place of 3DMEAD"):
        open_mead(tmp_path, None)


# --- ARKit --------------------------------------------------------------------------------------


def test_arkit_names_find_their_shapes():
    rig = load_head().shape_names
    names = ("JawOpen", "mouthSmileLeft", "BROWINNERUP", "EyeBlinkRight", "mouthLeft", "TongueOut")
    values = np.arange(1, 7, dtype=np.float32)[None] / 10
    weights = dict(zip(rig, on_the_rig(Curves(names, values, 60), rig)[0], strict=True))
    wanted = {
        "jawOpen": 0.1,
        "mouthSmile_L": 0.2,
        "browInnerUp_L": 0.3,
        "browInnerUp_R": 0.3,
        "eyeBlink_R": 0.4,
        "mouthLeft": 0.5,
    }
    assert {k: v for k, v in weights.items() if v} == pytest.approx(wanted)
    own = Curves(rig, np.eye(len(rig), dtype=np.float32), 60)
    assert np.array_equal(on_the_rig(own, rig), own.values)


def test_all_of_arkits_shapes_but_the_tongue_are_on_the_rig():
    pairs = """eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide mouthSmile
        mouthFrown mouthDimple mouthStretch mouthPress mouthLowerDown mouthUpperUp browDown
        browOuterUp cheekSquint noseSneer"""
    single = """jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft
        mouthRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper browInnerUp
        cheekPuff"""
    names = [
        f"{name}{side}" for name in pairs.split() for side in ("Left", "Right")
    ] + single.split()
    assert len(names) == 51
    for name in names:
        values = np.float32([[0.0, 0.5]] if name != "jawOpen" else [[0.5, 0.5]])
        curves = Curves(("jawOpen", name), values, 60)
        assert on_the_rig(curves, load_head().shape_names).any(), name


@pytest.mark.parametrize("fps, start", [(60, 37), (30, 0)])
def test_a_live_link_recording(tmp_path, fps, start):
    wave = 0.5 + 0.5 * np.sin(np.arange(4 * fps) / 9)
    arkit_csv(tmp_path / "x.csv", {"JawOpen": wave, "HeadYaw": wave * 0}, fps, start)
    lines = (tmp_path / "x.csv").read_text().splitlines()
    (tmp_path / "x.csv").write_text("\n".join([*lines[:50], *lines[51:]]))  # a dropped frame
    curves = read_arkit_csv(tmp_path / "x.csv")
    assert curves.fps == fps
    assert np.allclose(curves.values[:, 0], wave, atol=0.02)
    motion = read_motion(tmp_path / "x.csv", 0)
    opened = load_head().shape("jawOpen")
    assert np.allclose(motion.offsets[7], curves.values[7, 0] * opened, atol=1e-6)


def test_recordings_that_are_none(tmp_path):
    path = tmp_path / "x.csv"
    with pytest.raises(InputError, match="no file"):
        read_arkit_csv(path)
    path.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(InputError, match="no Live Link Face"):
        read_arkit_csv(path)
    path.write_text("Timecode,BlendShapeCount,JawOpen\n1:2:3:4,1,0.5\n1:2:3:5,1\n")
    with pytest.raises(InputError, match="Row 3"):
        read_arkit_csv(path)
    path.write_text("Timecode,BlendShapeCount,JawOpen\n1:2:3:4,1,0.5\n1:2:3:5,1,wide\n")
    with pytest.raises(InputError, match="no number"):
        read_arkit_csv(path)
    with pytest.raises(InputError, match="jawOpen"):
        on_the_rig(Curves(("mouthClose",), np.zeros((1, 1), np.float32), 60), ("mouthClose",))
    with pytest.raises(InputError, match="percentages"):
        on_the_rig(Curves(("jawOpen",), np.full((1, 1), 50, np.float32), 60), ("jawOpen",))


# --- a plain folder -----------------------------------------------------------------------------


def test_a_plain_folder(tmp_path):
    offsets, rest = jaw(20, 40), load_head().vertices
    np.savez(tmp_path / "a.npz", offsets=offsets, fps=40, emotion="sad", intensity=0.5, speaker="I")
    np.savez(tmp_path / "b.npz", vertices=rest + offsets, template=rest, fps=40)
    wave = offsets[:, :, 1].min(1) / load_head().shape("jawOpen")[:, 1].min()
    np.savez(tmp_path / "c.npz", curves=wave[:, None], names=["jawOpen"], fps=40)
    arkit_csv(tmp_path / "d.csv", {"JawOpen": np.linspace(0, 1, 90)})
    for name in "abcde":
        sound(tmp_path / f"{name}.flac", 0.5)
    clips = open_folder(tmp_path)
    by_name = {clip.name: clip for clip in clips.clips}
    assert EMOTIONS[by_name["a"].emotion] == "sad" and by_name["a"].intensity == 0.5
    assert by_name["a"].speaker == "I" and by_name["b"].emotion == -1
    assert (len(clips.of("train")), len(clips.of("held_out"))) == (3, 1)
    assert clips.unused == ("e.flac: no motion",)
    for name in "abc":
        motion = clips.read(by_name[name])
        assert motion.fps == 40
        assert np.allclose(motion.offsets, offsets, atol=1e-5)


def test_a_folder_that_says_its_splits(tmp_path):
    for split in ("train", "held_out"):
        sound(tmp_path / split / f"{split}1.wav", 0.5)
        np.savez(tmp_path / split / f"{split}1.npz", offsets=jaw(10, 20), fps=20)
    clips = open_folder(tmp_path)
    assert [c.name for c in clips.of("held_out")] == ["held_out1"]
    assert [c.name for c in clips.of("train")] == ["train1"]


@pytest.mark.parametrize(
    "arrays, says",
    [
        ({"offsets": np.zeros((3, 5023, 3))}, "frames a second"),
        ({"vertices": np.zeros((3, 5023, 3)), "fps": 30}, "no neutral face"),
        ({"fps": 30}, "holds no motion"),
        ({"curves": np.zeros((3, 1)), "names": ["jawOpen", "x"], "fps": 30}, "2 names"),
        ({"expression": np.zeros((3, 50)), "fps": 30}, "no FLAME model"),
        ({"expression": np.zeros((3, 5)), "pose": np.zeros((3, 3)), "fps": 30}, "pose"),
    ],
)
def test_faults_of_a_folders_motion(tmp_path, arrays, says):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=says):
        read_motion(tmp_path / "x.npz", 0.0)


def test_two_of_a_name_an_unknown_emotion_and_no_such_kind(tmp_path):
    np.savez(tmp_path / "x.npz", offsets=jaw(3, 30), fps=30, emotion="bored")
    sound(tmp_path / "x.wav", 0.1)
    with pytest.raises(InputError, match="“bored”"):
        open_folder(tmp_path)
    sound(tmp_path / "more" / "x.wav", 0.1)
    with pytest.raises(InputError, match="share a name"):
        open_folder(tmp_path)
    with pytest.raises(InputError, match="no kind"):
        open_clips("biwi", tmp_path)


# --- the command --------------------------------------------------------------------------------


def test_inspect_says_what_is_there(voca, capsys):
    assert main(["inspect", "vocaset", str(voca), "--all"]) == 0
    said = capsys.readouterr().out
    assert "training: 2 clips, 2 speakers" in said
    assert "60 fps (4 files read)" in said
    assert "Ready to train." in said
    (voca / "wav" / f"{TRAIN[0]}_sentence40.wav").unlink()
    path = voca / "vertices_npy" / f"{TRAIN[3]}_sentence01.npy"
    np.save(path, np.zeros((4, 7)))
    assert main(["inspect", "vocaset", str(voca)]) == 2
    said = capsys.readouterr().out
    assert "missing: 1" in said and "(4, 7)" in said and "Not ready" in said


def test_flame_is_converted(tmp_path, capsys):
    np.savez(tmp_path / "m.npz", **flame_arrays())
    assert main(["flame", str(tmp_path / "m.npz"), "-o", str(tmp_path / "o.npz")]) == 0
    assert "300 shapes, 100 expressions" in capsys.readouterr().out
    assert read_flame(tmp_path / "o.npz").template.shape == (5023, 3)
