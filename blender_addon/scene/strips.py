# SPDX-License-Identifier: GPL-3.0-or-later
"""The sounds of a sequencer, and what is heard of each: trim, offset, mute, metas, packed files."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Context, Scene

from emoface_core.errors import InputError

from .. import compat
from ..curves.timing import Clip, Cut, clip_of_strip, frames_per_second
from . import decoding

_ENDLESS = 1 << 30


@dataclass(frozen=True, slots=True)
class SoundStrip:
    """A sound strip, and how the metas and channels around it cut or mute it."""

    strip: Any
    left: int
    right: int
    muted_by: str  # "" if it is heard
    channel: str = ""  # the name of the channel it lies in

    @property
    def name(self) -> str:
        """Unique within its scene."""
        return self.strip.name


@dataclass(frozen=True, slots=True)
class Heard:
    """What an animation is made from: a file, and the part of it that is heard."""

    path: Path
    clip: Clip
    volume: float
    label: str  # the strip's name, or the file's
    home: str = ""  # the scene whose sequencer holds the strip; "" for a file
    text: str = ""  # the words that are spoken, if they are known
    cut: Cut | None = None  # of a strip


def sound_strips(scene: Scene) -> list[SoundStrip]:
    """All sound strips of a scene in the order of the timeline, those inside metas too."""
    if scene.sequence_editor is None:
        return []
    found = _walk(scene.sequence_editor, -_ENDLESS, _ENDLESS, "")
    return sorted(found, key=lambda sound: (compat.strip_times(sound.strip).left, sound.name))


def named(scene: Scene, names: Collection[str]) -> dict[str, SoundStrip]:
    """The sound strips of these names, as far as a scene has them. Quick, among hundreds too."""
    if scene.sequence_editor is None:
        return {}
    found = _walk(scene.sequence_editor, -_ENDLESS, _ENDLESS, "", names)
    return {sound.name: sound for sound in found}


def _walk(
    owner: Any, left: int, right: int, muted_by: str, names: Collection[str] | None = None
) -> Iterator[SoundStrip]:
    for strip in compat.top_strips(owner):
        if names is not None and strip.type != "META" and strip.name not in names:
            continue
        mute = muted_by or ("the strip itself" if strip.mute else "")
        known = strip.channel < len(owner.channels)
        channel = owner.channels[strip.channel].name if known else ""
        if not mute and known and owner.channels[strip.channel].mute:
            mute = f"its channel “{channel}”"
        if strip.type == "META":
            start, end = compat.meta_bounds(strip)
            inner = f"its meta strip “{strip.name}”" if strip.mute else mute
            yield from _walk(strip, max(left, start), min(right, end), inner, names)
        elif strip.type == "SOUND":
            yield SoundStrip(strip, left, right, mute, channel)


def choose(scene: Scene, name: str) -> SoundStrip:
    """The sound strip of that name; with no name the active one, or the only one.

    InputError says why there is none.
    """
    sounds = sound_strips(scene)
    if not sounds:
        raise InputError(
            "There is no sound in the sequencer.",
            "Add a sound strip in the Video Sequencer, or choose a file.",
        )
    if name:
        for sound in sounds:
            if sound.name == name:
                return sound
        raise InputError(f"There is no sound strip “{name}” any more.", "Choose another one.")
    active = compat.active_strip(scene)
    for sound in sounds:
        if len(sounds) == 1 or (active is not None and sound.name == active.name):
            return sound
    raise InputError(f"There are {len(sounds)} sound strips.", "Choose one of them.")


def scene_rate(scene: Scene) -> float:
    """Frames a second."""
    return frames_per_second(scene.render.fps, scene.render.fps_base)


def check(sound: SoundStrip, home: Scene, target: Scene) -> Clip:
    """What is heard of a strip of scene `home`, for a face in scene `target`; touches no file.

    InputError if the strip is silent, retimed, or the scenes run at different rates.
    """
    strip = sound.strip
    if strip.sound is None:
        raise InputError(f"The strip “{sound.name}” has no sound.", "Choose another one.")
    if sound.muted_by:
        raise InputError(
            f"The strip “{sound.name}” is muted by {sound.muted_by}.",
            "Unmute it, or choose another.",
        )
    if compat.is_retimed(strip):
        raise InputError(
            f"The speed of the strip “{sound.name}” was changed by retiming.",
            "Clear the retiming, or render the audio to a file and use that.",
        )
    fps = scene_rate(home)
    if abs(fps - scene_rate(target)) > 1e-4:
        raise InputError(
            f"The strip's scene “{home.name}” runs at {fps:.5g} frames a second, the face's scene "
            f"“{target.name}” at {scene_rate(target):.5g}.",
            "Give both scenes the same frame rate.",
        )
    times = compat.strip_times(strip)
    clip = clip_of_strip(
        content_start=times.content_start,
        left=max(times.left, sound.left),
        right=min(times.right, sound.right),
        trimmed=times.trimmed,
        sound_offset=times.sound_offset,
        fps=fps,
    )
    if clip is None:
        raise InputError(
            f"Nothing is heard of the strip “{sound.name}”.",
            "Move its handles, or its meta strip's.",
        )
    if _volume(strip, home, clip) <= 0.0:
        raise InputError(f"The volume of “{sound.name}” is 0.", "Turn it up, or choose another.")
    return clip


def _volume(strip: Any, home: Scene, clip: Clip) -> float:
    """How loud a strip is heard; where the volume is animated, how loud at the loudest."""
    animation = home.animation_data
    path = strip.path_from_id("volume")
    if animation is None or clip.frames is None:
        return float(strip.volume)
    if any(driver.data_path == path for driver in animation.drivers):
        return 1.0  # only playing the scene could tell
    curves = [curve for curve in compat.curves_in_use(animation) if curve.data_path == path]
    if not curves or curves[0].mute:
        return float(strip.volume)
    first, last = clip.first_frame, clip.first_frame + clip.frames
    keys = [float(key.co[1]) for key in curves[0].keyframe_points if first <= key.co[0] <= last]
    return max(curves[0].evaluate(first), *keys, curves[0].evaluate(last))


def heard_of_strip(sound: SoundStrip, home: Scene, target: Scene) -> Heard:
    """As `check`, with the file: on disk, or unpacked or decoded into the temporary folder."""
    clip = check(sound, home, target)
    cut = clip.first_frame, clip.start, clip.frames or 0
    volume = _volume(sound.strip, home, clip)
    path, clip = decoding.readable(_sound_file(sound.strip.sound), clip)
    return Heard(path, clip, volume, sound.name, home.name, cut=cut)


def heard_of_file(filepath: str, scene: Scene, first_frame: int) -> Heard:
    """A whole sound file, beginning at a frame. InputError if there is none."""
    if not filepath:
        raise InputError("No sound file is chosen.", "Choose one.")
    path = Path(bpy.path.abspath(filepath))
    if not path.is_file():
        raise InputError(f"There is no file “{path}”.", "Choose another one.")
    wav, clip = decoding.readable(path, Clip(first_frame, 0.0, None, scene_rate(scene)))
    return Heard(wav, clip, 1.0, path.name)


def _sound_file(sound: Any) -> Path:
    if sound.packed_file is not None:
        return _unpack(sound)
    path = Path(bpy.path.abspath(sound.filepath, library=sound.library))
    if not path.is_file():
        raise InputError(
            f"The sound file “{path}” is missing.", "Use File > External Data > Find Missing Files."
        )
    return path


def _unpack(sound: Any) -> Path:
    """Write a packed sound to the temporary folder, once for the same bytes."""
    data = bytes(sound.packed_file.data)
    digest = hashlib.sha256(data).hexdigest()[:16]
    suffix = Path(bpy.path.basename(sound.filepath)).suffix
    path = decoding.temporary_folder() / f"emoface-{digest}{suffix}"
    if not path.is_file() or path.stat().st_size != len(data):
        path.write_bytes(data)
    return path


def strip_names(context: Context) -> list[str]:
    """The names to choose from."""
    return [sound.name for sound in sound_strips(compat.sequencer_scene(context))]
