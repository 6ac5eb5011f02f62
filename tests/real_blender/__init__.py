# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests in the real Blender programs, on request: `python3 build.py test --real`."""
