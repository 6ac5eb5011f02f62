# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user chooses: the face, and for each face its sound and emotion."""

# No `from __future__ import annotations` here: Blender reads the annotations themselves.

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import Context, Object, PropertyGroup, Scene

from emoface_core.emotions import AUTO, EMOTIONS, MAX_INTENSITY

from . import ownership, strips, writer

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


def _is_mesh(_self: PropertyGroup, obj: Object) -> bool:
    return obj.type == "MESH"


def _search_strips(_self: PropertyGroup, context: Context, text: str) -> list[str]:
    return [name for name in strips.strip_names(context) if text.lower() in name.lower()]


def _remix(choices: PropertyGroup, _context: Context) -> None:
    obj = choices.id_data
    if ownership.record_of(obj) is not None and obj.data.library is None:
        writer.remix(obj, choices.emotion, choices.wanted_preference())


class EmoFaceChoices(PropertyGroup):
    """A face's sound and emotion."""

    source: EnumProperty(
        name="Sound",
        description="Where the voice comes from",
        items=(
            ("STRIP", "Sequencer", "A sound strip of the Video Sequencer, as it is trimmed there"),
            ("FILE", "File", "A sound file on disk"),
        ),
    )
    strip: StringProperty(
        name="Strip",
        description="The sound strip that is spoken. Empty: the active one, or the only one",
        search=_search_strips,
        options=set(),
        search_options={"SORT"},
    )
    file: StringProperty(
        name="File",
        description="The sound file that is spoken: wav, flac, ogg or mp3",
        subtype="FILE_PATH",
        options=set(),
    )
    first_frame: IntProperty(
        name="Start",
        description="The frame at which the sound file begins",
        default=1,
        options=set(),
    )
    emotion: EnumProperty(
        name="Emotion",
        description="What the face feels. After a bake it can still be changed, at once",
        items=EMOTION_ITEMS,
        default=AUTO,
        options=set(),
        update=_remix,
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
        update=_remix,
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


CLASSES = (EmoFaceChoices, EmoFaceScene)


def register() -> None:
    """Add the properties to Blender's types."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    Scene.emoface = PointerProperty(type=EmoFaceScene)
    Object.emoface = PointerProperty(type=EmoFaceChoices)


def unregister() -> None:
    """Take them away."""
    del Object.emoface
    del Scene.emoface
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
