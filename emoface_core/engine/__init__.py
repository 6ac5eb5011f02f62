# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a trained model over audio of any length."""
