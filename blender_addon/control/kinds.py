# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of property that a face has: their names, ranges, and what happens when they change."""

from collections.abc import Callable
from typing import Any

from bpy.props import EnumProperty, FloatProperty, IntProperty

from emoface_core.emotions import AUTO, EMOTIONS, MAX_INTENSITY

from ..curves.timing import MOST_FRAMES
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


def chosen(kind: Callable[..., Any], name: str, description: str, **more: Any) -> Any:
    """A choice for a face: it is not keyed, and a library override keeps it."""
    return kind(name=name, description=description, options=set(), override=KEPT, **more)


def factor(name: str, description: str, *, high: float = 1.0, **more: Any) -> Any:
    """A share of something, as a slider from 0."""
    return chosen(FloatProperty, name, description, min=0.0, max=high, subtype="FACTOR", **more)


def heard(kind: Callable[..., Any], name: str, description: str) -> Any:
    """What a bake says and nobody changes."""
    return kind(name=name, description=description, options={"HIDDEN"}, override=KEPT)


def strength(name: str, description: str) -> Any:
    """How much of what was made shows, live on the face."""
    return factor(
        name,
        f"{description}. 1 is as made, 0 none",
        high=2.0,
        default=1.0,
        step=5,
        update=live.changed,
    )


def smoothing(name: str, description: str, longest: float) -> Any:
    """Over how many seconds a motion is evened out, live on the face."""
    return chosen(
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


def emotion(name: str, description: str, default: str, *first: Item, **more: Any) -> Any:
    """One of the eight or the voice's own, or what is `first` in the list."""
    items = (*first, *EMOTION_ITEMS)
    return chosen(EnumProperty, name, description, items=items, default=default, **more)


def intensity(description: str, **more: Any) -> Any:
    """How strong an emotion is."""
    return chosen(
        FloatProperty,
        "Intensity",
        description,
        min=0.0,
        max=MAX_INTENSITY,
        default=1.0,
        step=5,
        **more,
    )


def frames(name: str, description: str) -> Any:
    """A length on the timeline."""
    return chosen(IntProperty, name, description, min=0, max=MOST_FRAMES, soft_max=500, default=0)


def ease(description: str, default: int, usual: int, **more: Any) -> Any:
    """In how many frames a change comes in; `usual` is as far as the slider goes."""
    return chosen(
        IntProperty,
        "Ease",
        description,
        min=0,
        max=10000,
        soft_max=usual,
        default=default,
        **more,
    )
