# SPDX-License-Identifier: GPL-3.0-or-later
"""What a data set of captured speech is: clips with their sound, motion, speaker and emotion."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emoface_core.errors import InputError
from emoface_core.training.datasets.motion import Motion

Split = Literal["train", "held_out", "test"]
SPLITS: tuple[Split, ...] = ("train", "held_out", "test")  # the papers' train, validation, test
SOUNDS = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound and its motion."""

    name: str
    sound: Path
    motion: Path
    speaker: str
    split: Split
    emotion: int = -1  # index into EMOTIONS, -1 unknown
    level: int = 0  # of intensity, from 0 …
    levels: int = 1  # … of so many
    content: tuple[str, ...] | None = None  # who says what: clips that share it are pairs

    @property
    def intensity(self) -> float:
        """The level as a share: the strongest is 1."""
        return (self.level + 1) / self.levels


@dataclass(frozen=True, slots=True)
class ClipSet:
    """A data set in a folder."""

    kind: str
    clips: tuple[Clip, ...]
    read: Callable[[Clip], Motion]
    missing: tuple[str, ...] = ()  # motion whose sound is not there: a fault
    unused: tuple[str, ...] = ()  # what is passed over, and why
    speakers_in_order: tuple[str, ...] = ()  # of training, where an order is published

    def of(self, split: Split) -> list[Clip]:
        """The clips of one split, in the order of their names."""
        return sorted((c for c in self.clips if c.split == split), key=lambda c: c.name)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers of training, in the order of their one-hot styles."""
        heard = {clip.speaker for clip in self.of("train")}
        listed = self.speakers_in_order or sorted(heard)
        return tuple(name for name in listed if name in heard)


def existing(folder: Path) -> Path:
    """The folder, if it is one; else InputError."""
    if not folder.is_dir():
        raise InputError(f"There is no folder “{folder}”.", "Check data.corpus, or the path.")
    return folder


def files_below(folder: Path, endings: Iterable[str]) -> list[Path]:
    """Files with these endings, however deep, sorted; hidden ones are passed over."""
    wanted = tuple(endings)
    return sorted(
        path
        for path in existing(folder).rglob("*")
        if path.suffix.lower() in wanted and not path.name.startswith(".") and path.is_file()
    )


def one_each(paths: Iterable[Path], what: str) -> dict[str, Path]:
    """Paths by their names without ending; InputError if two share one."""
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise InputError(
                f"Two {what} files share a name: “{found[path.stem]}” and “{path}”.",
                "Keep one of them in the folder.",
            )
        found[path.stem] = path
    return found


def without_motion(sounds: Mapping[str, Path], used: Iterable[str]) -> tuple[str, ...]:
    """What to say of sounds that have no motion."""
    rest = sorted(set(sounds) - set(used))
    return tuple(f"{sounds[name].name}: no motion" for name in rest)
