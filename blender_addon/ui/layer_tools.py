# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on what a bake left: styles reset, curves thinned, all made the artist's own."""

from typing import ClassVar

from bpy.props import EnumProperty, FloatProperty
from bpy.types import Context, Object, Operator

from emoface_core.errors import InputError

from ..control import live
from ..control.properties import baked_face, usable_face
from ..layers import edits, flatten, hosts, writer
from .explained import Explained

_GROUPS = (
    ("speech_style", "Speech Style", "Speak as heard"),
    ("regions", "Regions", "The same emotion everywhere, as strong as made"),
)


def _baked(context: Context) -> Object:
    usable_face(context)
    return baked_face(context)


class EMOFACE_OT_reset_style(Explained, Operator):
    """Set these controls back, so that the face moves as the engine made it"""

    bl_idname = "emoface.reset_style"
    bl_label = "Reset"
    bl_options: ClassVar = {"UNDO"}

    group: EnumProperty(name="Controls", items=_GROUPS, options={"SKIP_SAVE"})

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a face."""
        usable_face(context)

    def execute(self, context: Context) -> set[str]:
        """Set them back, and the face with them."""
        face = usable_face(context)
        group = getattr(face.emoface, self.group)
        with live.together(face):
            for prop in group.bl_rna.properties:
                if not prop.is_readonly and prop.identifier != "name":
                    group.property_unset(prop.identifier)
            if self.group == "regions":
                face.emoface.property_unset("mouth_emotion")
        return {"FINISHED"}


class EMOFACE_OT_move_bake(Explained, Operator):
    """Let the animation play where Bake Into says. Nothing of yours is changed"""

    bl_idname = "emoface.move_bake"
    bl_label = "Move It There"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a bake, and room for it."""
        if said := live.why_not_moved(_baked(context)):
            raise InputError(said)

    def execute(self, context: Context) -> set[str]:
        """Move it."""
        face = _baked(context)
        hosts.move(face, face.emoface.into)
        return {"FINISHED"}


class EMOFACE_OT_thin_curves(Explained, Operator):
    """Leave only the key frames that the motion needs, for editing by hand. Any change of emotion or style, and a new bake, bring all of them back"""  # noqa: E501  # one tooltip

    bl_idname = "emoface.thin_curves"
    bl_label = "Thin Curves"
    bl_options: ClassVar = {"REGISTER", "UNDO"}

    tolerance: FloatProperty(
        name="Error",
        description="How far any point of the face may move from where it is, in millimetres",
        min=0.01,
        max=5.0,
        default=0.2,
        step=5,
        precision=2,
    )

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a bake."""
        _baked(context)

    def execute(self, context: Context) -> set[str]:
        """Thin them, and say what is left."""
        face = _baked(context)
        noted = edits.noted(face.data.shape_keys)
        live.apply(face)  # what was thinned before is whole again
        before, after, error = writer.thin(face, self.tolerance)
        said = f"{after:,} of {before:,} key frames stay; the error is {error:.2f} mm."
        self.report({"INFO"}, f"{said} {edits.kept_since(face.data.shape_keys, noted)}".strip())
        return {"FINISHED"}


class EMOFACE_OT_to_plain_keys(Explained, Operator):
    """Make the animation an ordinary one of yours: shape keys with curves, no drivers, no intensity. EmoFace then neither changes nor removes it"""  # noqa: E501  # one tooltip

    bl_idname = "emoface.to_plain_keys"
    bl_label = "Bake to Plain Keys"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a bake."""
        baked_face(context)

    def execute(self, context: Context) -> set[str]:
        """Flatten it."""
        face = baked_face(context)
        count = flatten.to_plain_keys(face, context.scene)
        self.report({"INFO"}, f"{count} shape keys of “{face.name}” are yours now")
        return {"FINISHED"}


class EMOFACE_OT_dismiss_kept(Explained, Operator):
    """Hide the message. The Actions stay"""

    bl_idname = "emoface.dismiss_kept"
    bl_label = "Dismiss"
    bl_options: ClassVar = {"UNDO"}

    @classmethod
    def require(cls, context: Context) -> None:
        """There must be a bake."""
        _baked(context)

    def execute(self, context: Context) -> set[str]:
        """Forget which they are."""
        edits.note(_baked(context).data.shape_keys, [])
        return {"FINISHED"}


CLASSES = (
    EMOFACE_OT_reset_style,
    EMOFACE_OT_move_bake,
    EMOFACE_OT_thin_curves,
    EMOFACE_OT_to_plain_keys,
    EMOFACE_OT_dismiss_kept,
)
