"""Tests of LabelEncoder and CategoryMapper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import enginewright as ew
from enginewright.errors import DataTypeError, ModelInvalid, ShapeError
from enginewright.ops.label_encoder import LabelEncoder
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int64, string
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of

EXAMPLES = list(examples_of(LabelEncoder))


def run(node: Any, x: Any, version: int) -> Any:
    """Import, build and run one node."""
    kind = TensorProto.STRING if x.dtype == object else helper.np_dtype_to_tensor_dtype(x.dtype)
    info = helper.make_tensor_value_info("x", kind, x.shape)
    graph = helper.make_graph([node], "g", [info], [helper.make_empty_tensor_value_info("y")])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", version)]
    with ew.load(
        ew.build(helper.make_model(graph, opset_imports=opsets), ew.BuilderConfig(level=1, timing_cache=""))
    ) as e:
        return e.run({"x": x})["y"]


def node(kind: str, **attributes: Any) -> Any:
    return helper.make_node(kind, ["x"], ["y"], domain="ai.onnx.ml", **attributes)


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def test_references_by_hand() -> None:
    found = [op.reference(*inputs).tolist() for op, inputs in LabelEncoder.examples()]
    assert found == [[[8, -1], [7, 8]], ["b", "?", "a"], [8, 7, 0], []]


NAMES = np.array(["b", "x", "a"], object)


def test_lists_and_their_defaults() -> None:
    made = node("LabelEncoder", keys_strings=["a", "b"], values_floats=[0.5, 1.5])
    assert run(made, NAMES, 2).tolist() == [1.5, 0, 0.5]
    made = node("LabelEncoder", keys_int64s=[1, 2], values_strings=["one", "two"])
    assert run(made, np.array([2, 3]), 2).tolist() == ["two", "_Unused"]
    made = node("LabelEncoder", keys_floats=[1.0, float("nan")], values_int64s=[1, 2], default_int64=9)
    assert run(made, np.array([np.nan, 1, 0], np.float32), 2).tolist() == [2, 1, 9]


def test_tensors() -> None:
    keys, values = (numpy_helper.from_array(np.array(items, np.int32)) for items in ([5, 6], [50, 60]))
    made = node("LabelEncoder", keys_tensor=keys, values_tensor=values)
    found = run(made, np.array([6, 7], np.int32), 4)
    assert found.dtype == np.int32
    assert found.tolist() == [60, 0]


def test_first_version_and_category_mapper() -> None:
    made = node("LabelEncoder", classes_strings=["a", "b"])
    assert run(made, NAMES, 1).tolist() == [1, -1, 0]
    assert run(made, np.array([1, 2]), 1).tolist() == ["b", "_Unused"]
    made = node("CategoryMapper", cats_strings=["a", "b"], cats_int64s=[10, 20], default_string="none", default_int64=3)
    assert run(made, NAMES, 1).tolist() == [20, 3, 10]
    assert run(made, np.array([20, 2]), 1).tolist() == ["b", "none"]


def test_what_is_refused() -> None:
    x, keys, values = TensorSpec(string, (3,)), TensorSpec(string, (2,)), TensorSpec(int64, (2,))
    with pytest.raises(DataTypeError):
        LabelEncoder().infer(x, values, values, TensorSpec(int64, (1,)))
    with pytest.raises(DataTypeError):
        LabelEncoder().infer(x, keys, values, TensorSpec(float32, (1,)))
    with pytest.raises(ShapeError):
        LabelEncoder().infer(x, keys, values, TensorSpec(int64, (2,)))
    with pytest.raises(ModelInvalid, match="string and int64|int64 and string"):
        run(node("LabelEncoder", keys_strings=["a"], values_int64s=[1]), np.array([1]), 2)
    with pytest.raises(ModelInvalid, match="it has no keys"):
        run(node("LabelEncoder", values_int64s=[1]), NAMES, 2)
