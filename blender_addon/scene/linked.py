# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters from other files: a face of which only the mesh is made local.

A bake adds shape keys, which neither a linked mesh nor an override of one can get. The object can
stay a library override, with its rig, materials and modifiers; its mesh alone becomes this file's
own, which it stays when the file is saved and loaded.
"""

import bpy
from bpy.types import Object

from . import target


def needs_local_mesh(obj: Object | None) -> bool:
    """Whether a face is this file's own or an override, and only its mesh is not."""
    if obj is None or obj.type != "MESH" or obj.data is None or obj.library is not None:
        return False
    linked = obj.data.library is not None or obj.data.override_library is not None
    return linked and len(obj.data.vertices) == target.VERTICES


def make_mesh_local(obj: Object) -> None:
    """Give a face a mesh of this file's own, in the place of the linked one or its override."""
    mesh = obj.data
    if mesh.library is None:
        mesh.make_local(clear_liboverride=True)  # its users stay
        return
    obj.data = mesh.copy()
    obj.data.name = mesh.name


def forgets_choices(obj: Object) -> bool:
    """Whether Blender will not save what is chosen in the panel for a linked character.

    From 5.0 on, an override keeps no group of properties that its source file does not have.
    """
    override = obj.override_library
    if override is None or override.reference is None or bpy.app.version < (5, 0):
        return False
    reference = override.reference
    return not reference.is_property_set("emoface") or not all(
        reference.emoface.is_property_set(name) for name in _groups(obj)
    )


def settle_choices(obj: Object) -> None:
    """Make a face's file hold its choices even where they are the defaults: reading them does.

    Who links the character can then change them and keep the change. While a panel is drawn, 5.2
    makes no group that is not there, so looking at a panel is not enough.
    """
    if obj.library is None and obj.override_library is None and hasattr(obj, "emoface"):
        for name in _groups(obj):
            getattr(obj.emoface, name)


def _groups(obj: Object) -> list[str]:
    """The groups of choices within a face's choices."""
    pointers = [prop for prop in obj.emoface.bl_rna.properties if prop.type == "POINTER"]
    kinds = [(prop.identifier, prop.fixed_type.base) for prop in pointers]
    return [name for name, base in kinds if base and base.identifier == "PropertyGroup"]
