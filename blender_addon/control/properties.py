# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user chooses: the face, and for each face its sound and emotion."""

# No `from __future__ import annotations` here: Blender reads the annotations themselves.

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Context, Object, PropertyGroup, Scene, Text

from emoface_core.emotions import AUTO

from ..layers import hosts
from ..scene import strips, target
from . import kinds, live
from .style_properties import (
    EmoFaceAccent,
    EmoFaceCue,
    EmoFaceEyes,
    EmoFaceRegions,
    EmoFaceSpeechStyle,
    EmoFaceWord,
)


def _is_mesh(_self: PropertyGroup, obj: Object) -> bool:
    return obj.type == "MESH"


def _search_strips(_self: PropertyGroup, context: Context, _text: str) -> list[str]:
    """All of them, whatever stands in the field: Blender leaves out what does not match."""
    return strips.strip_names(context)


class EmoFaceChoices(PropertyGroup):
    """A face's sound and emotion."""

    source: EnumProperty(
        name="Sound",
        description="Where the voice comes from",
        items=(
            ("STRIP", "Sequencer", "A sound strip of the Video Sequencer, as it is trimmed there"),
            ("FILE", "File", "A sound file on disk"),
        ),
        override=kinds.KEPT,
    )
    strip: kinds.chosen(
        StringProperty,
        "Strip",
        "The sound strip that is spoken. Empty: the one it speaks already, else the active one, or "
        "the only one",
        search=_search_strips,
        search_options={"SORT"},
    )
    file: kinds.chosen(
        StringProperty,
        "File",
        "The sound file that is spoken, or a film: whatever Blender plays",
        subtype="FILE_PATH",
    )
    first_frame: kinds.chosen(
        IntProperty, "Start", "The frame at which the sound file begins", default=1
    )
    text: kinds.chosen(
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
        override=kinds.KEPT,
    )
    emotion: kinds.emotion(
        "Emotion",
        "What the face feels. After a bake it can still be changed, at once",
        AUTO,
        update=live.emotion_changed,
    )
    preference: kinds.factor(
        "Preference",
        "How the chosen emotion mixes with the one in the voice: 0 is all voice, 1 all choice",
        default=1.0,
        update=live.emotion_changed,
    )
    intensity: kinds.intensity(
        "Strength of the emotion: 0 is speech alone, above 1 exaggerates. After the bake it "
        "can still be changed and keyed"
    )
    feel_before: kinds.frames(
        "Feel Before", "Frames before the sound in which the face feels already. For a new bake"
    )
    feel_after: kinds.frames(
        "Feel After",
        "Frames after the sound in which the face goes on feeling, by its cues: for a listener, or "
        "a reaction. For a new bake",
    )
    cues: CollectionProperty(
        type=EmoFaceCue,
        description="What the face feels from which frame on",
        override=kinds.KEPT_LIST,
    )
    active_cue: kinds.chosen(IntProperty, "Cue", "The cue that is shown below")
    show_markers: kinds.chosen(
        BoolProperty,
        "Show as Markers",
        "Show the cues as markers on the timeline, which must be high enough to show any",
        update=live.markers_changed,
    )
    mouth_emotion: kinds.emotion(
        "Mouth Emotion",
        "Mouth and jaw may feel something else than the rest of the face: angry brows over a smile",
        live.SAME,
        (live.SAME, "As the Face", "What the rest of the face feels"),
        update=live.changed,
    )
    regions: PointerProperty(type=EmoFaceRegions, override=kinds.KEPT)
    eyes: PointerProperty(type=EmoFaceEyes, override=kinds.KEPT)
    accents: CollectionProperty(
        type=EmoFaceAccent,
        description="Frames in which the speech has a strength of its own",
        override=kinds.KEPT_LIST,
    )
    active_accent: kinds.chosen(IntProperty, "Accent", "The accent that is shown below")
    words: CollectionProperty(
        type=EmoFaceWord,
        description="The words, or the phrases, that were heard",
        override=kinds.KEPT_LIST,
    )
    active_word: kinds.chosen(
        IntProperty, "Word", "The word that is shown below", update=live.word_chosen
    )
    speech_style: PointerProperty(type=EmoFaceSpeechStyle, override=kinds.KEPT)
    into: kinds.chosen(
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
    mute_speech: kinds.chosen(
        BoolProperty, "Mute Speech", "Hide what the face does to speak", update=live.mute_changed
    )
    mute_emotion: kinds.chosen(
        BoolProperty, "Mute Emotion", "Hide the emotion", update=live.mute_changed
    )


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


def baked_face(context: Context) -> Object:
    """The same; InputError if there is none with a bake that can be changed."""
    return target.check_baked(chosen_face(context))


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
    Object.emoface = PointerProperty(type=EmoFaceChoices, override=kinds.KEPT)


def unregister() -> None:
    """Take them away."""
    del Object.emoface
    del Scene.emoface
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
