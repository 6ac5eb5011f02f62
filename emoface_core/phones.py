# SPDX-License-Identifier: GPL-3.0-or-later
"""The phones that more than one part of the program must know by name."""

SILENCE = "sil"
BILABIALS = frozenset("pbm")  # the lips are shut
LABIODENTALS = frozenset("fv")  # the lower lip is at the upper teeth
