# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that a person is meant to read: one sentence, and what to do about it."""


class EmoFaceError(Exception):
    """Something went wrong that can be said in one sentence.

    `hint` says what to do; `code` is stable and names the kind of failure to programs.
    """

    code = "failed"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(EmoFaceError):
    """The caller's input or options are at fault; the command line exits with 2."""

    code = "bad_input"


class Cancelled(EmoFaceError):
    """The work was stopped because somebody asked for it."""

    code = "cancelled"
