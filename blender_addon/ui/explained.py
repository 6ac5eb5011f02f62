# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons that say why they cannot be pressed, and what went wrong when they were."""

from bpy.types import Context

from emoface_core.errors import EmoFaceError


class Explained:
    """Mixin for operators: `require` raises what stands in the way, and the tooltip says it."""

    @classmethod
    def require(cls, context: Context) -> None:
        """Raise an EmoFaceError if the operator cannot run now."""

    @classmethod
    def disabled_reason(cls, context: Context) -> str:
        """Why it cannot run, and what to do; "" if it can."""
        try:
            cls.require(context)
        except EmoFaceError as error:
            return str(error)
        return ""

    @classmethod
    def poll(cls, context: Context) -> bool:
        """For Blender."""
        reason = cls.disabled_reason(context)
        if reason:
            cls.poll_message_set(reason)  # of Operator
        return not reason

    def refuse(self, error: EmoFaceError) -> set[str]:
        """Show what went wrong; what `execute` then returns."""
        self.report({"ERROR"}, str(error))  # of Operator
        return {"CANCELLED"}
