# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking without a window: a command line, lists of jobs, their results."""
