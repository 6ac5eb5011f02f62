# SPDX-License-Identifier: GPL-3.0-or-later
"""Every control of a face by mouse and keyboard: what it does to the face, where, and undone.

A control is driven as its row of the table says, the face is measured over its whole performance
before and after, and undo must bring back what was. What is drawn and in no table fails a test.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from numpy.typing import NDArray

from emoface_core.face import measures
from emoface_core.face.head import Head, load_head

from .conftest import PICTURES
from .desktop import EDGE, FIELD, SMALL, Desktop
from .programs import Program

FACE = 'bpy.data.objects["EmoFace Head"].emoface'
SCENE = 'bpy.data.scenes["Scene"].emoface.face'
FRAMES = range(11, 111)  # the speech, but for its end
CUE, ACCENT = 80, 60  # frames at which one is added
STILL = 0.7  # mm: a shape reaches a little beyond its region, and speech lifts the brows a little
SAME = 0.01  # mm: nothing was changed
ICON = 0.09  # of the sidebar's width
SHUT = 2.0  # mm between lids that count as shut

HEAD: Head = load_head()


class Performance:
    """The face in some frames: vertices (T, 5023, 3) in metres, along the head's axes."""

    def __init__(self, points: NDArray[np.float32], frames: range) -> None:
        self.points, self.frames = points, frames

    def only(self, frames: range) -> Performance:
        """The same in fewer frames."""
        return Performance(self.points[[self.frames.index(f) for f in frames]], frames)

    def offsets(self, region: str) -> NDArray[np.float32]:
        """(T, n, 3) mm from the rest."""
        ids = HEAD.regions[region]
        return 1000 * (self.points[:, ids] - HEAD.vertices[ids])

    def amount(self, region: str) -> float:
        """Mean mm that a region is from its rest."""
        return float(np.linalg.norm(self.offsets(region), axis=2).mean())

    def roughness(self, region: str) -> float:
        """Mean change of velocity from frame to frame, in mm."""
        return float(np.linalg.norm(np.diff(self.offsets(region), n=2, axis=0), axis=2).mean())

    @cached_property
    def jaw(self) -> NDArray[np.float32]:
        """(T,) mm that the jaw is open."""
        return 1000 * measures.jaw_opening(self.points, HEAD)

    @cached_property
    def lips(self) -> NDArray[np.float32]:
        """(T,) mm between the lips."""
        return 1000 * measures.lip_gap(self.points, HEAD)

    @cached_property
    def width(self) -> NDArray[np.float32]:
        """(T,) mm between the corners of the mouth."""
        return 1000 * measures.mouth_width(self.points, HEAD)

    @cached_property
    def lids(self) -> NDArray[np.float32]:
        """(T,) mm between the lids."""
        return 1000 * measures.lid_gap(self.points, HEAD)


def apart(one: Performance, other: Performance, region: str = "face") -> NDArray[np.float32]:
    """(T,) mm that any vertex of a region is apart."""
    gap = one.offsets(region) - other.offsets(region)
    return np.linalg.norm(gap, axis=2).max(axis=1)


Effect = Callable[[Performance, Performance], float]  # before, after -> how much there is of it


def grows(region: str) -> Effect:
    return lambda before, after: after.amount(region) - before.amount(region)


def fades(region: str) -> Effect:
    return lambda before, after: before.amount(region) - after.amount(region)


def evens(region: str) -> Effect:
    """How many times smoother it moves."""
    return lambda before, after: before.roughness(region) / after.roughness(region)


def differs(region: str, first: int = FRAMES[0], last: int = FRAMES[-1]) -> Effect:
    """In the least changed of these frames: all of them must have changed."""
    chosen = slice(first - FRAMES[0], last + 1 - FRAMES[0])
    return lambda before, after: float(apart(before, after, region)[chosen].min())


def opens(before: Performance, after: Performance) -> float:
    return float((after.jaw - before.jaw).mean())


def parts(before: Performance, after: Performance) -> float:
    return float((after.lips - before.lips).mean())


def presses(before: Performance, after: Performance) -> float:
    """Where the lips are shut already."""
    return float(np.sort(before.lips)[:10].mean() - np.sort(after.lips)[:10].mean())


def rounds(before: Performance, after: Performance) -> float:
    return float(before.width.min() - after.width.min())


def squints(before: Performance, after: Performance) -> float:
    return float((before.lids - after.lids).mean())


def blinks(before: Performance, after: Performance) -> float:
    """More frames with the lids shut."""
    return float((after.lids < SHUT).sum() - (before.lids < SHUT).sum())


def stares(before: Performance, after: Performance) -> float:
    return -blinks(before, after)


def lags(before: Performance, after: Performance) -> float:
    """Frames by which the mouth comes later."""
    one, other = np.diff(before.lips), np.diff(after.lips)
    edge = 8
    inner = other[edge:-edge]
    fits = [float(inner @ one[edge - by : len(one) - edge - by]) for by in range(edge)]
    return float(np.argmax(fits))


@dataclass(frozen=True, slots=True)
class Control:
    """A control of the panel, how a hand uses it, and what the face must do."""

    name: str  # as its path ends: "regions.brows" of an object's emoface; or an operator
    keys: str = ""  # typed into its field; a menu's letter and value: "s=sad"; "": it is pressed
    effect: Effect | None = None  # None: it shows nothing by itself
    least: float = 1.0  # of the effect, in mm if it is a length
    still: tuple[str, ...] = ()  # regions that do not move
    untouched: range = range(0)  # frames in which nothing does
    across: float = FIELD


REGIONS = (
    Control("regions.brows", "2", grows("brows"), still=("lips", "jaw")),
    Control("regions.eyes", "0", squints, still=("brows", "lips", "jaw")),
    Control("regions.mouth", "0", parts, 2, still=("brows", "forehead", "eyes")),
    Control("regions.jaw", "2", opens, still=("brows", "forehead")),
    Control("mouth_emotion", "s=sad", differs("lips"), still=("brows", "forehead")),
)
CHEEKS = Control("regions.cheeks", "0", fades("cheeks"), still=("ears",))  # of a face that sneers
STYLE = (
    Control("speech_style.strength", "0", fades("lips"), still=("brows",)),
    Control("speech_style.jaw_opening", "2", opens, still=("brows", "forehead")),
    Control("speech_style.lip_opening", "2", parts, 0.7, still=("brows", "forehead")),
    Control("speech_style.lip_closing", "2", presses, 0.5, still=("brows", "forehead", "eyes")),
    Control("speech_style.rounding", "2", rounds, 5, still=("brows", "forehead", "eyes")),
    Control("speech_style.smoothing_upper", "0.2", evens("brows"), 3, still=("lips", "jaw")),
    Control("speech_style.smoothing_lower", "0.1", evens("lips"), 3, still=("brows", "forehead")),
    Control("speech_style.offset", "4", lags, 4, still=("brows",)),
)
AROUND = range(ACCENT - 4, ACCENT + 14)  # an accent with its ease, 0.4 s of speech
ELSEWHERE = range(ACCENT + 30, FRAMES[-1] + 1)
ACCENTS = (
    Control("accents.strength", "0", fades("lips"), 0.1, ("brows",), ELSEWHERE),
    Control("accents.last", "85", differs("lips", 76, 84), 0.02, ("brows",), range(91, 111)),
    Control("accents.first", "45", differs("lips", 50, 58), 0.02, ("brows",), range(91, 111)),
    Control("accents.ease", "20", differs("lips", 86, 88), 0.02, ("brows",), range(107, 111)),
)
BLINKING = Control("eyes.show", "", blinks, 3, still=("lips", "jaw"), across=0.17)
EYES = (
    Control("eyes.blinks_per_minute", "0", stares, 3, still=("lips", "jaw")),
    Control("eyes.gaze", "2", grows("eyeballs"), 0.05, still=("lips", "jaw")),
    Control("eyes.seed", "7", lambda a, b: float(apart(a, b, "eyes").max()), 3, ("lips", "jaw")),
)
LAYERS = (
    Control("mute_speech", "", fades("lips"), still=("brows",), across=ICON),
    Control("mute_emotion", "", fades("brows"), 4, across=ICON),
    Control("eyes.strength", "0", stares, still=("lips", "jaw")),
)
BEFORE_CUE = range(FRAMES[0], CUE)
CUES = (
    Control("cues.emotion", "s=sad", differs("brows", 95, 110), 2, (), BEFORE_CUE),
    Control("cues.intensity", "0", fades("brows"), 1, (), BEFORE_CUE),
    Control("cues.preference", "0", differs("brows", 95, 110), 1, (), BEFORE_CUE),
    Control("cues.ease", "25", differs("brows", 84, 100), 0.3, (), BEFORE_CUE),
    Control("cues.frame", "40", differs("brows", 55, 79), 2, (), range(FRAMES[0], 40)),
    Control("cues.second", "a=angry", differs("brows", 95, 110), 1, (), BEFORE_CUE),
    Control("cues.share", "1", differs("brows", 95, 110), 1, (), BEFORE_CUE),
)
TOP = (
    Control("preference", "0", fades("brows"), 3),
    Control("emoface_intensity", "0", fades("brows"), 3),
)


@pytest.fixture(scope="module")
def window(installed: Program) -> Iterator[Desktop]:
    """One window for all of these tests: our head, baked by the button, looking surprised."""
    with Desktop(installed, f":{50 + int(installed.version[0])}") as opened:
        opened.ask("set_the_scene")
        opened.wait(lambda: opened.ask("show_tab"), 60)
        opened.choose(f"{FACE}.emotion", "u", "surprised")
        opened.push("emoface.animate")
        opened.wait(lambda: opened.state()["baked"] and not opened.state()["job"], 300)
        assert opened.state()["failure"] == ""
        yield opened
        assert opened.quit() == 0


def seen(window: Desktop, frames: range = FRAMES) -> Performance:
    """How the face performs now."""
    window.ask("perform", seconds=300, frames=[*frames])
    points = np.load(window.folder / "performance.npy")  # Blender's axes: z is up
    return Performance(points[..., [0, 2, 1]] * np.array([1, 1, -1], np.float32), frames)


def path_of(name: str) -> str:
    """Of a control, as Blender says it under the pointer; of a list, its first row's."""
    if name == "emoface_intensity":
        return FACE.removesuffix(".emoface") + f'["{name}"]'
    for many in ("cues", "accents", "words"):
        name = name.replace(f"{many}.", f"{many}[0].")
    return f"{FACE}.{name}"


def picture(window: Desktop, name: str, area: str = "VIEW_3D") -> None:
    window.middle(area)
    time.sleep(0.7)
    window.picture(PICTURES / f"{window.program.version}-controls-{name}.png")


@contextmanager
def opened(window: Desktop, *panels: str) -> Iterator[None]:
    """Work in a panel, which is closed afterwards: what lies below it comes back to its place."""
    for panel in panels:
        window.unfold(f"EMOFACE_PT_{panel}")
    try:
        yield
    finally:
        window.fold(f"EMOFACE_PT_{panels[0]}")


def use(window: Desktop, control: Control) -> None:
    """As a hand does: a menu's letter, a number typed over the old one, or a click."""
    path = path_of(control.name)
    letter, _, chosen = control.keys.partition("=")
    if chosen:
        window.choose(path, letter, chosen)
        return
    if control.keys:
        window.fill(path, control.keys, across=control.across)
        return
    before = window.ask("value", path=path)
    for _ in range(3):  # a click may be lost on a busy machine
        window.push(path, across=control.across)
        if window.ask("value", path=path) is not before:
            return
    raise AssertionError(f"{control.name} is still {before}")


def undo(window: Desktop, done: Callable[[], bool]) -> None:
    """Ctrl Z over the 3D view, until it is so."""
    for _ in range(3):
        window.middle()
        window.press("ctrl+z")
        if done():
            return
        time.sleep(1)
    raise AssertionError("Undo did not bring it back")


def check(control: Control, before: Performance, after: Performance) -> None:
    """What the control does, that it does it there only, and then only."""
    assert control.effect is not None
    assert control.effect(before, after) >= control.least, control.name
    for region in control.still:
        assert apart(before, after, region).max() <= STILL, (control.name, region)
    for frame in control.untouched:
        assert apart(before, after)[frame - FRAMES[0]] <= SAME, (control.name, frame)


def drive(window: Desktop, *controls: Control) -> None:
    """Each of them alone: used, its effect seen, undone."""
    before = seen(window)
    some = FRAMES[::9]
    for control in controls:
        path = path_of(control.name)
        stood = window.ask("value", path=path)
        use(window, control)
        check(control, before, seen(window))
        undo(window, lambda path=path, stood=stood: window.ask("value", path=path) == stood)
        again = seen(window, some)
        assert apart(again, before.only(some)).max() <= SAME, f"undo of {control.name}"


def test_emotion_and_intensity(window: Desktop) -> None:
    drive(window, *TOP)


def test_regions(window: Desktop) -> None:
    with opened(window, "regions"):
        picture(window, "regions")
        drive(window, *REGIONS)
        before = seen(window)
        use(window, REGIONS[0])
        window.push("emoface.reset_style")
        assert apart(seen(window), before).max() <= SAME
        window.choose(f"{FACE}.emotion", "d", "disgust")
        drive(window, CHEEKS)
        window.choose(f"{FACE}.emotion", "u", "surprised")


def test_speech_style(window: Desktop) -> None:
    with opened(window, "speech_style"):
        picture(window, "style")
        drive(window, *STYLE)
        before = seen(window)
        use(window, STYLE[0])
        window.push("emoface.reset_style")
        assert apart(seen(window), before).max() <= SAME


def test_blinks_and_gaze(window: Desktop) -> None:
    drive(window, BLINKING)
    use(window, BLINKING)
    with opened(window, "eyes"):
        picture(window, "eyes")
        drive(window, *EYES)


def test_layers(window: Desktop) -> None:
    with opened(window, "layers"):
        picture(window, "layers")
        drive(window, *LAYERS)
        use(window, BLINKING)  # off again


def test_curves_are_thinned_and_made_plain(window: Desktop) -> None:
    before, whole, ours = seen(window), window.ask("frame_keys"), window.state()["baked"]
    with opened(window, "layers"):
        window.push("emoface.thin_curves")
        assert window.ask("frame_keys") < 0.7 * whole
        assert SAME < apart(seen(window), before).max() < 0.25  # it promises 0.2 mm
        picture(window, "thinned")
        undo(window, lambda: window.ask("frame_keys") == whole)
        window.push("emoface.to_plain_keys")
        assert window.state()["baked"] == 0
        assert apart(seen(window), before).max() < 0.05
        picture(window, "plain")
        undo(window, lambda: window.state()["baked"] == ours)
        assert apart(seen(window), before).max() <= SAME


def test_all_words_are_reset(window: Desktop) -> None:
    with opened(window, "words"):
        before = seen(window)
        mute = Control("words.mute", across=0.1)
        use(window, mute)
        assert apart(seen(window), before).max() > 1
        window.push("emoface.reset_words")
        assert window.ask("value", path=path_of("words.mute")) is False
        assert apart(seen(window), before).max() <= SAME


def test_accents(window: Desktop) -> None:
    with opened(window, "speech_style", "accents"):
        before = seen(window)
        window.ask("show", frame=ACCENT)
        window.push("emoface.add_accent", across=EDGE)
        drive(window, *ACCENTS)
        picture(window, "accents")
        window.push("emoface.remove_accent", across=EDGE)
        assert apart(seen(window), before).max() <= SAME
        window.push("emoface.add_accent", across=EDGE)


def test_cues(window: Desktop) -> None:
    with opened(window, "cues"):
        window.ask("show", frame=CUE)
        window.push("emoface.add_cue", across=EDGE)
        sad, *others, second, share = CUES
        drive(window, sad)
        use(window, sad)
        drive(window, *others)
        drive(window, second)
        use(window, second)
        drive(window, share)
        picture(window, "cues")


def frame_of_cue(window: Desktop) -> int:
    frame = window.ask("value", path=path_of("cues.frame"))
    assert isinstance(frame, int)
    return frame


def test_the_cue_is_moved_by_buttons_and_by_its_marker(window: Desktop) -> None:
    with opened(window, "cues"):
        window.ask("show", frame=60)
        window.push("emoface.cue_here", across=EDGE)
        assert frame_of_cue(window) == 60
        window.ask("show", frame=30)
        window.push("emoface.go_to_cue", across=EDGE)
        assert window.state()["frame"] == 60
        window.push(".show_markers")
        assert window.ask("markers") == [["Sad 100% · EmoFace Head", 60]]
        window.ask("show", frame=30)
        window.middle("DOPESHEET_EDITOR")
        window.press("ctrl+space")  # the timeline as large as the window: Blender's is too low
        window.drag_marker(60, 90)
        ((_, frame),) = window.ask("markers")
        assert 70 < frame < 100
        picture(window, "markers", "DOPESHEET_EDITOR")
        window.middle("DOPESHEET_EDITOR")
        window.press("ctrl+space")
        assert frame_of_cue(window) == 60, "it is the animator who says when"
        before = seen(window)
        window.push("emoface.cues_from_markers", across=EDGE)
        assert frame_of_cue(window) == frame
        assert apart(seen(window), before).max() > 1
        window.push(".show_markers")
        assert window.ask("markers") == []


def test_the_emotion_of_the_voice_becomes_cues(window: Desktop) -> None:
    with opened(window, "cues"):
        assert window.ask("cues") == 1
        before = seen(window)
        window.push("cues_of_voice(keep=True", across=EDGE)
        beside = window.ask("cues")
        assert beside >= 2
        picture(window, "voice")
        undo(window, lambda: window.ask("cues") == 1)
        window.push("emoface.cues_of_voice", across=0.4)
        assert window.ask("cues") == beside - 1, "in the place of what was there"
        assert apart(seen(window), before).max() > 1
        undo(window, lambda: window.ask("value", path=path_of("cues.second")) == "angry")
        assert apart(seen(window), before).max() <= SAME
        window.push("emoface.add_cue", across=EDGE)
        window.push("emoface.remove_cue", across=EDGE)
        assert apart(seen(window), before).max() <= SAME


def test_what_is_chosen_by_name(window: Desktop) -> None:
    window.ask("add_text", name="her line", words="produced the block books")
    for control, name in (("strip", "voice"), ("text_block", "her line")):
        with opened(window, "words"):
            window.push(f"{FACE}.{control}")
            window.type(name)
            window.press("Return")
            picture(window, control)
            assert name in window.ask("value", path=f"{FACE}.{control}")
    window.push(SCENE, across=SMALL)  # the cross that clears it
    assert window.ask("value", path=SCENE) == "None"
    window.push(SCENE)
    window.type("EmoFace Head")
    window.press("Return")
    assert "EmoFace Head" in window.ask("value", path=SCENE)


def test_the_face_is_picked_in_the_view(window: Desktop) -> None:
    button = window.find(SCENE, across=SMALL)
    window.click(*button)
    assert window.ask("value", path=SCENE) == "None"
    window.click(*button)  # without a face, the cross is an eyedropper
    left, top, _, height = window.area("VIEW_3D", "WINDOW")
    x, y = window.ask("on_screen", name="EmoFace Head")
    window.click(left + x, top + height - y)
    assert "EmoFace Head" in window.ask("value", path=SCENE)


PANELS = ("cues", "regions", "words", "speech_style", "eyes", "layers", "presets", "batch")


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_at_twice_the_size(window: Desktop, panel: str) -> None:
    """Whether it can be read, the picture tells."""
    with opened(window, panel):
        window.resize(2.0)
        window.scroll(10)
        picture(window, f"{panel}-large")
        window.resize(1.0)


# What other modules drive.
OTHERS = {
    "test_stranger": {"emoface.add_head", "source", "file", "emoface.add_cue"},
    "test_extension": {
        *("emotion", "emoface.animate", "emoface.remove_bake"),
        *("feel_before", "feel_after"),
    },
    "test_words": {"text", "words.mute", "words.strength"},
    "test_several_faces": {
        *("emoface.list_strips", "EMOFACE_MT_presets", "emoface.save_preset"),
        *("emoface.copy_style", "into"),
    },
    "none: what asks again in a window of its own": {
        *("emoface.load_table", "emoface.import_preset", "emoface.export_preset"),
        "EMOFACE_MT_remove_preset",
    },
}
HERE = {
    *("emoface.reset_style", "emoface.thin_curves", "emoface.to_plain_keys"),
    *("emoface.reset_words", "emoface.add_accent", "emoface.remove_accent"),
    *("emoface.cue_here", "emoface.go_to_cue", "emoface.cues_of_voice", "show_markers"),
    *("emoface.cues_from_markers", "eyes.show", "emoface.add_cue", "emoface.remove_cue"),
    *("face", "strip", "text_block"),
}


def test_no_control_is_without_a_test(window: Desktop) -> None:
    tables = (TOP, REGIONS, (CHEEKS,), STYLE, ACCENTS, EYES, LAYERS, CUES)
    driven = HERE.union(*OTHERS.values(), (c.name for table in tables for c in table))
    assert set(window.ask("drawn")) - driven == set()
