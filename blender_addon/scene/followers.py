# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that follow our head however it is moved: its teeth by the jaw, its brows on the skin.

Geometry nodes read the head as its shape keys show it and apply a fixed linear map, so what is
baked, keyed or posed by hand moves them alike, and nothing needs to be written at a bake. Which
head that is stands in the modifier: where head and parts are duplicated together, the copies share
the node group, and Blender points each copy's modifier at the copied head. Parts in older files
have a group of their own that names the head; they go on following it as they did.
"""

import bpy
import numpy as np
from bpy.types import Context, Mesh, NodeTree, Object
from numpy.typing import NDArray

from emoface_core.face.head import Head

from .. import compat

_JAW = "emoface_jaw"  # attributes of the probe and of the mouth
_CORNERS = ("emoface_a", "emoface_b", "emoface_c")  # attributes of the brows
_WEIGHTS, _LIFT = "emoface_weights", "emoface_lift"


class _Nodes:
    """Builds a geometry node tree; sockets are what its methods take and give."""

    def __init__(self, name: str) -> None:
        self.tree: NodeTree = bpy.data.node_groups.new(name, "GeometryNodeTree")
        for direction in ("INPUT", "OUTPUT"):
            self.tree.interface.new_socket(
                "Geometry", in_out=direction, socket_type="NodeSocketGeometry"
            )
        self.input = self.add("NodeGroupInput")
        self.geometry = self.input.outputs[0]
        self.objects: dict[str, Object] = {}  # what the modifier is to have, by the socket's key

    def add(self, kind: str, **settings: object) -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        count = len(self.tree.nodes) - 1
        node.location = (200 * (count % 12), -220 * (count // 12))
        return node

    def link(self, source: bpy.types.NodeSocket, target: bpy.types.NodeSocket) -> None:
        self.tree.links.new(source, target)

    def object(self, name: str, obj: Object) -> bpy.types.NodeSocket:
        """The geometry, in its own space, of an object that the modifier has under a name."""
        key = self.tree.interface.new_socket(
            name, in_out="INPUT", socket_type="NodeSocketObject"
        ).identifier
        self.objects[key] = obj
        node = self.add("GeometryNodeObjectInfo", transform_space="ORIGINAL")
        self.link(self.input.outputs[name], node.inputs["Object"])
        return node.outputs["Geometry"]

    def attribute(self, name: str, kind: str) -> bpy.types.NodeSocket:
        node = self.add("GeometryNodeInputNamedAttribute", data_type=kind)
        node.inputs["Name"].default_value = name
        return node.outputs["Attribute"]

    def position(self) -> bpy.types.NodeSocket:
        return self.add("GeometryNodeInputPosition").outputs[0]

    def vector(self, operation: str, *inputs: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        node = self.add("ShaderNodeVectorMath", operation=operation)
        for source, target in zip(inputs, node.inputs, strict=False):
            self.link(source, target)
        return node.outputs["Value" if operation == "DOT_PRODUCT" else "Vector"]

    def scale(
        self, vector: bpy.types.NodeSocket, factor: bpy.types.NodeSocket
    ) -> bpy.types.NodeSocket:
        node = self.add("ShaderNodeVectorMath", operation="SCALE")
        self.link(vector, node.inputs["Vector"])
        self.link(factor, node.inputs["Scale"])
        return node.outputs["Vector"]

    def combine(self, *xyz: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        node = self.add("ShaderNodeCombineXYZ")
        for source, target in zip(xyz, node.inputs, strict=True):
            self.link(source, target)
        return node.outputs[0]

    def separate(self, vector: bpy.types.NodeSocket) -> list[bpy.types.NodeSocket]:
        node = self.add("ShaderNodeSeparateXYZ")
        self.link(vector, node.inputs[0])
        return list(node.outputs)

    def sample_position(
        self, geometry: bpy.types.NodeSocket, index: bpy.types.NodeSocket
    ) -> bpy.types.NodeSocket:
        """Where a vertex of another geometry is."""
        node = self.add("GeometryNodeSampleIndex", data_type="FLOAT_VECTOR", domain="POINT")
        self.link(geometry, node.inputs["Geometry"])
        self.link(self.position(), node.inputs["Value"])
        self.link(index, node.inputs["Index"])
        return node.outputs["Value"]

    def sum(
        self, geometry: bpy.types.NodeSocket, vector: bpy.types.NodeSocket
    ) -> bpy.types.NodeSocket:
        """Of a vector over all points."""
        node = self.add("GeometryNodeAttributeStatistic", data_type="FLOAT_VECTOR", domain="POINT")
        self.link(geometry, node.inputs["Geometry"])
        self.link(vector, next(s for s in node.inputs if s.name == "Attribute" and s.enabled))
        return next(s for s in node.outputs if s.name == "Sum" and s.enabled)

    def finish(self, obj: Object, **position: bpy.types.NodeSocket) -> None:
        """Set the points by `Position` or `Offset`, and put the tree on an object."""
        node = self.add("GeometryNodeSetPosition")
        self.link(self.geometry, node.inputs["Geometry"])
        for name, source in position.items():
            self.link(source, node.inputs[name])
        self.link(node.outputs[0], self.add("NodeGroupOutput").inputs[0])
        modifier = obj.modifiers.new("EmoFace", "NODES")
        modifier.node_group = self.tree
        for key, found in self.objects.items():
            compat.set_node_input(modifier, key, found)


def follow_jaw(
    context: Context,
    head: Head,
    face: Object,
    mouth: Object,
    turn: NDArray[np.float32],
    unit: float,
) -> None:
    """Make `mouth` follow the jaw of `face`, as `head.teeth.follow` does.

    Both lie in the head's frame turned by `turn` (3, 3) and scaled by `unit`.
    """
    teeth = head.teeth
    _set_attribute(mouth.data, _JAW, "FLOAT", teeth.jaw_weight)
    probe_mesh = bpy.data.meshes.new(f"{face.name} Jaw")
    points = head.vertices[teeth.jaw_ids] @ turn.T * unit
    probe_mesh.from_pydata(points.tolist(), [], [])
    _set_attribute(probe_mesh, _JAW, "INT", teeth.jaw_ids)
    # motion[row, column] = sum over the probe of map . offset; both ends are turned and scaled.
    jaw_map = teeth.jaw_map.reshape(3, 4, len(teeth.jaw_ids), 3)
    linear = np.einsum("ia,kb,abjm,nm->ikjn", turn, turn, jaw_map[:, :3], turn) / unit
    shift = np.einsum("ia,ajm,nm->ijn", turn, jaw_map[:, 3], turn)
    columns = np.concatenate([linear, shift[:, None]], axis=1)  # (row, column, J, 3)
    # One vector sum gives three rows of a column, if each axis has an attribute of its own.
    for column in range(4):
        for axis in range(3):
            name = f"{_JAW}_{column}{axis}"
            _set_attribute(probe_mesh, name, "FLOAT_VECTOR", columns[:, column, :, axis].T)
    probe = bpy.data.objects.new(f"{face.name} Jaw", probe_mesh)
    context.collection.objects.link(probe)
    probe.parent = face
    probe.hide_select = probe.hide_render = probe.hide_viewport = True  # also where it is linked

    nodes = _Nodes("EmoFace Jaw")
    probe_geometry, face_geometry = nodes.object("Jaw", probe), nodes.object("Face", face)
    seen = nodes.sample_position(face_geometry, nodes.attribute(_JAW, "INT"))
    moved = nodes.separate(nodes.vector("SUBTRACT", seen, nodes.position()))
    sums = []
    for column in range(4):
        x, y, z = (
            nodes.scale(nodes.attribute(f"{_JAW}_{column}{axis}", "FLOAT_VECTOR"), moved[axis])
            for axis in range(3)
        )
        whole = nodes.vector("ADD", nodes.vector("ADD", x, y), z)
        sums.append(nodes.sum(probe_geometry, whole))
    place = nodes.separate(nodes.position())
    x, y, z = (nodes.scale(sums[column], place[column]) for column in range(3))
    offset = nodes.vector("ADD", nodes.vector("ADD", x, y), nodes.vector("ADD", z, sums[3]))
    nodes.finish(mouth, Offset=nodes.scale(offset, nodes.attribute(_JAW, "FLOAT")))


def follow_skin(
    face: Object,
    brows: Object,
    corners: NDArray[np.int32],
    weights: NDArray[np.float32],
    lift: NDArray[np.float32],
) -> None:
    """Make each point of `brows` stay on a triangle of `face`.

    `corners` (B, 3) vertices of the face, `weights` (B, 3) of them, `lift` (B, 3) added to it.
    """
    for axis, name in enumerate(_CORNERS):
        _set_attribute(brows.data, name, "INT", corners[:, axis])
    _set_attribute(brows.data, _WEIGHTS, "FLOAT_VECTOR", weights)
    _set_attribute(brows.data, _LIFT, "FLOAT_VECTOR", lift)
    nodes = _Nodes("EmoFace Brows")
    geometry = nodes.object("Face", face)
    shares = nodes.separate(nodes.attribute(_WEIGHTS, "FLOAT_VECTOR"))
    total = nodes.attribute(_LIFT, "FLOAT_VECTOR")
    for name, share in zip(_CORNERS, shares, strict=True):
        corner = nodes.sample_position(geometry, nodes.attribute(name, "INT"))
        total = nodes.vector("ADD", total, nodes.scale(corner, share))
    nodes.finish(brows, Position=total)


_FIELDS = {"FLOAT": "value", "INT": "value", "FLOAT_VECTOR": "vector"}


def _set_attribute(mesh: Mesh, name: str, kind: str, values: NDArray) -> None:
    attribute = mesh.attributes.new(name, kind, "POINT")
    flat = np.ascontiguousarray(values, np.int32 if kind == "INT" else np.float32).ravel()
    attribute.data.foreach_set(_FIELDS[kind], flat)
