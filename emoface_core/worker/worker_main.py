# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a worker process is started with: `python -I worker_main.py --parent PID …`."""

import argparse
import importlib
import os
import sys
from pathlib import Path


def main() -> int:
    """Keep stdout for the protocol alone, find the packages, then serve."""
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever prints, prints to the log
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", default="")
    parser.add_argument("--library", action="append", default=[])
    options = parser.parse_args()
    # At the end: what this Python brings itself, such as Blender's NumPy, comes first.
    sys.path += options.library
    # Our own package is the one this file lies in, whatever else is installed; its neighbours in
    # that folder (an add-on's modules) are not to be found by anybody.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    importlib.import_module("emoface_core")
    del sys.path[0]

    from emoface_core.worker.server import serve

    with os.fdopen(answers, "wb", buffering=0) as out:
        return serve(
            out, options.parent, engine=options.engine, device=options.device, model=options.model
        )


if __name__ == "__main__":
    sys.exit(main())
