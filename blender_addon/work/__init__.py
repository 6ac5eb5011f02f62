# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine at work: its process, its environment, one animation, a queue of them."""
