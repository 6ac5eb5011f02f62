# SPDX-License-Identifier: GPL-3.0-or-later
"""What a face does over time, as numbers: nothing here knows Blender."""
