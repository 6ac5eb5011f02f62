# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on as Blender knows it: its name, its own folder, its preferences."""

from pathlib import Path

import bpy
from bpy.types import AddonPreferences

NAME = __package__  # bl_ext.<repository>.emoface; blender_addon in a checkout


def own_folder(name: str) -> Path | None:
    """A folder that Blender keeps for an installed extension, made if missing; else None."""
    if not NAME.startswith("bl_ext."):
        return None
    return Path(bpy.utils.extension_path_user(NAME, path=name, create=True))


def preferences() -> AddonPreferences | None:
    """The add-on's own; None in a checkout where it is not turned on."""
    addon = bpy.context.preferences.addons.get(NAME)
    return addon.preferences if addon is not None else None
