# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bake leaves on a face's shape keys: written, recognised as ours, restyled, handed over."""
