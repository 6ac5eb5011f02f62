# SPDX-License-Identifier: GPL-3.0-or-later
"""EmoFace in PyTorch (Lin et al., arXiv 2408.11518)."""
