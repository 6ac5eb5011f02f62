# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file holds: faces, heads, linked characters, sounds, and who speaks which."""
