# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user chooses: the face, and for each face its sound and emotion."""

# No `from __future__ import annotations` here: Blender reads the annotations themselves.

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Context, Object, PropertyGroup, Scene, Text

from emoface_core.emotions import AUTO, EMOTIONS, MAX_INTENSITY
from emoface_core.face.eyes import MOST_BLINKS

from ..curves.plan import ROOM
from ..layers import hosts
from ..scene import strips, target
from . import live

_ABOUT = {
    "neutral": "Speech alone, without emotion",
    "calm": "Relaxed, soft",
    "happy": "Raised cheeks and corners of the mouth",
    "sad": "Inner brows up, corners of the mouth down",
    "angry": "Brows down and together, tense lids and lips",
    "fearful": "Brows up and together, wide eyes, stretched lips",
    "disgust": "Wrinkled nose, raised upper lip",
    "surprised": "Brows up, wide eyes",
}
EMOTION_ITEMS = (
    (AUTO, "From the voice", "The emotion, and how it changes, is read from the voice"),
    *((name, name.capitalize(), _ABOUT[name]) for name in EMOTIONS),
)

# On a linked character: what is chosen there can be changed, and is saved with the override.
KEPT = {"LIBRARY_OVERRIDABLE"}
KEPT_LIST = {"LIBRARY_OVERRIDABLE", "USE_INSERTION"}  # of a collection: also what is added


Item = tuple[str, str, str]  # of a menu: identifier, name, tooltip


def _is_mesh(_self: PropertyGroup, obj: Object) -> bool:
    return obj.type == "MESH"


def _search_strips(_self: PropertyGroup, context: Context, _text: str) -> list[str]:
    """All of them, whatever stands in the field: Blender leaves out what does not match."""
    return strips.strip_names(context)


def _chosen(kind: Callable[..., Any], name: str, description: str, **more: Any) -> Any:
    """A choice for a face: it is not keyed, and a library override keeps it."""
    return kind(name=name, description=description, options=set(), override=KEPT, **more)


def _factor(name: str, description: str, *, high: float = 1.0, **more: Any) -> Any:
    return _chosen(FloatProperty, name, description, min=0.0, max=high, subtype="FACTOR", **more)


def _heard(kind: Callable[..., Any], name: str, description: str) -> Any:
    """What a bake says and nobody changes."""
    return kind(name=name, description=description, options={"HIDDEN"}, override=KEPT)


def _strength(name: str, description: str) -> Any:
    return _factor(
        name,
        f"{description}. 1 is as made, 0 none",
        high=2.0,
        default=1.0,
        step=5,
        update=live.changed,
    )


def _smoothing(name: str, description: str, longest: float) -> Any:
    return _chosen(
        FloatProperty,
        name,
        f"{description}. Seconds; 0 leaves it as made",
        min=0.0,
        max=longest,
        default=0.0,
        step=1,
        precision=3,
        update=live.changed,
    )


def _emotion(name: str, description: str, default: str, *first: Item, **more: Any) -> Any:
    """One of the eight or the voice's own, or what is `first` in the list."""
    items = (*first, *EMOTION_ITEMS)
    return _chosen(EnumProperty, name, description, items=items, default=default, **more)


def _intensity(description: str, **more: Any) -> Any:
    return _chosen(
        FloatProperty,
        "Intensity",
        description,
        min=0.0,
        max=MAX_INTENSITY,
        default=1.0,
        step=5,
        **more,
    )


def _ease(description: str, default: int, usual: int, **more: Any) -> Any:
    return _chosen(
        IntProperty,
        "Ease",
        description,
        min=0,
        max=10000,
        soft_max=usual,
        default=default,
        **more,
    )


class EmoFaceSpeechStyle(PropertyGroup):
    """How the speech is spoken. Names as in `styling.SpeechStyle`."""

    strength: _strength("Strength", "Of all that the face does to speak")
    jaw_opening: _strength("Jaw Opening", "How far the jaw drops. Closed lips stay closed")
    lip_opening: _strength("Lip Opening", "How far the lips part and show the teeth")
    lip_closing: _strength("Lip Closing", "How firmly the lips shut on m, b and p")
    rounding: _strength("Rounding", "How far the lips round and protrude in oo, oh and w")
    smoothing_upper: _smoothing(
        "Smooth Upper", "Evens out the motion of brows, eyes and cheeks", 0.3
    )
    smoothing_lower: _smoothing(
        "Smooth Lower", "Evens out the motion of mouth and jaw; a little goes a long way", 0.15
    )
    offset: _chosen(
        FloatProperty,
        "Timing Offset",
        "Frames by which the speech comes later than the sound; negative: earlier",
        min=-ROOM,
        max=ROOM,
        soft_min=-5,
        soft_max=5,
        default=0.0,
        step=10,
        precision=2,
        update=live.changed,
    )


class EmoFaceRegions(PropertyGroup):
    """How strong the emotion is in each region. Names as in `styling.RegionStyle`."""

    brows: _strength("Brows", "Emotion of brows and forehead")
    eyes: _strength("Eyes", "Emotion of the lids: squinting, wide eyes")
    cheeks: _strength("Cheeks & Nose", "Emotion of cheeks and nose: raised cheeks, a sneer")
    mouth: _strength("Mouth", "Emotion of the lips: a smile, a frown")
    jaw: _strength("Jaw", "Emotion of the jaw: dropped in surprise, pushed forward in anger")


class EmoFaceEyes(PropertyGroup):
    """Blinks and gaze, which no voice tells."""

    strength: _factor(
        "Blinks & Gaze",
        "Strength of the layer: 1 is as made, 0 none",
        default=1.0,
        step=5,
        update=live.eyes_changed,
    )
    show: _chosen(
        BoolProperty,
        "Blinks & Gaze",
        "Let the eyes blink and look about: more in speech, most where phrases end, in the "
        "way of what is felt. A layer of its own, changed at once",
        default=True,
        update=live.eyes_changed,
    )
    seed: _chosen(
        IntProperty,
        "Seed",
        "Another number gives other moments, the same number always the same ones",
        min=0,
        default=0,
        update=live.eyes_changed,
    )
    blinks_per_minute: _chosen(
        FloatProperty,
        "Blinks per Minute",
        "How often the eyes blink while speaking; most people 10 to 33 times. 0 is never",
        min=0.0,
        max=MOST_BLINKS,
        default=20.0,
        step=100,
        precision=0,
        update=live.eyes_changed,
    )
    gaze: _factor(
        "Gaze",
        "How far the eyes move: small steps over the viewer's face, looks away and back. "
        "0 keeps them ahead",
        high=2.0,
        default=1.0,
        step=5,
        update=live.eyes_changed,
    )


class EmoFaceCue(PropertyGroup):
    """From a frame on the face feels something else."""

    frame: _chosen(
        IntProperty,
        "Frame",
        "The frame at which the face begins to change",
        default=1,
        update=live.cue_changed,
    )
    ease: _ease("Frames that the change takes; 0 is at once", 10, 50, update=live.cue_changed)
    marker: StringProperty(
        name="Marker",
        description="The name of the marker on the timeline that shows this cue",
        options={"HIDDEN"},
        override=KEPT,
    )
    emotion: _emotion(
        "Emotion", "What the face feels from here on", "happy", update=live.cue_changed
    )
    preference: _factor(
        "Preference",
        "How the emotion mixes with the one in the voice: 0 all voice, 1 all choice",
        default=1.0,
        update=live.cue_changed,
    )
    second: _emotion(
        "Mixed With",
        "Another emotion that is felt at the same time",
        live.NONE,
        (live.NONE, "Nothing", "One emotion alone"),
        update=live.cue_changed,
    )
    share: _factor(
        "Share",
        "How much of the mixture is the second emotion",
        default=0.5,
        update=live.cue_changed,
    )
    intensity: _intensity(
        "Strength of the emotion from here on; the face's own intensity multiplies it",
        update=live.cue_changed,
    )


class EmoFaceAccent(PropertyGroup):
    """A range of frames in which the speech has a strength of its own."""

    first: _chosen(
        IntProperty,
        "From",
        "The first frame of the word or the noise",
        default=1,
        update=live.changed,
    )
    last: _chosen(IntProperty, "To", "Its last frame", default=1, update=live.changed)
    strength: _factor(
        "Strength",
        "Of the speech in these frames: 0 mutes a cough, above 1 stresses a word",
        high=2.0,
        default=1.0,
        step=5,
        update=live.changed,
    )
    ease: _ease("Frames before and after that lead over", 3, 20, update=live.changed)


class EmoFaceWord(PropertyGroup):
    """A word that was heard, or a phrase between pauses; the bake fills it in."""

    text: _heard(StringProperty, "Word", "As it was written")
    phones: _heard(StringProperty, "Heard", "The phones that were heard, in IPA")
    first: _heard(IntProperty, "From", "The frame at which it begins")
    last: _heard(IntProperty, "To", "Its last frame")
    fit: _heard(FloatProperty, "Fit", "How well the sound fits the letters, 0 to 1")
    strength: _factor(
        "Strength",
        "Of the speech in this word: above 1 stresses it, 0 is silent lips",
        high=2.0,
        default=1.0,
        step=5,
        update=live.changed,
    )
    mute: _chosen(
        BoolProperty,
        "Mute",
        "Let the mouth rest here: for a cough, a breath, another voice",
        update=live.changed,
    )


class EmoFaceChoices(PropertyGroup):
    """A face's sound and emotion."""

    source: EnumProperty(
        name="Sound",
        description="Where the voice comes from",
        items=(
            ("STRIP", "Sequencer", "A sound strip of the Video Sequencer, as it is trimmed there"),
            ("FILE", "File", "A sound file on disk"),
        ),
        override=KEPT,
    )
    strip: _chosen(
        StringProperty,
        "Strip",
        "The sound strip that is spoken. Empty: the one it speaks already, else the active one, or "
        "the only one",
        search=_search_strips,
        search_options={"SORT"},
    )
    file: _chosen(
        StringProperty,
        "File",
        "The sound file that is spoken: wav, flac, ogg or mp3",
        subtype="FILE_PATH",
    )
    first_frame: _chosen(
        IntProperty, "Start", "The frame at which the sound file begins", default=1
    )
    text: _chosen(
        StringProperty,
        "Text",
        "The words that are spoken, in any language in Latin, Greek or Cyrillic letters. They are "
        "found in the sound and listed below, and help the lips; without them, phrases are listed",
    )
    text_block: PointerProperty(
        name="Text Block",
        description="A text datablock that holds the words, instead of typing them here. Where "
        "several strips are spoken, a text datablock of the strip's name holds its words",
        type=Text,
        override=KEPT,
    )
    emotion: _emotion(
        "Emotion",
        "What the face feels. After a bake it can still be changed, at once",
        AUTO,
        update=live.emotion_changed,
    )
    preference: _factor(
        "Preference",
        "How the chosen emotion mixes with the one in the voice: 0 is all voice, 1 all choice",
        default=1.0,
        update=live.emotion_changed,
    )
    intensity: _intensity(
        "Strength of the emotion: 0 is speech alone, above 1 exaggerates. After the bake it "
        "can still be changed and keyed"
    )
    cues: CollectionProperty(
        type=EmoFaceCue,
        description="What the face feels from which frame on",
        override=KEPT_LIST,
    )
    active_cue: _chosen(IntProperty, "Cue", "The cue that is shown below")
    show_markers: _chosen(
        BoolProperty,
        "Show as Markers",
        "Show the cues as markers on the timeline, which must be high enough to show any",
        update=live.markers_changed,
    )
    mouth_emotion: _emotion(
        "Mouth Emotion",
        "Mouth and jaw may feel something else than the rest of the face: angry brows over a smile",
        live.SAME,
        (live.SAME, "As the Face", "What the rest of the face feels"),
        update=live.changed,
    )
    regions: PointerProperty(type=EmoFaceRegions, override=KEPT)
    eyes: PointerProperty(type=EmoFaceEyes, override=KEPT)
    accents: CollectionProperty(
        type=EmoFaceAccent,
        description="Frames in which the speech has a strength of its own",
        override=KEPT_LIST,
    )
    active_accent: _chosen(IntProperty, "Accent", "The accent that is shown below")
    words: CollectionProperty(
        type=EmoFaceWord,
        description="The words, or the phrases, that were heard",
        override=KEPT_LIST,
    )
    active_word: _chosen(
        IntProperty, "Word", "The word that is shown below", update=live.word_chosen
    )
    speech_style: PointerProperty(type=EmoFaceSpeechStyle, override=KEPT)
    into: _chosen(
        EnumProperty,
        "Bake Into",
        "Where the animation plays on the timeline. Can be changed after the bake, too",
        items=(
            (
                hosts.NLA,
                "NLA Tracks",
                "A track for each layer in the NLA editor, to be muted, weakened and moved there. "
                "Your own active Action plays on top",
            ),
            (
                hosts.ACTION,
                "One Action",
                "The shape keys' active Action: all curves open in Dope Sheet and Graph Editor",
            ),
        ),
        update=live.into_changed,
    )
    mute_speech: _chosen(
        BoolProperty, "Mute Speech", "Hide what the face does to speak", update=live.mute_changed
    )
    mute_emotion: _chosen(
        BoolProperty, "Mute Emotion", "Hide the emotion", update=live.mute_changed
    )

    def wanted_preference(self) -> float | None:
        """For the engine: None where nothing was chosen."""
        return None if self.emotion == AUTO else self.preference


class EmoFaceScene(PropertyGroup):
    """What belongs to a scene."""

    face: PointerProperty(
        name="Face",
        description="The head to animate. Empty: the selected one",
        type=Object,
        poll=_is_mesh,
    )


def chosen_face(context: Context) -> Object | None:
    """The face that the panel is about: the chosen one if it is in the scene, else the active."""
    chosen = context.scene.emoface.face
    if chosen is not None and chosen.name in context.scene.objects:
        return chosen
    active = context.object if hasattr(context, "object") else None
    return active if active is not None and active.type == "MESH" else None


def usable_face(context: Context) -> Object:
    """The same; InputError if there is none, or if it cannot be animated."""
    return target.check(chosen_face(context))


CLASSES = (
    EmoFaceSpeechStyle,
    EmoFaceRegions,
    EmoFaceEyes,
    EmoFaceCue,
    EmoFaceAccent,
    EmoFaceWord,
    EmoFaceChoices,
    EmoFaceScene,
)


def register() -> None:
    """Add the properties to Blender's types."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    Scene.emoface = PointerProperty(type=EmoFaceScene)
    Object.emoface = PointerProperty(type=EmoFaceChoices, override=KEPT)


def unregister() -> None:
    """Take them away."""
    del Object.emoface
    del Scene.emoface
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
