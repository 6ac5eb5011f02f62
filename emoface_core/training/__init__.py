# SPDX-License-Identifier: GPL-3.0-or-later
"""Teachers, corpus, data sets and the self-growing trainer."""
