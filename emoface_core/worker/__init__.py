# SPDX-License-Identifier: GPL-3.0-or-later
"""The process protocol between Blender and the engine."""
