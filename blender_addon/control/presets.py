# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: a face's emotion and style as a small JSON file, to be kept, shared and copied.

Which properties belong to it is asked of Blender: all of the panel's choices but those that say
which sound is spoken, so a new control is in the presets without a line here.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpy.types import Object, Property

from emoface_core.errors import InputError
from emoface_core.files import atomic_path

from .. import folders
from ..curves.naming import INTENSITY
from ..layers import ownership
from . import live

FORMAT = 1
SUFFIX = ".json"
_LARGEST = 1_000_000  # bytes; a preset has about a thousand
_OF_THE_SHOT = {"name", "rna_type", "source", "strip", "file", "first_frame", "show_markers"}
_OF_THE_SHOT |= {"into"}  # how an animator works is no part of a character
_OF_ONE_FACE = {"seed"}  # two characters that blink in step look like machines
_NOT_KEPT = ("active", "mute")  # of the panel and of the moment
_PLAIN = {"BOOLEAN", "INT", "FLOAT", "ENUM"}  # a list or a text is of the shot: cues, words
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows

Value = bool | int | float | str | list[bool] | list[int] | list[float]


@dataclass(frozen=True, slots=True)
class Preset:
    """A name, and values by the paths of properties, such as {"intensity": 0.8}."""

    name: str
    values: Mapping[str, Value]

    def to_json(self) -> str:
        """As it lies in a file."""
        values = {"emoface_preset": FORMAT, "name": self.name, "values": dict(self.values)}
        return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def _properties(group: Any, path: str = "") -> Iterator[tuple[str, Any, Property]]:
    """Path, owner and property of each choice that a preset keeps; groups within groups too."""
    for prop in group.bl_rna.properties:
        name = prop.identifier
        if name in _OF_THE_SHOT | _OF_ONE_FACE or name.startswith(_NOT_KEPT) or prop.is_hidden:
            continue
        if prop.type in _PLAIN and not prop.is_readonly:
            yield path + name, group, prop
        elif prop.type == "POINTER":
            inner = getattr(group, name)
            if inner is not None and inner.id_data == group.id_data and hasattr(inner, "bl_rna"):
                yield from _properties(inner, f"{path}{name}.")


def capture(face: Object, name: str) -> Preset:
    """What is chosen for a face now; the intensity as it is after a bake."""
    values: dict[str, Value] = {}
    for path, owner, prop in _properties(face.emoface):
        value = getattr(owner, prop.identifier)
        if prop.type != "ENUM" and getattr(prop, "is_array", False):
            values[path] = [_rounded(v) for v in value]
        elif isinstance(value, set):  # an enum of several
            values[path] = sorted(value)  # type: ignore[type-var]
        else:
            values[path] = _rounded(value)
    home = ownership.intensity_home(face)
    if INTENSITY in home and "intensity" in values:
        values["intensity"] = _rounded(float(home[INTENSITY]))
    return Preset(name, values)


def _rounded(value: Any) -> Any:
    """Blender's floats have about seven digits."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def check(preset: Preset, face: Object) -> None:
    """InputError if a preset gives a property of the face what it cannot have."""
    known = {path: prop for path, _, prop in _properties(face.emoface)}
    for path, value in preset.values.items():
        if path in known and not _can_be(value, known[path]):
            raise _bad(preset.name, path, value)


def apply(preset: Preset, face: Object) -> list[str]:
    """Give a face what a preset says, all or nothing, and return the names it does not know.

    An intensity that is keyed or driven stays as it is. InputError if a value cannot be.
    """
    check(preset, face)
    known = {path: (owner, prop) for path, owner, prop in _properties(face.emoface)}
    wanted = {
        path: _as_blender(value, known[path][1])
        for path, value in preset.values.items()
        if path in known
    }
    with live.together(face):  # the animation follows once, not for each value
        _set_all(preset, known, wanted)
    home = ownership.intensity_home(face)
    if "intensity" in wanted and INTENSITY in home and not ownership.is_animated(face):
        home[INTENSITY] = float(wanted["intensity"])
        home.update_tag()
    return [path for path in preset.values if path not in known]


def _set_all(
    preset: Preset, known: Mapping[str, tuple[Any, Property]], wanted: Mapping[str, Any]
) -> None:
    before = {path: _get(*known[path]) for path in wanted}
    done: list[str] = []
    for path, value in wanted.items():
        if _rounded(before[path]) == value:
            continue
        try:
            setattr(known[path][0], known[path][1].identifier, value)
        except (TypeError, ValueError):
            for other in done:
                setattr(known[other][0], known[other][1].identifier, before[other])
            raise _bad(preset.name, path, preset.values[path]) from None
        done.append(path)


def _get(owner: Any, prop: Property) -> Any:
    value = getattr(owner, prop.identifier)
    return tuple(value) if prop.type != "ENUM" and getattr(prop, "is_array", False) else value


def _as_blender(value: Value, prop: Property) -> Any:
    if isinstance(value, list):
        return set(value) if prop.type == "ENUM" else tuple(value)
    return value


def _can_be(value: Any, prop: Any) -> bool:
    """Whether a value fits its property."""
    several = prop.is_enum_flag if prop.type == "ENUM" else bool(getattr(prop, "is_array", False))
    items = value if several and isinstance(value, list) else [value]
    good = isinstance(value, list) == several and all(_fits(item, prop) for item in items)
    if several and prop.type != "ENUM":
        good = good and len(items) == prop.array_length
    return good


def _fits(value: Any, prop: Any) -> bool:
    if prop.type == "BOOLEAN":
        return isinstance(value, bool)
    if prop.type == "ENUM":
        known = [item.identifier for item in prop.enum_items]
        return isinstance(value, str) and (value in known or not known)
    number = isinstance(value, int) if prop.type == "INT" else isinstance(value, int | float)
    if not number or isinstance(value, bool) or not math.isfinite(value):
        return False
    return bool(prop.hard_min - 1e-6 <= value <= prop.hard_max + 1e-6)


def _bad(name: str, path: str, value: Any) -> InputError:
    return InputError(
        f"The preset “{name}” gives “{path}” the value {json.dumps(value, ensure_ascii=False)}, "
        "which it cannot have.",
        "Correct the file, or use another preset.",
    )


# Files


def read(path: Path) -> Preset:
    """A preset's file. InputError says what is wrong with it."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"The preset “{path.name}” cannot be read ({error.strerror}).", "Check the file."
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"“{path.name}” is not a preset: {error}.", "Choose a file that EmoFace saved."
        ) from None
    if not isinstance(values, dict) or "emoface_preset" not in values:
        raise InputError(
            f"“{path.name}” is not a preset of EmoFace.", "Choose a file that EmoFace saved."
        )
    if values["emoface_preset"] != FORMAT:
        raise InputError(
            f"The preset “{path.name}” was made by another version of EmoFace "
            f"(format {values['emoface_preset']!r}, not {FORMAT}).",
            "Save it again with this version.",
        )
    inner = values.get("values")
    if not isinstance(inner, dict) or not inner:
        raise InputError(f"The preset “{path.name}” holds no values.", "Use another preset.")
    name = values.get("name")
    return Preset(name if isinstance(name, str) and name.strip() else path.stem, inner)


def write(preset: Preset, path: Path) -> None:
    """Whole or not at all. InputError if that cannot be."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(preset.to_json(), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"The preset “{path.name}” cannot be written ({error.strerror}).",
            "Choose another folder.",
        ) from None


def folder() -> Path:
    """Where the user's presets lie."""
    return folders.home("presets")


def path_of(name: str) -> Path:
    """The file of a preset of that name. InputError if no file can be called so."""
    stem = _FORBIDDEN.sub("_", name.strip()).rstrip(". ")
    if not stem or stem.startswith(".") or _DEVICES.fullmatch(stem):
        raise InputError(f"A preset cannot be called “{name}”.", "Give it another name.")
    if len(stem.encode()) > 200:
        raise InputError("The preset's name is too long.", "Give it a shorter one.")
    return folder() / f"{stem}{SUFFIX}"


def saved() -> list[Path]:
    """The user's presets by name."""
    return sorted(folder().glob(f"*{SUFFIX}"), key=lambda path: path.stem.casefold())
