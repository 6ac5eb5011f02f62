# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio files and samples in, features out."""
