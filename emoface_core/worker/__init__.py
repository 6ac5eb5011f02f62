# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that does the heavy work, and the small client that other programs drive it with."""
