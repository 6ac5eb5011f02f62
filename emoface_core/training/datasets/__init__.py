# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured speech to learn from: VOCASET, 3D-RAVDESS, 3DMEAD, ARKit curves, one's own folders."""

from emoface_core.training.datasets.cli import main

__all__ = ["main"]
