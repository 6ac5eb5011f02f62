# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a sound: the face's own, or a text datablock of the sound's name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.types import Object

from .strips import Heard


def with_texts(face: Object, sounds: Sequence[Heard]) -> tuple[Heard, ...]:
    """The sounds, each with the words that are spoken in it, as far as the file says.

    A face's own text is of the one sound that it speaks. Where it speaks several, or has none, a
    text datablock named as the strip or file, with or without endings, holds the words.
    """
    return tuple(replace(heard, text=_text(face, heard, len(sounds) == 1)) for heard in sounds)


def _text(face: Object, heard: Heard, alone: bool) -> str:
    own = own_text(face) if alone else ""
    if own.strip() or heard.text.strip():
        return heard.text if heard.text.strip() else own
    name = Path(heard.label).stem
    for wanted in (heard.label, f"{heard.label}.txt", name, f"{name}.txt"):
        block = bpy.data.texts.get(wanted)
        if block is not None:
            return block.as_string()
    return ""


def own_text(face: Object) -> str:
    """What the face's text datablock holds, or what was typed."""
    block = face.emoface.text_block
    return face.emoface.text if block is None else block.as_string()
