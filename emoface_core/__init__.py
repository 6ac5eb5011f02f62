# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech in, vertex offsets of an emotional FLAME-topology face out; knows nothing of Blender."""

__version__ = "0.1.0"
