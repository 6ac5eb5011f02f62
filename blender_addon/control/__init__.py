# SPDX-License-Identifier: GPL-3.0-or-later
"""What the animator chooses, before the bake and after it, and what follows from it at once."""
