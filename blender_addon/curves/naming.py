# SPDX-License-Identifier: GPL-3.0-or-later
"""How our things in a file are named and marked, so that only ours are ever replaced. No bpy."""

import json
import re
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from .timing import Cut

KEY_PREFIX = "emoface."
INTENSITY = "emoface_intensity"  # custom property of the object
INTENSITY_PATH = f'["{INTENSITY}"]'
RECORD = "emoface_bake"  # custom property of the Key: a BakeRecord
MOTION = "emoface_motion"  # custom property of the Key: a Motion, as bytes
OLD_CURVES = "emoface_curves"  # the same of a bake by EmoFace 0.1
SUMS = "emoface_sums"  # custom property of the Key: checksums of our curves, as JSON
KEPT = "emoface_kept"  # the same: names of Actions that hold the artist's changes, as JSON
MUTED = "emoface_muted"  # the same: names of keys that a silent layer has muted, as JSON
PLAIN = "emoface_plain"  # custom property of the Key: names of keys that were ours once, as JSON
MARK = "emoface"  # custom property of our Action
LAYER = "emoface_layer"  # the same: which layer it holds; without it, all of them
GROUP = "EmoFace "  # of our curves' channel groups: what their names begin with
VERSION = 1

_KEY_PATH = re.compile(r'^key_blocks\["((?:[^"\\]|\\.)*)"\]\.value$')
_CURVE_PATH = re.compile(r'^\["((?:[^"\\]|\\.)*)"\]$')


def key_name(layer: str, name: str) -> str:
    """Such as emoface.speech.jawOpen, or emoface.emotion.mouthSmile_L.mouth."""
    return f"{KEY_PREFIX}{layer}.{name}"


def layer_of_key(name: str) -> str:
    """The layer that a name by `key_name` says."""
    return name.removeprefix(KEY_PREFIX).partition(".")[0]


def group_name(layer: str) -> str:
    """The channel group of a layer's curves."""
    return f"{GROUP}{layer.capitalize()}"


def plain_name(name: str) -> str:
    """Of a key that is ours no longer: “Speech jawOpen” from emoface.speech.jawOpen."""
    layer, _, rest = name.removeprefix(KEY_PREFIX).partition(".")
    return f"{layer.capitalize()} {rest}"


def value_path(name: str) -> str:
    """The data path of a shape key's value on its Key datablock."""
    return f'key_blocks["{_escape(name)}"].value'


def curve_path(name: str) -> str:
    """The data path of the custom property that carries an emotion key's curve."""
    return f'["{_escape(name)}"]'


def key_of_path(path: str) -> str | None:
    """The shape key whose value a data path names."""
    match = _KEY_PATH.match(path)
    return _unescape(match[1]) if match else None


def property_of_path(path: str) -> str | None:
    """The custom property that a data path names."""
    match = _CURVE_PATH.match(path)
    return _unescape(match[1]) if match else None


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _unescape(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name) if "\\" in name else name


def loaded(text: object, empty: Any) -> Any:
    """What a custom property says as JSON; `empty` if somebody has made something else of it."""
    try:
        found = json.loads(text) if isinstance(text, str) else empty
    except ValueError:
        return empty
    return found if isinstance(found, type(empty)) else empty


@dataclass(frozen=True, slots=True)
class BakeRecord:
    """What a bake left on a Key: enough to remove it, and to say what it is."""

    keys: tuple[str, ...]
    made_basis: bool
    made_intensity: bool
    sound: str
    emotion: str
    preference: float | None
    first_frame: int  # of the sound, or from where on the face feels
    frames: int
    fps: float
    frame_keys: int  # key frames in all curves together
    worst_error: float  # metres, of any vertex in any frame
    scale: float = 1.0  # of the mesh: its units per metre
    home: str = ""  # the scene whose sequencer holds the strips
    strips: tuple[str, ...] = ()  # that are spoken, in the order of the timeline
    cuts: tuple[Cut, ...] = ()  # of each
    before: int = 0  # of `frames`, in which the face only feels
    after: int = 0

    @property
    def last_frame(self) -> int:
        """Of the sound, or to where the face feels."""
        return self.first_frame + self.frames - 1

    @property
    def span(self) -> str:
        """Its frames, for a person."""
        return f"{self.first_frame}–{self.last_frame}"

    def to_json(self) -> str:
        """For a custom property."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps({"version": VERSION, **values})

    @staticmethod
    def from_json(text: str) -> "BakeRecord | None":
        """None if it is not one that this version can read."""
        return _record(text)


@lru_cache(maxsize=16)  # the panel asks at every redraw
def _record(text: str) -> BakeRecord | None:
    try:
        values = json.loads(text)
        if values.pop("version") != VERSION:
            return None
        names = {field.name for field in fields(BakeRecord)}
        kept = {name: value for name, value in values.items() if name in names}
        kept["keys"], kept["strips"] = tuple(kept["keys"]), tuple(kept.get("strips", ()))
        kept["cuts"] = tuple(tuple(cut) for cut in kept.get("cuts", ()))
        return BakeRecord(**kept)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
