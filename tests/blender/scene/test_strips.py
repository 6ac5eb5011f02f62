# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequencer's sounds: found, chosen, cut, refused with a reason."""

import wave
from pathlib import Path

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from blender_addon import compat
from blender_addon.curves.timing import Clip
from blender_addon.scene import strips
from emoface_core.audio.files import open_audio, read_audio
from emoface_core.errors import InputError

AUDASPACE = bpy.app.version >= (4, 3)  # the 4.2 module is built without sound
needs_sound = pytest.mark.skipif(not AUDASPACE, reason="this bpy is built without Audaspace")


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "Stimme é.wav", 4.0)


def write_wav(path: Path, seconds: float, loudness: float | NDArray = 1.0) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        rng = np.random.default_rng(1)
        noise = rng.integers(-9000, 9000, int(16000 * seconds)) * loudness
        file.writeframes(noise.astype("<i2").tobytes())
    return path


def add(voice: Path, name: str = "voice", channel: int = 1, frame: int = 11):
    bpy.context.scene.render.fps = 25
    return compat.new_sound_strip(bpy.context.scene, name, str(voice), channel, frame)


def heard(name: str = "") -> strips.Heard:
    scene = bpy.context.scene
    return strips.heard_of_strip(strips.choose(scene, name), scene, scene)


def test_no_sequencer_is_no_sound() -> None:
    with pytest.raises(InputError, match="no sound in the sequencer"):
        strips.choose(bpy.context.scene, "")


@needs_sound
def test_a_strip_gives_its_file_and_part(voice: Path) -> None:
    strip = add(voice)
    found = heard()
    assert (found.path, found.label, found.clip) == (voice, "voice", Clip(11, 0.0, 100, 25))
    strip.frame_offset_start, strip.frame_offset_end = 5, 10
    assert heard().clip == Clip(16, pytest.approx(0.2), 85, 25)
    strip.frame_start = 21
    assert heard().clip == Clip(26, pytest.approx(0.2), 85, 25)


@needs_sound
def test_the_rate_of_ntsc_is_kept(voice: Path) -> None:
    add(voice)
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 30, 1.001
    assert heard().clip.fps == pytest.approx(30 / 1.001, rel=1e-6)


@needs_sound
def test_the_choice(voice: Path) -> None:
    add(voice, "one")
    assert strips.choose(bpy.context.scene, "").name == "one"
    second = add(voice, "zwei ä", channel=2, frame=200)
    bpy.context.scene.sequence_editor.active_strip = second
    assert strips.choose(bpy.context.scene, "").name == "zwei ä"
    bpy.context.scene.sequence_editor.active_strip = None
    with pytest.raises(InputError, match="There are 2 sound strips"):
        strips.choose(bpy.context.scene, "")
    assert strips.choose(bpy.context.scene, "one").name == "one"
    with pytest.raises(InputError, match="no sound strip “gone” any more"):
        strips.choose(bpy.context.scene, "gone")
    assert strips.strip_names(bpy.context) == ["one", "zwei ä"]


@needs_sound
def test_silent_strips_are_refused(voice: Path) -> None:
    strip = add(voice)
    strip.volume = 0
    with pytest.raises(InputError, match="volume of “voice” is 0"):
        heard()
    strip.volume = 0.5
    assert heard().volume == 0.5
    strip.mute = True
    with pytest.raises(InputError, match="muted by the strip itself"):
        heard()
    strip.mute = False
    bpy.context.scene.sequence_editor.channels[1].mute = True
    with pytest.raises(InputError, match="muted by its channel"):
        heard()


@needs_sound
def test_an_animated_volume_is_taken_at_its_loudest(voice: Path) -> None:
    strip = add(voice)
    for frame, volume in ((11, 0.0), (31, 0.8), (111, 0.2), (200, 4.0)):
        strip.volume = volume
        strip.keyframe_insert("volume", frame=frame)
    bpy.context.scene.frame_set(11)
    assert strip.volume == 0
    assert heard().volume == pytest.approx(0.8), "and not as after its end"
    strip.frame_offset_start = 50
    assert 0.2 < heard().volume < 0.8
    strip.driver_add("volume")
    assert heard().volume == 1, "a driver may do anything"


@needs_sound
def test_a_meta_strip_cuts_and_mutes(voice: Path) -> None:
    strip = add(voice)
    editor = bpy.context.scene.sequence_editor
    top = editor.strips if hasattr(editor, "strips") else editor.sequences
    meta = top.new_meta("scene 1", 1, 11)
    strip.move_to_meta(meta)
    meta.frame_final_end = 111
    assert heard().clip == Clip(11, 0.0, 100, 25)
    meta.frame_final_start, meta.frame_final_end = 31, 81
    assert heard().clip == Clip(31, pytest.approx(0.8), 50, 25)
    meta.mute = True
    with pytest.raises(InputError, match="muted by its meta strip “scene 1”"):
        heard()


@pytest.mark.skipif(bpy.app.version < (5, 2), reason="retiming by script crashes older Blenders")
def test_a_retimed_strip_is_refused(voice: Path) -> None:
    strip = add(voice)
    strip.retiming_keys.add(timeline_frame=50)
    with pytest.raises(InputError, match="changed by retiming"):
        heard()


@needs_sound
def test_a_packed_sound_needs_no_file(voice: Path) -> None:
    strip = add(voice)
    strip.sound.pack()
    data = voice.read_bytes()
    voice.unlink()
    found = heard()
    assert found.path.read_bytes() == data
    assert found.path.suffix == ".wav"


@needs_sound
def test_a_missing_file_is_said(voice: Path) -> None:
    add(voice)
    voice.unlink()
    with pytest.raises(InputError, match="is missing"):
        heard()


@needs_sound
def test_a_relative_path_is_found(voice: Path) -> None:
    strip = add(voice)
    bpy.ops.wm.save_as_mainfile(filepath=str(voice.parent / "shot.blend"))
    strip.sound.filepath = f"//{voice.name}"
    assert heard().path == voice


@needs_sound
def test_scenes_of_different_rates_are_refused(voice: Path) -> None:
    add(voice)
    other = bpy.data.scenes.new("Edit")
    other.render.fps = 30
    with pytest.raises(InputError, match="runs at 25 frames a second"):
        strips.heard_of_strip(strips.choose(bpy.context.scene, ""), bpy.context.scene, other)


@needs_sound
@pytest.mark.parametrize(
    ("container", "codec"),
    [("AAC", "AAC"), ("AC3", "AC3"), ("MATROSKA", "AAC"), ("MATROSKA", "PCM")],
)
def test_what_blender_alone_reads_is_decoded(tmp_path: Path, container: str, codec: str) -> None:
    """Loudness says where in a sound one is: it falls from second to second."""
    wav = tmp_path / "steps.wav"
    write_wav(wav, 8.0, np.repeat(0.9 ** np.arange(32), 4000))
    add(wav, frame=1)
    bpy.context.scene.frame_end = 200
    film = tmp_path / f"Film ü.{container.lower()}"
    bpy.ops.sound.mixdown(filepath=str(film), container=container, codec=codec)
    with pytest.raises(InputError):
        open_audio(film)
    strip = add(film, "film", channel=2, frame=1)
    whole = strips.heard_of_file(str(film), bpy.context.scene, 7)
    assert (whole.label, whole.clip) == (film.name, Clip(7, 0.0, None, 25))
    assert abs(open_audio(whole.path).seconds - 8.0) < 0.1
    strip.frame_offset_start, strip.frame_offset_end = 100, 50
    part = heard("film")
    assert (part.clip.first_frame, part.clip.start) == (101, 0.0)
    sound = [read_audio(whole.path)[64000:92000], read_audio(part.path)[:28000]]
    levels = np.abs(np.stack(sound)).reshape(2, 7, 4000).mean(axis=2)
    np.testing.assert_allclose(*levels, rtol=0.1)  # within a quarter of a second, at the worst
    assert heard("film").path == part.path
    assert len(list(part.path.parent.glob("Film ü*"))) == 2, "each once, and nothing unfinished"


def test_a_file_that_nobody_reads_is_left_to_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "notes.m4a"
    path.write_text("no sound at all")
    assert strips.heard_of_file(str(path), bpy.context.scene, 1).path == path


def test_a_file_begins_where_it_is_told(voice: Path) -> None:
    scene = bpy.context.scene
    assert strips.heard_of_file(str(voice), scene, 7).clip == Clip(7, 0.0, None, 24)
    with pytest.raises(InputError, match="There is no file"):
        strips.heard_of_file(str(voice) + "x", scene, 7)
    with pytest.raises(InputError, match="No sound file is chosen"):
        strips.heard_of_file("", scene, 7)
