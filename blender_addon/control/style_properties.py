# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be changed after a bake: styles, cues, accents, and the words that were heard."""

# No `from __future__ import annotations` here: Blender reads the annotations themselves.

from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import PropertyGroup

from emoface_core.face.eyes import MOST_BLINKS

from ..curves.plan import ROOM
from . import kinds, live


class EmoFaceSpeechStyle(PropertyGroup):
    """How the speech is spoken. Names as in `styling.SpeechStyle`."""

    strength: kinds.strength("Strength", "Of all that the face does to speak")
    jaw_opening: kinds.strength("Jaw Opening", "How far the jaw drops. Closed lips stay closed")
    lip_opening: kinds.strength("Lip Opening", "How far the lips part and show the teeth")
    lip_closing: kinds.strength("Lip Closing", "How firmly the lips shut on m, b and p")
    rounding: kinds.strength("Rounding", "How far the lips round and protrude in oo, oh and w")
    smoothing_upper: kinds.smoothing(
        "Smooth Upper", "Evens out the motion of brows, eyes and cheeks", 0.3
    )
    smoothing_lower: kinds.smoothing(
        "Smooth Lower", "Evens out the motion of mouth and jaw; a little goes a long way", 0.15
    )
    offset: kinds.chosen(
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

    brows: kinds.strength("Brows", "Emotion of brows and forehead")
    eyes: kinds.strength("Eyes", "Emotion of the lids: squinting, wide eyes")
    cheeks: kinds.strength("Cheeks & Nose", "Emotion of cheeks and nose: raised cheeks, a sneer")
    mouth: kinds.strength("Mouth", "Emotion of the lips: a smile, a frown")
    jaw: kinds.strength("Jaw", "Emotion of the jaw: dropped in surprise, pushed forward in anger")


class EmoFaceEyes(PropertyGroup):
    """Blinks and gaze, which no voice tells."""

    strength: kinds.factor(
        "Blinks & Gaze",
        "Strength of the layer: 1 is as made, 0 none",
        default=1.0,
        step=5,
        update=live.eyes_changed,
    )
    show: kinds.chosen(
        BoolProperty,
        "Blinks & Gaze",
        "Let the eyes blink and look about: more in speech, most where phrases end, in the "
        "way of what is felt. A layer of its own, changed at once",
        default=True,
        update=live.eyes_changed,
    )
    seed: kinds.chosen(
        IntProperty,
        "Seed",
        "Another number gives other moments, the same number always the same ones",
        min=0,
        default=0,
        update=live.eyes_changed,
    )
    blinks_per_minute: kinds.chosen(
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
    gaze: kinds.factor(
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

    frame: kinds.chosen(
        IntProperty,
        "Frame",
        "The frame at which the face begins to change",
        default=1,
        update=live.cue_changed,
    )
    ease: kinds.ease("Frames that the change takes; 0 is at once", 10, 50, update=live.cue_changed)
    marker: StringProperty(
        name="Marker",
        description="The name of the marker on the timeline that shows this cue",
        options={"HIDDEN"},
        override=kinds.KEPT,
    )
    emotion: kinds.emotion(
        "Emotion", "What the face feels from here on", "happy", update=live.cue_changed
    )
    preference: kinds.factor(
        "Preference",
        "How the emotion mixes with the one in the voice: 0 all voice, 1 all choice",
        default=1.0,
        update=live.cue_changed,
    )
    second: kinds.emotion(
        "Mixed With",
        "Another emotion that is felt at the same time",
        live.NONE,
        (live.NONE, "Nothing", "One emotion alone"),
        update=live.cue_changed,
    )
    share: kinds.factor(
        "Share",
        "How much of the mixture is the second emotion",
        default=0.5,
        update=live.cue_changed,
    )
    intensity: kinds.intensity(
        "Strength of the emotion from here on; the face's own intensity multiplies it",
        update=live.cue_changed,
    )


class EmoFaceAccent(PropertyGroup):
    """A range of frames in which the speech has a strength of its own."""

    first: kinds.chosen(
        IntProperty,
        "From",
        "The first frame of the word or the noise",
        default=1,
        update=live.changed,
    )
    last: kinds.chosen(IntProperty, "To", "Its last frame", default=1, update=live.changed)
    strength: kinds.factor(
        "Strength",
        "Of the speech in these frames: 0 mutes a cough, above 1 stresses a word",
        high=2.0,
        default=1.0,
        step=5,
        update=live.changed,
    )
    ease: kinds.ease("Frames before and after that lead over", 3, 20, update=live.changed)


class EmoFaceWord(PropertyGroup):
    """A word that was heard, or a phrase between pauses; the bake fills it in."""

    text: kinds.heard(StringProperty, "Word", "As it was written")
    phones: kinds.heard(StringProperty, "Heard", "The phones that were heard, in IPA")
    first: kinds.heard(IntProperty, "From", "The frame at which it begins")
    last: kinds.heard(IntProperty, "To", "Its last frame")
    fit: kinds.heard(FloatProperty, "Fit", "How well the sound fits the letters, 0 to 1")
    strength: kinds.factor(
        "Strength",
        "Of the speech in this word: above 1 stresses it, 0 is silent lips",
        high=2.0,
        default=1.0,
        step=5,
        update=live.changed,
    )
    mute: kinds.chosen(
        BoolProperty,
        "Mute",
        "Let the mouth rest here: for a cough, a breath, another voice",
        update=live.changed,
    )
