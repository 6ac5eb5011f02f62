# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user chooses: the face, and for each face its sound and emotion."""

# No `from __future__ import annotations` here: Blender reads the annotations themselves.

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
from bpy.types import Context, Object, PropertyGroup, Scene

from emoface_core.emotions import AUTO, EMOTIONS, MAX_INTENSITY
from emoface_core.face.eyes import MOST_BLINKS

from . import live, strips
from .plan import ROOM

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


def _is_mesh(_self: PropertyGroup, obj: Object) -> bool:
    return obj.type == "MESH"


def _search_strips(_self: PropertyGroup, context: Context, text: str) -> list[str]:
    return [name for name in strips.strip_names(context) if text.lower() in name.lower()]


def _strength(name: str, description: str) -> Any:
    return FloatProperty(
        name=name,
        description=f"{description}. 1 is as made, 0 none",
        min=0.0,
        max=2.0,
        default=1.0,
        step=5,
        subtype="FACTOR",
        options=set(),
        override=KEPT,
        update=live.changed,
    )


def _smoothing(name: str, description: str, longest: float) -> Any:
    return FloatProperty(
        name=name,
        description=f"{description}. Seconds; 0 leaves it as made",
        min=0.0,
        max=longest,
        default=0.0,
        step=1,
        precision=3,
        options=set(),
        override=KEPT,
        update=live.changed,
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
    offset: FloatProperty(
        name="Timing Offset",
        description="Frames by which the speech comes later than the sound; negative: earlier",
        min=-ROOM,
        max=ROOM,
        soft_min=-5,
        soft_max=5,
        default=0.0,
        step=10,
        precision=2,
        options=set(),
        override=KEPT,
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

    show: BoolProperty(
        name="Blinks & Gaze",
        description=(
            "Let the eyes blink and look about: more in speech, most where phrases end, in the "
            "way of what is felt. A layer of its own, changed at once"
        ),
        default=True,
        options=set(),
        override=KEPT,
        update=live.eyes_changed,
    )
    seed: IntProperty(
        name="Seed",
        description="Another number gives other moments, the same number always the same ones",
        min=0,
        default=0,
        options=set(),
        override=KEPT,
        update=live.eyes_changed,
    )
    blinks_per_minute: FloatProperty(
        name="Blinks per Minute",
        description=(
            "How often the eyes blink while speaking; most people 10 to 33 times. 0 is never"
        ),
        min=0.0,
        max=MOST_BLINKS,
        default=20.0,
        step=100,
        precision=0,
        options=set(),
        override=KEPT,
        update=live.eyes_changed,
    )
    gaze: FloatProperty(
        name="Gaze",
        description=(
            "How far the eyes move: small steps over the viewer's face, looks away and back. "
            "0 keeps them ahead"
        ),
        min=0.0,
        max=2.0,
        default=1.0,
        step=5,
        subtype="FACTOR",
        options=set(),
        override=KEPT,
        update=live.eyes_changed,
    )


class EmoFaceCue(PropertyGroup):
    """From a frame on the face feels something else."""

    frame: IntProperty(
        name="Frame",
        description="The frame at which the face begins to change",
        default=1,
        options=set(),
        override=KEPT,
        update=live.cue_changed,
    )
    ease: IntProperty(
        name="Ease",
        description="Frames that the change takes; 0 is at once",
        min=0,
        max=10000,
        soft_max=50,
        default=10,
        options=set(),
        override=KEPT,
        update=live.cue_changed,
    )
    marker: StringProperty(
        name="Marker",
        description="The name of the marker on the timeline that shows this cue",
        options={"HIDDEN"},
        override=KEPT,
    )
    emotion: EnumProperty(
        name="Emotion",
        description="What the face feels from here on",
        items=EMOTION_ITEMS,
        default="happy",
        options=set(),
        override=KEPT,
        update=live.cue_changed,
    )
    preference: FloatProperty(
        name="Preference",
        description="How the emotion mixes with the one in the voice: 0 all voice, 1 all choice",
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
        options=set(),
        override=KEPT,
        update=live.cue_changed,
    )
    second: EnumProperty(
        name="Mixed With",
        description="Another emotion that is felt at the same time",
        items=((live.NONE, "Nothing", "One emotion alone"), *EMOTION_ITEMS),
        default=live.NONE,
        options=set(),
        override=KEPT,
        update=live.cue_changed,
    )
    share: FloatProperty(
        name="Share",
        description="How much of the mixture is the second emotion",
        min=0.0,
        max=1.0,
        default=0.5,
        subtype="FACTOR",
        options=set(),
        override=KEPT,
        update=live.cue_changed,
    )
    intensity: FloatProperty(
        name="Intensity",
        description="Strength of the emotion from here on; the face's own intensity multiplies it",
        min=0.0,
        max=MAX_INTENSITY,
        default=1.0,
        step=5,
        options=set(),
        override=KEPT,
        update=live.cue_changed,
    )


class EmoFaceAccent(PropertyGroup):
    """A range of frames in which the speech has a strength of its own."""

    first: IntProperty(
        name="From",
        description="The first frame of the word or the noise",
        default=1,
        options=set(),
        override=KEPT,
        update=live.changed,
    )
    last: IntProperty(
        name="To",
        description="Its last frame",
        default=1,
        options=set(),
        override=KEPT,
        update=live.changed,
    )
    strength: FloatProperty(
        name="Strength",
        description="Of the speech in these frames: 0 mutes a cough, above 1 stresses a word",
        min=0.0,
        max=2.0,
        default=1.0,
        step=5,
        subtype="FACTOR",
        options=set(),
        override=KEPT,
        update=live.changed,
    )
    ease: IntProperty(
        name="Ease",
        description="Frames before and after that lead over",
        min=0,
        max=10000,
        soft_max=20,
        default=3,
        options=set(),
        override=KEPT,
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
    strip: StringProperty(
        name="Strip",
        description="The sound strip that is spoken. Empty: the active one, or the only one",
        search=_search_strips,
        options=set(),
        override=KEPT,
        search_options={"SORT"},
    )
    file: StringProperty(
        name="File",
        description="The sound file that is spoken: wav, flac, ogg or mp3",
        subtype="FILE_PATH",
        options=set(),
        override=KEPT,
    )
    first_frame: IntProperty(
        name="Start",
        description="The frame at which the sound file begins",
        default=1,
        options=set(),
        override=KEPT,
    )
    emotion: EnumProperty(
        name="Emotion",
        description="What the face feels. After a bake it can still be changed, at once",
        items=EMOTION_ITEMS,
        default=AUTO,
        options=set(),
        override=KEPT,
        update=live.emotion_changed,
    )
    preference: FloatProperty(
        name="Preference",
        description=(
            "How the chosen emotion mixes with the one in the voice: 0 is all voice, 1 all choice"
        ),
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
        options=set(),
        override=KEPT,
        update=live.emotion_changed,
    )
    intensity: FloatProperty(
        name="Intensity",
        description=(
            "Strength of the emotion: 0 is speech alone, above 1 exaggerates. After the bake it "
            "can still be changed and keyed"
        ),
        min=0.0,
        max=MAX_INTENSITY,
        default=1.0,
        step=5,
        options=set(),
        override=KEPT,
    )
    cues: CollectionProperty(
        type=EmoFaceCue,
        description="What the face feels from which frame on",
        override=KEPT_LIST,
    )
    active_cue: IntProperty(
        name="Cue", description="The cue that is shown below", options=set(), override=KEPT
    )
    show_markers: BoolProperty(
        name="Show as Markers",
        description="Show the cues as markers on the timeline",
        options=set(),
        override=KEPT,
        update=live.markers_changed,
    )
    mouth_emotion: EnumProperty(
        name="Mouth Emotion",
        description=(
            "Mouth and jaw may feel something else than the rest of the face: angry brows over a "
            "smile"
        ),
        items=((live.SAME, "As the Face", "What the rest of the face feels"), *EMOTION_ITEMS),
        default=live.SAME,
        options=set(),
        override=KEPT,
        update=live.changed,
    )
    regions: PointerProperty(type=EmoFaceRegions, override=KEPT)
    eyes: PointerProperty(type=EmoFaceEyes, override=KEPT)
    accents: CollectionProperty(
        type=EmoFaceAccent,
        description="Frames in which the speech has a strength of its own",
        override=KEPT_LIST,
    )
    active_accent: IntProperty(
        name="Accent", description="The accent that is shown below", options=set(), override=KEPT
    )
    speech_style: PointerProperty(type=EmoFaceSpeechStyle, override=KEPT)
    mute_speech: BoolProperty(
        name="Mute Speech",
        description="Hide what the face does to speak",
        options=set(),
        override=KEPT,
        update=live.mute_changed,
    )
    mute_emotion: BoolProperty(
        name="Mute Emotion",
        description="Hide the emotion",
        options=set(),
        override=KEPT,
        update=live.mute_changed,
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


CLASSES = (
    EmoFaceSpeechStyle,
    EmoFaceRegions,
    EmoFaceEyes,
    EmoFaceCue,
    EmoFaceAccent,
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
