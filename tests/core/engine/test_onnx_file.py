# SPDX-License-Identifier: GPL-3.0-or-later
"""A model file may hold neither paths to other files nor operators that want a library."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from emoface_core.engine.onnx_file import check_onnx
from emoface_core.errors import InputError


def _model(node: onnx.NodeProto, *, external: bool = False, domain: str = "") -> bytes:
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        entry = weight.external_data.add()
        entry.key, entry.value = "location", "../../etc/passwd"
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])
    graph = helper.make_graph([node], "g", [info], [info], [weight])
    opsets = [helper.make_opsetid("", 17)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets).SerializeToString()


def test_the_bundled_kind_of_file_passes(tiny_model: Path) -> None:
    check_onnx((tiny_model / "model.onnx").read_bytes(), "model.onnx")


def test_external_weights_are_refused() -> None:
    data = _model(helper.make_node("Add", ["x", "w"], ["y"]), external=True)
    with pytest.raises(InputError, match="other files"):
        check_onnx(data, "m")


def test_external_weights_within_a_nodes_subgraph_are_refused() -> None:
    inner = onnx.load_from_string(
        _model(helper.make_node("Add", ["x", "w"], ["y"]), external=True)
    ).graph
    outer = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    with pytest.raises(InputError, match="other files"):
        check_onnx(_model(outer), "m")


@pytest.mark.parametrize("where", ["node", "opset"])
def test_operators_of_others_are_refused(where: str) -> None:
    domain = "evil.example"
    node = helper.make_node("Add", ["x", "w"], ["y"], domain=domain if where == "node" else "")
    with pytest.raises(InputError, match="evil.example"):
        check_onnx(_model(node, domain=domain if where == "opset" else ""), "m")


@given(cut=st.integers(1, 300), noise=st.binary(min_size=1, max_size=80))
def test_damaged_files_are_a_sentence(cut: int, noise: bytes) -> None:
    data = _model(helper.make_node("Add", ["x", "w"], ["y"]))
    for broken in (data[: len(data) - cut % len(data)], noise, data[:20] + noise + data[20:]):
        try:
            check_onnx(broken, "m")
        except InputError as error:
            assert str(error)
