# SPDX-License-Identifier: GPL-3.0-or-later
"""The head, its rig and the trained model; each has a card that says how it was made."""
