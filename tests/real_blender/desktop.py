# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen in memory with a real Blender window on it, and a hand on its mouse and keyboard.

The hand finds a button as a person does, by looking for it: the mouse moves over the region, and
Blender says which button it is over. What the interface does not show cannot be pressed.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from .programs import Program

SIZE = (1400, 900)
STEP = 13  # pixels between two looks, at interface scale 1
FIELD, SMALL, EDGE = 0.62, 0.76, 0.84  # of the sidebar's width: fields, small buttons, the last
# What has no path that Blender could copy: a right click on it must tell what it is.
IN_PREFERENCES = ("EmoFacePreferences.", "PreferencesSystem.")
# Keys by their place on a PC's keyboard. By its name xdotool would press F12 with Alt held, which
# is another command: keyboard maps from xkb-data 2.48 on list Alt beside a function key's levels.
PLACES = {"F12": "96"}


class NotShownError(AssertionError):
    """The interface does not show what was looked for."""


class Desktop:
    """Blender's window on a virtual screen, inside the program's folder. Use it in a `with`."""

    def __init__(self, program: Program, display: str, *arguments: str) -> None:
        self.program, self.display, self.arguments = program, display, arguments
        self.folder = program.root / "tmp" / "emoface"
        self.scale = 1.0
        self._asked = 0
        self._known: dict[tuple[str, float], float] = {}  # what, and how far across -> how far down
        self._last = 0.0  # where the last one was found
        self._headings: dict[str, float] = {}  # panel -> how far down it was
        self._stack = ExitStack()

    def __enter__(self) -> Desktop:
        width, height = (str(side) for side in SIZE)
        self._start("Xvfb", self.display, "-noreset", "-screen", "0", f"{width}x{height}x24")
        look = ["env", f"DISPLAY={self.display}", "xdotool", "getmouselocation"]
        self.wait(lambda: self.program.inside(look).returncode == 0, 20)
        self._hand = self._start("stdbuf", "-oL", "xdotool", "-", pipe=subprocess.PIPE)
        geometry = ("--window-geometry", "0", "0", width, height)
        command = ("blender", *geometry, "-P", "/tmp/emoface/stage.py", *self.arguments)
        self.blender = self._start(*command)
        self.scale = self.ask("state", seconds=120)["scale"]
        self.ask("watch_panels")
        self.ask("watch_menus")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self.blender.poll() is None:
            self.picture(self.folder / "failed.png")
        self._stack.close()

    def _start(self, *command: str, pipe: int | None = None) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self.folder / f"{command[0]}.log").open("wb"))
        process = self.program.start([*command], self.display, log, pipe)
        self._stack.callback(_end, process)
        return process

    def quit(self) -> int:
        """Blender's own end; its exit code."""
        self._asked += 1
        ask = {"n": self._asked, "what": "leave", "how": {}}
        draft = self.folder / "ask.draft"
        draft.write_text(json.dumps(ask))
        draft.replace(self.folder / "ask.json")
        return self.blender.wait(180)

    # What Blender says

    def wait(self, ready: Callable[[], Any], seconds: float) -> Any:
        """Wait until something is so; TimeoutError with Blender's words if it never is."""
        end = time.monotonic() + seconds
        while not (found := ready()):
            failed = self.folder / "failed.txt"
            if failed.exists():
                raise RuntimeError(failed.read_text())
            if time.monotonic() > end:
                log = self.folder / "blender.log"
                words = log.read_text("utf-8", "replace")[-4000:] if log.exists() else ""
                raise TimeoutError(words)
            time.sleep(0.02)
        return found

    def ask(self, what: str, seconds: float = 60, **how: Any) -> Any:
        """What a function of stage.py answers, after Blender has done what it was doing."""
        self._asked += 1
        draft = self.folder / "ask.draft"
        draft.write_text(json.dumps({"n": self._asked, "what": what, "how": how}))
        draft.replace(self.folder / "ask.json")

        def answered() -> dict[str, Any] | None:
            path = self.folder / "answer.json"
            said = json.loads(path.read_text()) if path.exists() else {"n": 0}
            return said if said["n"] == self._asked else None

        return self.wait(answered, seconds)["said"]

    def state(self) -> dict[str, Any]:
        """How things stand in Blender."""
        return self.ask("state")

    # The hand

    def _do(self, *commands: str) -> None:
        """Let the hand do something, and wait until it has, and Blender has heard of it."""
        assert self._hand.stdin is not None
        assert self._hand.stdout is not None
        asked = [*commands, "getmouselocation"]
        self._hand.stdin.write("".join(f"{command}\n" for command in asked).encode())
        self._hand.stdin.flush()
        if not self._hand.stdout.readline():
            raise RuntimeError("xdotool has ended")
        self.ask("open_panels")  # with the next answer, all that came before this one is done

    def hover(self, x: float, y: float) -> None:
        """Leave the pointer there."""
        self._do(f"mousemove {x:.0f} {y:.0f}")

    def click(self, x: float, y: float) -> None:
        """Press the left button there, as a hand would: there first, then down, then up."""
        self.hover(x, y)
        self._do("mousemove_relative 1 0")
        time.sleep(0.1)
        # A short click: a long one on a menu takes what lies under the pointer when it opens.
        self._do("mousedown 1", "mouseup 1")
        time.sleep(0.1)
        self.state()  # Blender has heard it

    def choose(self, path: str, letter: str, value: str, **where: str) -> None:
        """An item of a menu: press, the item's underlined letter, release."""
        for patience in (0.7, 1.5, 3.0):  # until the menu is drawn, on a machine that is busy
            x, y = self.find(path, **where)
            self.hover(x + 2, y + 1)
            time.sleep(0.3)
            self._do("mousedown 1")
            time.sleep(patience)
            self._do(f"key {letter}")
            time.sleep(patience / 2)
            self._do("mouseup 1")
            time.sleep(patience / 2)
            if self.ask("value", path=path) == value:
                return
        raise TimeoutError(f"{path} did not become {value}")

    def menu(self, beside: str, part: float, letter: str, done: Callable[[], Any]) -> None:
        """An item of a menu in the row of a button: by its underlined letter, until it is done.

        Blender does not tell what a menu is that is no property's; `part` of the width is where.
        """
        for patience in (0.7, 1.5, 3.0):
            _, y = self.find(beside, SMALL)
            left, _, width, _ = self.area()
            self.click(left + part * width, y)
            time.sleep(patience)
            self.press(letter)
            time.sleep(patience / 2)
            if done():
                return
            self.press("Escape")
        raise TimeoutError(f"The menu beside {beside} did nothing")

    def write(self, wanted: str, text: str, **where: Any) -> None:
        """Click into a field, and type over what stands in it."""
        self.push(wanted, **where)
        time.sleep(0.3)
        self.press("ctrl+a", "BackSpace")
        self.type(text)
        self.press("Return")

    def fill(self, path: str, text: str, **where: Any) -> None:
        """Write into a field until it holds that: a click may be lost on a busy machine."""
        for _ in range(3):
            self.write(path, text, **where)
            now = self.ask("value", path=path)
            if now == text if isinstance(now, str) else abs(now - float(text)) < 1e-4:
                return
            self.press("Escape")
        raise AssertionError(f"{path} is {now}, not {text}")

    def pick_file(self, name: str) -> None:
        """A file by its name, in Blender's file browser, which a button has just opened."""
        self.wait(lambda: self.ask("shows", area="FILE_BROWSER"), 20)
        where = {"area": "FILE_BROWSER", "kind": "EXECUTE"}
        left, top, width, height = self.area(**where)
        self.click(left + 0.2 * width, top + 0.5 * height)
        self.press("ctrl+a")
        self.type(name)
        self.press("Return")
        self.push("file.execute", across=0.92, **where)
        self.wait(lambda: not self.ask("shows", area="FILE_BROWSER"), 20)

    def move_window(self, title: str) -> None:
        """Move a window into the screen's upper left corner: Blender's may open outside of it."""
        self._do(f"search --name {title} windowmove --sync 0 0")
        time.sleep(0.5)

    def press(self, *keys: str) -> None:
        """Keys, one after the other, by their names in X."""
        for key in keys:
            self._do(f"key {PLACES.get(key, key)}")
            time.sleep(0.1)
        self.state()

    def type(self, text: str) -> None:
        """Text, letter by letter."""
        if not text:
            return
        self._do(f"type --delay 30 {json.dumps(text)}")
        self.state()

    def drag_marker(self, frame: int, to: int) -> None:
        """Drag what stands at a frame along the timeline's lower edge, where markers are."""
        left, top, _, height = self.area("DOPESHEET_EDITOR", "WINDOW")
        y = top + height - 19 * self.scale
        start, end = (left + self.ask("frame_at", frame=at) for at in (frame, to))
        self.hover(start, y)
        self._do("mousedown 1")
        for step in (0.02, 0.06, 0.12, 0.25, 0.5, 0.75, 0.95, 1):  # slowly at first: it is a drag
            time.sleep(0.1)
            self.hover(start + step * (end - start), y)
        self._do("mouseup 1")
        time.sleep(0.3)
        self.state()

    # Looking

    def area(self, area: str = "VIEW_3D", kind: str = "UI") -> tuple[float, float, float, float]:
        """A region on the screen: left, top, width, height."""
        left, bottom, width, height = self.ask("rectangle", area=area, kind=kind)
        return left, SIZE[1] - bottom - height, width, height

    def middle(self, area: str = "VIEW_3D") -> None:
        """Put the pointer into an editor's middle, so that keys go there."""
        left, top, width, height = self.area(area, "WINDOW")
        self.hover(left + 0.35 * width, top + 0.6 * height)
        self._do("mousemove_relative 3 3")
        time.sleep(0.2)

    def find(
        self,
        wanted: str,
        across: float = FIELD,
        area: str = "VIEW_3D",
        kind: str = "UI",
        below: float = 0,
    ) -> tuple[float, float]:
        """Where the button is that does this: part of its operator's or property's path.

        `below`: the height on the screen where to begin, for what is soon gone. NotShownError, with
        what is there, if none is in the region as it is shown now.
        """
        for notches in (0, 12, -24):  # what is not in sight is scrolled for, down and then up
            if notches:
                self.scroll(notches, area, kind)
            seen = self._look(wanted, across, area, kind, 0 if notches else below)
            if isinstance(seen, tuple):
                return seen
        raise NotShownError(f"“{wanted}” is not shown; what is: {seen}")

    def scroll(self, notches: int, area: str = "VIEW_3D", kind: str = "UI") -> None:
        """Turn the wheel over a region, towards its end if that is positive."""
        left, top, width, height = self.area(area, kind)
        self.hover(left + 0.03 * width, top + 0.5 * height)
        self._do(*[f"click {5 if notches > 0 else 4}"] * abs(notches))
        time.sleep(0.5)

    def _look(
        self, wanted: str, across: float, area: str, kind: str, below: float
    ) -> tuple[float, float] | list[str]:
        """Where a button is, or what there is instead."""
        left, top, width, height = self.area(area, kind)
        x = left + across * width
        if (y := self._known.get((wanted, x), 0)) and self._is_at(wanted, x, y, area, kind):
            self._last = y
            return x, y
        step = STEP * self.scale
        heights = [top + (number + 0.5) * step for number in range(int(height / step))]
        heights = [y for y in heights if y >= below - step]
        alone = wanted.startswith("bpy.") or area == "PREFERENCES"
        if alone:  # there is but one of it: as one reads, on from the last
            heights.sort(key=lambda y: (y < self._last - step, y))
        seen: list[tuple[float, str]] = []
        for y in heights:
            here = self._under(wanted, x, y, area, kind)
            if seen and wanted in seen[-1][1] and here != seen[-1][1]:
                break
            seen.append((y, here))
            if alone:
                self._known[here, x] = y
        coarse = next((y for y, name in seen if wanted in name), None)
        if coarse is None:
            return list(dict.fromkeys(name for _, name in seen if name))
        # Its middle: a row is some 20 pixels high, and one look may have met its edge.
        near = [coarse + offset * self.scale for offset in (-8, 0, 8)]
        hits = [y for y in near if self._is_at(wanted, x, y, area, kind)]
        self._last = self._known[wanted, x] = sum(hits) / len(hits) if hits else coarse
        return x, self._last

    def _is_at(self, wanted: str, x: float, y: float, area: str, kind: str) -> bool:
        """Whether a button is still where it was seen last."""
        return wanted in self._under(wanted, x, y, area, kind)

    def _under(self, wanted: str, x: float, y: float, area: str, kind: str) -> str:
        """What the button there does, "" if there is none."""
        self.hover(x, y)
        name = self.ask("hover", area=area, kind=kind)
        if name or not wanted.startswith(IN_PREFERENCES):
            return name
        self._do("click 3")
        name = self.ask("menu_opened")
        self.press("Escape")
        return name

    def push(self, wanted: str, across: float = FIELD, **where: Any) -> None:
        """Find a button and press it."""
        self.click(*self.find(wanted, across, **where))

    def open_tab(self, name: str) -> None:
        """Click through the tabs of the sidebar, from the top, until this one is open."""
        left, top, width, height = self.area()
        for y in range(round(top + 20 * self.scale), round(top + height), round(18 * self.scale)):
            self.click(left + width - 10 * self.scale, y)
            if self.ask("tab") == name:
                return
        raise NotShownError(f"There is no tab “{name}”")

    def unfold(self, panel: str) -> None:
        """Open a panel of the sidebar by its heading. NotShownError if none opens it."""
        self._turn(panel, is_open=True)

    def fold(self, panel: str) -> None:
        """Close a panel of the sidebar by its heading. NotShownError if none closes it."""
        self.scroll(-24)
        self._turn(panel, is_open=False)

    def _turn(self, panel: str, *, is_open: bool) -> None:
        """Click on headings until a panel is open or closed; others are left as they are."""
        for notches in (0, 12, 24, -60):  # what is not in sight is scrolled for, down and then up
            if notches:
                self.scroll(notches)
                self._headings.clear()
            if self._turn_in_sight(panel, is_open, upwards=notches > 0):
                return
        raise NotShownError(f"{panel} cannot be {'opened' if is_open else 'closed'}")

    def _turn_in_sight(self, panel: str, is_open: bool, *, upwards: bool) -> bool:
        """The same in the part of the sidebar that is shown; whether it is so in the end.

        Upwards: at the end of the sidebar all moves when one is closed that is open, further up.
        """
        left, top, width, height = self.area()
        x = left + 0.25 * width
        lowest = max(self._headings.values(), default=0)
        rows = range(round(top + 40 * self.scale), round(top + height), round(10 * self.scale))
        # Where it was; then below all headings that are known; then everywhere.
        known = self._headings.get(panel, 0.0)
        below = sorted(rows, key=lambda y: (y < lowest + 8 * self.scale, y))
        for y in (known, *(reversed(rows) if upwards else below)):
            self.hover(x, y)
            if not y or self.ask("hover"):
                continue  # a button: nothing is pressed that was not meant
            before = self._open_panels()
            if (panel in before) == is_open:
                return True
            self.click(x, y)
            after = self._open_panels()
            if (panel in after) == is_open:
                self._headings[panel] = self._last = y
                return True
            if after != before:
                self.click(x, y)  # another one: as it was
                self._headings.update(dict.fromkeys(after ^ before, float(y)))
        return False

    def _open_panels(self) -> set[str]:
        self.ask("look_again")
        return set(self.wait(lambda: self.ask("open_panels"), 10))

    def resize(self, scale: float) -> None:
        """Draw the interface in another size, as Resolution Scale of the preferences does."""
        before = self.state()["scale"]
        self.ask("set_scale", scale=scale)
        self.wait(lambda: abs(self.state()["scale"] - before) > 0.1, 20)
        time.sleep(2)  # for all of it to be drawn
        self.scale = self.state()["scale"]
        self._known.clear()
        self._headings.clear()

    def picture(self, path: Path) -> Path:
        """What the screen shows, as a PNG."""
        command = ["import", "-window", "root", "/tmp/emoface/screen.png"]
        done = self.program.inside(["env", f"DISPLAY={self.display}", *command], 60)
        if done.returncode:
            raise RuntimeError(done.stdout)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((self.folder / "screen.png").read_bytes())
        return path

    def pixels(self, left: float, top: float, width: float, height: float) -> bytes:
        """What a part of the screen shows: red, green and blue of each pixel."""
        part = f"{width:.0f}x{height:.0f}+{left:.0f}+{top:.0f}"
        command = ["import", "-window", "root", "-crop", part, "-depth", "8"]
        look = ["env", f"DISPLAY={self.display}", *command, "rgb:/tmp/emoface/pixels"]
        done = self.program.inside(look, 60)
        if done.returncode:
            raise RuntimeError(done.stdout)
        return (self.folder / "pixels").read_bytes()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:  # Blender may hang over its own signal handler
        process.kill()
        process.wait()
