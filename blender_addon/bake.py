# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender -b FILE.blend -P bake.py -- --audio A.wav --object HEAD --save OUT.blend`.

From a checkout or from the installed extension; `--help` lists the options.
"""

import importlib
import os
import sys
from pathlib import Path

import bpy

HERE = Path(__file__).resolve().parent


def command_line() -> list[str]:
    """What stands after `--`, or all of it where Blender is a Python module."""
    if "--" in sys.argv:
        return sys.argv[sys.argv.index("--") + 1 :]
    return sys.argv[1:] if Path(sys.argv[0]).name == Path(__file__).name else []


def main() -> int:
    """Find the package that this file belongs to, and hand over."""
    if (HERE.parent / "emoface_core").is_dir():  # a checkout
        sys.path.insert(0, str(HERE.parent))
        package = HERE.name
    else:
        package = f"bl_ext.{HERE.parent.name}.{HERE.name}"
    return importlib.import_module(f"{package}.command.cli").main(command_line())


if __name__ == "__main__":
    code = main()
    if not bpy.app.binary_path and bpy.app.version < (4, 3):
        # Blender 4.2 as a Python module crashes when it is torn down after an add-on was in it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
