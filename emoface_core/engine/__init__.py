# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a trained model: sound in, motion out. Needs neither training code nor PyTorch."""
