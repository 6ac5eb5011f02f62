# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip in the real programs: installed, used by mouse and keyboard, the frames compared.

The pictures go to `out/real_blender`, to be looked at.
"""

from __future__ import annotations

import time
import wave
from collections.abc import Iterator

import numpy as np
import pytest

from emoface_core.audio.files import open_audio, read_audio
from emoface_core.engine.animate import AnimateOptions, animate
from emoface_core.engine.choose import choose_engine

from .conftest import CLIP, PICTURES
from .desktop import EDGE, Desktop, NotShownError
from .programs import Program

FPS, FIRST_FRAME = 25, 11  # as stage.py sets them
EASE = 20  # frames in which the face leaves and regains its rest
LONG_BEFORE = -50  # a frame at which nothing has begun
FACE = 'bpy.data.objects["EmoFace Head"].emoface'
SHOWN = 60  # a frame in the middle of the speech


@pytest.fixture(scope="module")
def window(installed: Program) -> Iterator[Desktop]:
    """One window for all of these tests: our head, and a strip in the sequencer."""
    with Desktop(installed, f":{70 + int(installed.version[0])}") as opened:
        opened.ask("set_the_scene")
        opened.wait(lambda: opened.ask("show_tab"), 60)
        yield opened
        assert opened.quit() == 0


def finished(window: Desktop) -> bool:
    return not window.state()["job"]


def bake(window: Desktop) -> None:
    """Press the button and wait for the face."""
    before = window.state()["begun"]
    window.push("emoface.animate")
    window.wait(lambda: window.state()["begun"] > before, 60)
    window.wait(lambda: finished(window), 180)


def points(window: Desktop, frame: int = SHOWN) -> np.ndarray:
    """(5023, 3) millimetres."""
    window.ask("show", frame=frame)
    return np.reshape(window.ask("points"), (-1, 3))


def moved(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=1).max())


def expected(emotion: str) -> np.ndarray:
    """(T, 5023) how far each vertex is from its rest, by the engine in this process."""
    frames = round(open_audio(CLIP).seconds * FPS)  # a strip is cut to whole frames
    options = AnimateOptions(emotion=emotion, fps=FPS, duration=frames / FPS)
    with animate(CLIP, options, choose_engine()) as performance:
        offsets = np.concatenate([speech + felt for speech, felt in performance.chunks()])
    return np.linalg.norm(offsets, axis=2)


def test_the_command_bakes_a_saved_file_and_its_exit_codes_tell(installed: Program) -> None:
    save = "bpy.ops.wm.save_as_mainfile(filepath='/tmp/emoface/shot.blend')"
    code = f"import bpy; bpy.ops.emoface.add_head(); {save}"
    done = installed.inside(["blender", "-b", "--python-exit-code", "1", "--python-expr", code])
    assert done.returncode == 0, done.stdout
    bake = ["blender", "--command", "emoface", "bake", "--open", "/tmp/emoface/shot.blend"]
    saved = installed.root / "tmp" / "emoface" / "again.blend"
    done = installed.inside([*bake, "--audio", "/tmp/emoface/none.wav", "--save", "/tmp/no.blend"])
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    sound = ["--audio", "/tmp/emoface/voice.flac", "--emotion", "sad"]
    done = installed.inside([*bake, *sound, "--save", "/tmp/emoface/again.blend"])
    assert done.returncode == 0, done.stdout
    assert saved.stat().st_size > 1e6


def test_esc_in_the_middle_leaves_the_face_alone(window: Desktop) -> None:
    rest = points(window)
    window.push("emoface.animate")
    window.wait(lambda: window.state()["job"], 60)
    window.middle()
    window.press("Escape")
    window.wait(lambda: finished(window), 60)
    state = window.state()
    assert (state["failure"], state["baked"]) == ("", 0), "it was cancelled, which is no failure"
    assert moved(points(window), rest) == 0


def test_the_button_makes_the_face_speak(window: Desktop, installed: Program) -> None:
    window.choose(f"{FACE}.emotion", "h", "happy")
    window.picture(PICTURES / f"{installed.version}-ready.png")
    bake(window)
    state = window.state()
    assert state["failure"] == ""
    assert state["baked"] > 0
    window.ask("measure", seconds=300)
    time.sleep(1)  # for the screen to show that frame
    window.picture(PICTURES / f"{installed.version}-baked.png")

    rest = points(window, LONG_BEFORE) / 1000
    frames = np.load(window.folder / "frames.npy")
    wanted = expected("happy")
    first = FIRST_FRAME - 1
    shown = np.linalg.norm(frames - rest, axis=2)
    assert shown[first + len(wanted) + EASE :].max() < 2e-6  # at rest after the strip
    spoken = shown[first : first + len(wanted)]
    assert wanted.max() > 2e-3  # it does move
    assert np.abs(spoken - wanted).max() < 1e-4  # a tenth of a millimetre, at the very frame


def test_undo_takes_the_bake_away_and_redo_brings_it_back(window: Desktop) -> None:
    baked, before = points(window), window.state()["baked"]
    assert before, "there is a bake to undo"
    window.middle()
    window.press("ctrl+z")
    window.wait(lambda: window.state()["baked"] == 0, 20)
    assert moved(points(window), baked) > 1
    window.middle()
    window.press("ctrl+shift+z")
    window.wait(lambda: window.state()["baked"] == before, 20)
    assert moved(points(window), baked) < 0.01


def test_another_emotion_shows_at_once(window: Desktop) -> None:
    happy = points(window)
    window.choose(f"{FACE}.emotion", "a", "angry")
    assert moved(points(window), happy) > 1
    assert finished(window), "no engine was asked"
    window.choose(f"{FACE}.emotion", "h", "happy")
    assert moved(points(window), happy) < 0.01


def test_a_cue_changes_the_face_from_its_frame_on(window: Desktop, installed: Program) -> None:
    window.unfold("EMOFACE_PT_cues")
    early, late = points(window, 30), points(window, 100)
    window.ask("show", frame=80)
    window.push("emoface.add_cue", across=0.84)
    window.choose(f"{FACE}.cues[0].emotion", "s", "sad")
    assert moved(points(window, 30), early) < 0.01
    assert moved(points(window, 100), late) > 1
    time.sleep(1)
    window.picture(PICTURES / f"{installed.version}-cue.png")


def test_it_feels_before_and_after_its_sound(window: Desktop) -> None:
    early, late = FIRST_FRAME - EASE, 159
    rest = points(window, LONG_BEFORE)
    for frame in (early, late):
        assert moved(points(window, frame), rest) == 0
    window.fill(f"{FACE}.feel_before", "10")
    window.fill(f"{FACE}.feel_after", "20")
    bake(window)
    for frame in (early, late):
        assert moved(points(window, frame), rest) > 0.5
    window.fill(f"{FACE}.feel_before", "0")
    window.fill(f"{FACE}.feel_after", "0")


def test_a_bar_that_is_over_leaves_nothing_behind(window: Desktop) -> None:
    _, button = window.find("emoface.animate")
    bake(window)
    left, _, width, _ = window.area()
    result = (left + 2, button + 22 * window.scale, 0.8 * width, 100 * window.scale)
    time.sleep(1)
    shown = window.pixels(*result)  # with the pointer where it pressed
    window.middle()
    time.sleep(1)
    assert window.pixels(*result) == shown


def test_remove_bake_takes_ours_away(window: Desktop) -> None:
    window.push("emoface.remove_bake")
    window.wait(lambda: window.state()["baked"] == 0, 20)
    with pytest.raises(NotShownError):
        window.find("emoface.remove_bake")


def test_a_file_is_spoken_from_its_start_frame(window: Desktop) -> None:
    speak_file(window, "/tmp/emoface/voice.flac")
    window.fill(f"{FACE}.first_frame", "41")
    bake(window)
    assert window.state()["failure"] == ""
    rest = points(window, LONG_BEFORE)
    assert moved(points(window, 41 - EASE), rest) == 0
    assert moved(points(window, 41 + SHOWN - FIRST_FRAME), rest) > 1
    window.push("emoface.remove_bake")


def test_the_cross_in_the_middle_leaves_the_face_alone(window: Desktop) -> None:
    long = window.folder / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.tile((read_audio(CLIP) * 32767).astype("<i2"), 40).tobytes())
    speak_file(window, "/tmp/emoface/long.wav")
    rest = points(window)
    _, button = window.find("emoface.animate")
    window.push("emoface.animate")
    window.wait(lambda: window.state()["job"], 60)
    window.push("emoface.cancel", across=EDGE, below=button - 30)
    window.wait(lambda: finished(window), 60)
    state = window.state()
    assert (state["failure"], state["baked"]) == ("", 0), "it was cancelled, which is no failure"
    assert moved(points(window), rest) == 0


def speak_file(window: Desktop, path: str) -> None:
    """Choose File, and type its path."""
    if window.ask("value", path=f"{FACE}.source") != "FILE":
        window.push(".source", across=0.75)
    window.wait(lambda: window.ask("value", path=f"{FACE}.source") == "FILE", 10)
    window.fill(f"{FACE}.file", path)


def test_what_is_no_sound_is_said_in_the_panel(window: Desktop, installed: Program) -> None:
    (window.folder / "shopping list.txt").write_text("milk, bread")
    speak_file(window, "/tmp/emoface/shopping list.txt")
    bake(window)
    assert "shopping list.txt" in window.state()["failure"]
    window.middle()  # Blender's own message goes when the pointer leaves it
    window.press("Escape")
    time.sleep(1)
    window.picture(PICTURES / f"{installed.version}-error.png")
    window.push("emoface.copy_report")
    window.wait(lambda: "EmoFace" in window.ask("clipboard"), 10)
    assert "shopping" not in window.ask("clipboard"), "a report names nothing of the artist's"
    window.push("emoface.dismiss", across=0.84)
    window.wait(lambda: window.state()["failure"] == "", 10)
