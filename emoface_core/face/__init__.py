# SPDX-License-Identifier: GPL-3.0-or-later
"""The FLAME-topology face: mesh, rig, regions, registration and measures."""
