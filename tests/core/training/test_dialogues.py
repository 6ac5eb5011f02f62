# SPDX-License-Identifier: GPL-3.0-or-later
"""Acted dialogues: their subtitles, their sound, who says them and what is held out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.training.dialogues import HELD_OUT_LEVELS_EVERY, read_lines, recordings

SCRIPT = """
dialogId("let-m-divna", "font_small", "What kind of strange ship is that?")
dialogStr("Co je to za divnou loď?")


dialogId("wc-x", "font_statue", "It said \\"no\\".")
dialogStr(
"Vidíš to oko...")

dialogId("count", "font_big", "%1 hours!")
dialogStr("Konkrétně %1 hodin!")

dialogId("shell", "font_white", "man chattr > 1")
dialogStr("man chattr > 1")

dialogId("laser", "", "")

dialogId("dots", "font_big", "...")
dialogStr("...")

dialogId("phone", "", "Hello?")
dialogStr("Haló?")
"""


def game(root: Path) -> Path:
    """`root` as if the packages had been unpacked into it, with eleven levels of silence."""
    folder = root / "usr/share/games/fillets-ng"
    for level in range(HELD_OUT_LEVELS_EVERY + 1):
        script = folder / f"script/level{level:02d}"
        script.mkdir(parents=True)
        (script / "dialogs_cs.lua").write_text(SCRIPT, encoding="utf-8")
        sounds = folder / f"sound/level{level:02d}/cs"
        sounds.mkdir(parents=True)
        silence = np.zeros(SAMPLE_RATE // 10, np.float32)
        soundfile.write(sounds / "let-m-divna.ogg", silence, SAMPLE_RATE)
    return folder


def test_lines_are_read_where_they_are_said_as_written() -> None:
    lines = read_lines(SCRIPT, "airplane")
    assert [(line.name, line.character, line.text) for line in lines] == [
        ("let-m-divna", "small", "Co je to za divnou loď?"),
        ("wc-x", "airplane-statue", "Vidíš to oko..."),
        ("phone", "airplane-nobody", "Haló?"),
    ]


def test_whole_levels_are_held_out(tmp_path: Path) -> None:
    game(tmp_path)
    found = list(recordings("cs", tmp_path))
    assert [item.held_out for item in found] == [True, *[False] * 9, True]
    assert found[1].id == "cs/level01/let-m-divna"
    assert found[1].speaker == "fillets-cs-small"
    assert found[1].text == "Co je to za divnou loď?"
    assert len(found[1].samples) == SAMPLE_RATE // 10


def test_jokes_of_every_level_lie_deeper_and_an_empty_sound_is_left_out(tmp_path: Path) -> None:
    folder = game(tmp_path)
    deeper = folder / "sound/level01/jokes/cs"
    deeper.mkdir(parents=True)
    soundfile.write(deeper / "phone.ogg", np.zeros(1600, np.float32), SAMPLE_RATE)
    soundfile.write(folder / "sound/level01/cs/wc-x.ogg", np.zeros(0, np.float32), SAMPLE_RATE)
    names = [item.id for item in recordings("cs", tmp_path) if "/level01/" in item.id]
    assert names == ["cs/level01/let-m-divna", "cs/level01/phone"]


@pytest.mark.parametrize(
    ("part", "package"), [("script", "package fillets-ng-data,"), ("sound", "fillets-ng-data-cs")]
)
def test_a_missing_package_is_named(tmp_path: Path, part: str, package: str) -> None:
    (game(tmp_path) / part).rename(tmp_path / part)
    with pytest.raises(InputError) as problem:
        next(recordings("cs", tmp_path))
    assert package in problem.value.hint
