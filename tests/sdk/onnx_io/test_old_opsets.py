"""Models of opsets before 7 are converted, with a note; what cannot be converted says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import enginewright as ew
from enginewright.errors import UnsupportedModel


def _model(node: onnx.NodeProto, shapes: dict[str, list[int]], opset: int = 6, **constants: Any) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in constants.items()]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes["x"])]
    graph = helper.make_graph([node], "old", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)


def _run(model: onnx.ModelProto, **inputs: Any) -> Any:
    plan = ew.build(model, ew.BuilderConfig(timing_cache="", level=0))
    assert any("version converter" in note for note in plan.report.notes)
    return ew.load(plan).run(inputs)["y"]


@pytest.mark.parametrize(
    ("axis", "shape"), [(1, [3]), (0, [2]), (0, [2, 3]), (-1, [4]), (1, [3, 4]), (2, [4]), (0, [])]
)
def test_broadcast_from_an_axis(axis: int, shape: list[int]) -> None:
    node = helper.make_node("Add", ["x", "b"], ["y"], broadcast=1, axis=axis)
    x, b = np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.ones(shape, np.float32).cumsum().reshape(shape)
    expected = x + b.astype(np.float32).reshape(*shape, *[1] * (3 - axis % 3 - len(shape)))
    np.testing.assert_array_equal(_run(_model(node, {"x": [2, 3, 4]}, b=b.astype(np.float32)), x=x), expected)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("rank", [2, 4])
def test_slopes_of_channels(size: int, rank: int) -> None:
    node = helper.make_node("PRelu", ["x", "slope"], ["y"])
    x = -np.arange(1, 1 + 6 * 2 ** (rank - 2), dtype=np.float32).reshape(2, 3, *[2] * (rank - 2))
    slope = np.arange(1, 1 + size, dtype=np.float32)
    expected = x * slope.reshape(-1, *[1] * (rank - 2))
    np.testing.assert_array_equal(_run(_model(node, {"x": list(x.shape)}, slope=slope), x=x), expected)


def test_new_models_have_no_note() -> None:
    model = _model(helper.make_node("Relu", ["x"], ["y"]), {"x": [2]}, opset=7)
    assert not ew.parse(model).notes


def test_what_cannot_be_converted() -> None:
    node = helper.make_node("Add", ["x", "b"], ["y"], broadcast=1, axis=0)
    model = _model(node, {"x": [2, 3], "b": [2]})
    del model.graph.input[1].type.tensor_type.shape.dim[:]
    model.graph.input[1].type.tensor_type.ClearField("shape")
    with pytest.raises(UnsupportedModel, match="onnx cannot convert the model") as caught:
        ew.parse(model)
    assert "opset 7 or newer" in caught.value.hint


def test_slopes_of_unknown_rank() -> None:
    model = _model(helper.make_node("PRelu", ["z", "x"], ["y"]), {"x": [3]})
    model.graph.node.insert(0, helper.make_node("NoSuchThing", ["x"], ["z"], domain="com.example"))
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(UnsupportedModel, match="ranks of the inputs of PRelu"):
        ew.parse(model)
