# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: which command it is, and what an error looks like.

Exit codes: 0 done; 2 bad input or options, or a full disk, with one line on stderr; 1 a fault of
ours, with a report; 130 interrupted.
"""

import importlib
import signal
import sys
from collections.abc import Sequence

from emoface_core import __version__
from emoface_core.errors import EmoFaceError, InputError
from emoface_core.faults import foreseen, write_report

# Each module has main(arguments) -> exit code, and is imported only when its command is given.
COMMANDS = {
    "animate": ("emoface_core.cli_animate", "a sound file to the motion of a face"),
    "evaluate": ("emoface_core.evaluation.cli", "compare a motion with the true one"),
    "free-run": ("emoface_core.model.free_running", "run a frame-by-frame model on a sound"),
    "train": ("emoface_core.training.trainer", "train a model by a configuration"),
    "ablations": ("emoface_core.training.ablations", "the paper's claims, tried on a corpus"),
    "corpus": ("emoface_core.training.corpus", "make and look at training data"),
    "datasets": ("emoface_core.training.datasets", "look at captured data; convert FLAME's model"),
    "doctor": ("emoface_core.cli_doctor", "what is here to run with, and what is missing"),
}


def usage() -> str:
    """What there is."""
    lines = [f"EmoFace {__version__}: emotional speech to the motion of a face.", ""]
    lines += [f"    python -m emoface_core {name:9} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([*lines, "", "Each command explains itself with --help."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Prints one line for bad input, never a traceback."""
    try:
        signal.signal(signal.SIGTERM, _terminate)  # so that temporary files are removed
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        _say("Interrupted. Nothing was written.")
        return 130
    except EmoFaceError as error:
        _say(str(error))
        return 2
    except Exception as error:  # the last resort, with a report
        known = foreseen(error)
        if known is not None:
            _say(str(known))
            return 2
        _say(f"A fault of ours ({type(error).__name__}). The report is in {write_report(error)}")
        return 1


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(__version__)
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise InputError(f"There is no command “{name}”.", f"Choose one of: {', '.join(COMMANDS)}.")
    module = COMMANDS[name][0]
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("emoface_core"):
            raise
        raise InputError(
            f"“{name}” needs the package “{error.name}”, which is not installed in this Python.",
            f"Install it: pip install {error.name}.",
        ) from None
    return command.main(rest)


def _say(line: str) -> None:
    print(" ".join(line.split()), file=sys.stderr)


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
