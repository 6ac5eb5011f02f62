# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics, as the field really computes them, and reports."""
