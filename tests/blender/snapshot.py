# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in a .blend as plain values, to be compared datablock by datablock."""

import hashlib
from typing import Any

import bpy
import numpy as np

# What Blender keeps for itself, or what merely says how often a datablock is used.
_VOLATILE = {"rna_type", "users", "is_evaluated", "original", "session_uid", "tag", "preview"}
_VOLATILE |= {"is_runtime_data", "id_data", "library_weak_reference", "depsgraph", "view_layers"}
# Nodes and tools refer to each other without end.
_VOLATILE |= {"tool_settings", "interface", "links", "internal_links", "to_node", "from_node"}
_VOLATILE |= {"node"}
_MANY = 200  # a collection longer than this is compared by a digest of its numbers


def snapshot() -> dict[str, dict[str, Any]]:
    """Every datablock's properties: {"KEY Key": {path: value}}."""
    _read_all()  # the first look makes Blender unfold some of its own data, numbers too
    return _read_all()


def _read_all() -> dict[str, dict[str, Any]]:
    found = {}
    look = _Look()
    for collection in (bpy.data.objects, bpy.data.meshes, bpy.data.shape_keys, bpy.data.actions,
                       bpy.data.materials, bpy.data.scenes, bpy.data.armatures, bpy.data.sounds,
                       bpy.data.node_groups, bpy.data.collections):  # fmt: skip
        for block in collection:
            values: dict[str, Any] = {}
            look.walk(block, "", values, set())
            found[f"{block.rna_type.identifier} {block.name}"] = values
    return found


class _Look:
    """One look at everything, in which no type gets or loses properties."""

    def __init__(self) -> None:
        self._known: dict[type, list[tuple[str, str, bool]]] = {}

    def _properties(self, struct: Any) -> list[tuple[str, str, bool]]:
        """Name, type and whether it is an array, of what is compared."""
        kind = type(struct)
        if kind not in self._known:
            self._known[kind] = [
                (prop.identifier, prop.type, getattr(prop, "is_array", False))
                for prop in struct.bl_rna.properties
                if prop.identifier not in _VOLATILE
            ]
        return self._known[kind]

    def walk(self, struct: Any, path: str, values: dict[str, Any], seen: set) -> None:
        identity = (type(struct), struct.as_pointer())
        if identity in seen:  # some refer to themselves, or to each other
            return
        seen.add(identity)
        for name in list(struct.keys()) if isinstance(struct, bpy.types.ID) else []:
            value = struct[name]
            values[f'{path}["{name}"]'] = getattr(value, "to_dict", lambda v=value: repr(v))()
        for name, kind, is_array in self._properties(struct):
            here = f"{path}.{name}"
            try:
                value = getattr(struct, name)
            except (AttributeError, RuntimeError):
                continue
            if kind == "COLLECTION" and len(value) > _MANY:
                values[here] = (len(value), _digest(value))
            elif kind == "COLLECTION":
                for number, item in enumerate(value):
                    self.item(item, f"{here}[{number}]", values, seen)
            elif kind == "POINTER":
                self.item(value, here, values, seen)
            elif is_array:
                values[here] = [tuple(v) if hasattr(v, "__len__") else v for v in value]
            else:
                values[here] = value

    def item(self, item: Any, path: str, values: dict[str, Any], seen: set) -> None:
        if item is None:
            values[path] = None
        elif isinstance(item, bpy.types.ID):
            values[path] = f"-> {item.rna_type.identifier} {item.name}"
            if item.is_embedded_data:
                self.walk(item, path, values, seen)
        else:
            self.walk(item, path, values, seen)


def _digest(collection: Any) -> str:
    content = hashlib.sha256()
    for prop in collection[0].bl_rna.properties:
        if prop.type in {"INT", "FLOAT", "BOOLEAN"}:
            width = max(1, getattr(prop, "array_length", 1))
            kind = {"INT": np.int32, "FLOAT": np.float32, "BOOLEAN": bool}[prop.type]
            numbers = np.empty(len(collection) * width, kind)
            collection.foreach_get(prop.identifier, numbers)
            content.update(numbers.tobytes())
    return content.hexdigest()


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed, a line each."""
    lines = [f"{name} is gone" for name in before if name not in after]
    lines += [f"{name} is new" for name in after if name not in before]
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        lines += [
            f"{name}{path}: {old.get(path)!r} -> {new.get(path)!r}"
            for path in sorted(old.keys() | new.keys())
            if old.get(path) != new.get(path)
        ]
    return lines
