# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of words on a face: filled by a bake, changed by the animator, turned into accents."""

from bpy.types import Object

from emoface_core.layers import BakeLayers

from ..curves.cues import Accent
from ..curves.timing import Clip
from ..curves.words import Word, accent_of, carried, words_of
from ..layers import hosts, ownership


def words_on(obj: Object) -> list[Word]:
    """The words that a face's list holds."""
    return [
        Word(item.text, item.phones, item.first, item.last, item.fit, item.strength, item.mute)
        for item in obj.emoface.words
    ]


def accents_on(obj: Object) -> tuple[Accent, ...]:
    """An accent for each word that something was chosen for."""
    record = ownership.record_of(obj)
    if record is None:
        return ()
    moved = moved_by(obj)
    return tuple(accent_of(word, record.fps, moved) for word in words_on(obj) if word.changed)


def moved_by(obj: Object) -> float:
    """Frames by which the bake, and its words with it, was moved on the timeline."""
    return hosts.offset(obj.data.shape_keys) if obj.data.shape_keys is not None else 0.0


def keep(obj: Object, layers: BakeLayers, clip: Clip) -> None:
    """List what a new bake heard; what was chosen for words of the bake before is kept."""
    new = words_of(layers, clip)
    chosen = carried(words_on(obj), new)
    listed = obj.emoface.words
    listed.clear()
    for word, (strength, mute) in zip(new, chosen, strict=True):
        item = listed.add()
        item.text, item.phones, item.fit = word.text, word.phones, word.fit
        item.first, item.last = word.first, word.last
        item.strength, item.mute = strength, mute
    obj.emoface.property_unset("active_word")  # setting it would take the animator to the word


def forget(obj: Object) -> None:
    """The bake was removed: the list goes, but for what was chosen, which the next bake takes."""
    listed = obj.emoface.words
    for number in reversed(range(len(listed))):
        if not (listed[number].mute or listed[number].strength != 1.0):
            listed.remove(number)
    obj.emoface.property_unset("active_word")
    if not listed:
        obj.emoface.property_unset("words")
