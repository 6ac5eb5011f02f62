# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m emoface_core`."""

import sys

from emoface_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
