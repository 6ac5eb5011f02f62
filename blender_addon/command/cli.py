# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking without a window: `blender --command emoface bake …`, and the work behind bake.py."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from emoface_core.errors import InputError

from ..work.session import session
from .baking import choices_known, say
from .groups import Group, groups_of
from .jobs import parse_part
from .options import engine_of, jobs_of, parser
from .results import Result

DONE, FAULT, BAD_INPUT = 0, 1, 2

_registered: list[Any] = []  # the command, while the add-on is on


def main(arguments: Sequence[str]) -> int:
    """Run `bake` and return the exit code: 0 done, 2 bad input, 1 a fault of ours."""
    try:
        options = parser().parse_args(list(arguments))
        listed = groups_of(jobs_of(options))
        part, count = parse_part(options.part or "1/1")
        engine = engine_of(options)
    except InputError as error:
        say(f"emoface: {error}")
        return BAD_INPUT
    except SystemExit as end:  # --help
        return int(end.code or 0)
    folder = Path(options.results) if options.results else None
    total = sum(len(group) for group in listed)
    try:
        with choices_known():
            results = [
                result
                for group in listed[part - 1 :: count]
                for result in Group(group, total, engine, folder, options.again).run()
            ]
    finally:
        session.close()
    codes = {_exit_code(result) for result in results}
    return FAULT if FAULT in codes else max(codes, default=DONE)


def _exit_code(result: Result) -> int:
    if result.state == "done":
        return DONE
    return BAD_INPUT if result.code in {"bad_input", "no_engine"} else FAULT


def command(arguments: list[str]) -> int:
    """`blender --command emoface …`."""
    if not arguments or arguments[0] != "bake":
        say("emoface: Say what to do: blender --command emoface bake --help")
        return BAD_INPUT
    return main(arguments[1:])


def register() -> None:
    """Add the command."""
    _registered.append(bpy.utils.register_cli_command("emoface", command))


def unregister() -> None:
    """Take it away."""
    while _registered:
        bpy.utils.unregister_cli_command(_registered.pop())
