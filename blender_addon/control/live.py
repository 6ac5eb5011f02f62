# SPDX-License-Identifier: GPL-3.0-or-later
"""What the animator chose for a face, taken to the animation on it at once: no engine is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import bpy
from bpy.types import Context, Object

from emoface_core.emotions import AUTO, EMOTIONS
from emoface_core.face.eyes import EyeSettings

from ..curves.cues import Accent, Cue, Feeling
from ..curves.styling import RegionStyle, SpeechStyle, Style
from ..layers import gaze_layer, hosts, ownership, writer
from . import drift, markers, words

SAME = "SAME"  # the mouth feels what the face feels
NONE = "NONE"  # a cue of a single emotion

LAYERS = ("speech", "emotion")


def style_of(obj: Object, feeling: Feeling | None = None) -> Style:
    """The style that a face's properties say; `feeling` in the place of its single emotion."""
    choices = obj.emoface
    lower = choices.mouth_emotion
    return Style(
        feeling=feeling or chosen_feeling(obj),
        cues=tuple(cue_of(item) for item in choices.cues),
        lower=None if lower == SAME else Feeling(lower),
        speech=SpeechStyle(**_values(choices.speech_style, SpeechStyle)),
        accents=(
            *(Accent(a.first, a.last, a.strength, a.ease) for a in choices.accents),
            *words.accents_on(obj),
        ),
        regions=RegionStyle(**_values(choices.regions, RegionStyle)),
    )


def _values(group: Any, kind: type) -> dict[str, float]:
    return {field.name: getattr(group, field.name) for field in fields(kind)}


def cue_of(item: Any) -> Cue:
    """A cue of the list as a value."""
    second = "" if item.second == NONE else item.second
    feeling = Feeling(item.emotion, item.preference, second, item.share, item.intensity)
    return Cue(float(item.frame), float(item.ease), feeling)


def chosen_feeling(obj: Object) -> Feeling:
    """The single emotion that the panel shows for a face."""
    return Feeling(obj.emoface.emotion, obj.emoface.preference)


def wanted_feeling(obj: Object) -> Feeling:
    """What the next bake is made with: what was chosen.

    A mixture that the face has, which no menu could show, stays until something else is chosen.
    """
    baked = baked_feeling(obj)
    if baked is not None and baked.emotion not in (AUTO, *EMOTIONS):
        return baked
    return chosen_feeling(obj)


def baked_feeling(obj: Object) -> Feeling | None:
    """The emotion that the bake was made with: it may be a mixture that no menu has."""
    record = ownership.record_of(obj)
    if record is None:
        return None
    return Feeling(record.emotion, 1.0 if record.preference is None else record.preference)


def apply(obj: Object, *, feeling: Feeling | None = None) -> bool:
    """Take a face's properties to the animation on it; False if there is none of ours."""
    if ownership.record_of(obj) is None or obj.data.library is not None:
        return False
    writer.own_intensity(obj)
    style = style_of(obj, feeling or baked_feeling(obj))
    done = writer.restyle(obj, style)
    apply_mutes(obj)
    apply_eyes(obj, style)
    return done


def after_bake(obj: Object, *, feeling: Feeling | None = None, eyes: bool | None = None) -> None:
    """A new bake is as the engine made it: give it what was chosen for the face before.

    `feeling`: an emotion that was chosen while it was made; `eyes`: whether it shall blink and look
    about, from now on; None: as was chosen.
    """
    baked = baked_feeling(obj)
    if baked is None or not hasattr(obj, "emoface"):
        return
    style = style_of(obj, feeling or baked)
    if style != Style(baked):
        writer.restyle(obj, style)
    apply_mutes(obj)
    if eyes is not None:
        with held():
            obj.emoface.eyes.show = eyes
    apply_eyes(obj, style)


def apply_eyes(obj: Object, style: Style | None = None) -> None:
    """Give a baked face blinks and gaze, or take them away, as its properties say."""
    eyes = obj.emoface.eyes
    if not eyes.show:
        gaze_layer.hide(obj)
        return
    settings = EyeSettings(eyes.seed, eyes.blinks_per_minute, eyes.gaze)
    style = style or style_of(obj, baked_feeling(obj))
    gaze_layer.show(obj, settings, style, eyes.strength)


def apply_mutes(obj: Object) -> None:
    """Silence the layers that the face's properties say."""
    for layer in LAYERS:
        writer.mute(obj, layer, getattr(obj.emoface, f"mute_{layer}"))


def own_intensities() -> None:
    """Let copies of faces take their intensity from themselves. For a timer."""
    for obj in bpy.data.objects:
        if obj.library is None and ownership.record_of(obj) is not None:
            writer.own_intensity(obj)


def why_not_moved(obj: Object) -> str:
    """Why the animation does not play, or would not, where it was chosen to; "" if it does."""
    key = obj.data.shape_keys
    into = obj.emoface.into
    return "" if hosts.plays_in(key) == into else hosts.problem(key, into)


def problem(obj: Object) -> str:
    """Why changes do not reach the animation on a face; "" if they do."""
    if ownership.record_of(obj) is None:
        return ""
    if writer.motion_of(obj) is not None:
        return drift.standing(obj)
    return (
        "This animation was made by an earlier EmoFace. Press Animate Again: from then on emotion "
        "and style change at once."
    )


class _Updates:
    """Whether a change of a property reaches the face at once."""

    def __init__(self) -> None:
        self.held = 0


_updates = _Updates()


@contextmanager
def held() -> Iterator[None]:
    """Change properties without an effect on the face yet."""
    _updates.held += 1
    try:
        yield
    finally:
        _updates.held -= 1


@contextmanager
def together(obj: Object) -> Iterator[None]:
    """Change several properties of a face, and take them to its animation once."""
    before = chosen_feeling(obj)
    with held():
        yield
    now = chosen_feeling(obj)
    apply(obj, feeling=now if now != before else None)
    markers.show_new(obj)


# For the `update` of properties: each is called with the group that holds the property.


def changed(group: Any, _context: Context) -> None:
    """Something but the single emotion was changed."""
    if not _updates.held:
        apply(group.id_data)


def cue_changed(item: Any, _context: Context) -> None:
    """A cue was changed."""
    if not _updates.held:
        apply(item.id_data)
        markers.show(item.id_data, [item])


def emotion_changed(choices: Any, _context: Context) -> None:
    """The single emotion was changed."""
    if not _updates.held:
        apply(choices.id_data, feeling=chosen_feeling(choices.id_data))


def mute_changed(choices: Any, _context: Context) -> None:
    """A layer was silenced, or shows again."""
    if not _updates.held:
        apply_mutes(choices.id_data)
        gaze_layer.drive(choices.id_data)  # a blink minds the lids that show


def eyes_changed(eyes: Any, _context: Context) -> None:
    """Blinks and gaze were changed."""
    obj = eyes.id_data
    if not _updates.held and ownership.record_of(obj) is not None and obj.data.library is None:
        apply_eyes(obj)


def into_changed(choices: Any, _context: Context) -> None:
    """The animation shall play elsewhere. Where that cannot be, the panel says why."""
    obj = choices.id_data
    if _updates.held or ownership.record_of(obj) is None or obj.data.library is not None:
        return
    if not why_not_moved(obj):
        hosts.move(obj, choices.into)


def word_chosen(choices: Any, context: Context) -> None:
    """Another word was clicked: go there."""
    listed, active = choices.words, choices.active_word
    if not _updates.held and 0 <= active < len(listed):
        frame = listed[active].first + round(words.moved_by(choices.id_data))
        if context.scene.frame_current != frame:
            context.scene.frame_set(frame)


def markers_changed(choices: Any, _context: Context) -> None:
    """Cues are to be seen on the timeline, or no longer."""
    markers.show(choices.id_data)
