"""Import rules of the operators that move data: every form of every opset from 9 on gives what ONNX Runtime gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest

import enginewright as ew
from enginewright.errors import UnsupportedModel
from enginewright.tensors import DataType
from tests.sdk.ops.examples import run_node

Array = np.ndarray[Any, Any]
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@dataclass(frozen=True)
class Case:
    """One node: its opset, the first inputs fed, further ones as constants."""

    op_type: str
    opset: int
    fed: tuple[Array, ...] = (X,)
    constants: tuple[list[Any] | int, ...] = ()
    outputs: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.op_type}-{self.opset}"


def tensor(*numbers: float, dtype: Any = np.float32) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.array(numbers, dtype))


INDICES = np.array([[1, 0], [0, 1]], np.int64)
CASES = [
    Case("Shape", 9),
    Case("Shape", 15, attributes={"start": 1, "end": -1}),
    Case("Size", 9),
    Case("Reshape", 9, constants=([0, -1],)),
    Case("Reshape", 14, (np.zeros((0, 3), np.float32),), ([3, 0],), attributes={"allowzero": 1}),
    Case("Flatten", 9),
    Case("Flatten", 13, attributes={"axis": -1}),
    Case("Squeeze", 9, (X[:1, :, :1],), attributes={"axes": [0, 2]}),
    Case("Squeeze", 9, (X[:1, :, :1],)),
    Case("Squeeze", 13, (X[:1],), ([0],)),
    Case("Unsqueeze", 9, attributes={"axes": [0, 2]}),
    Case("Unsqueeze", 13, constants=([-1],)),
    Case("Identity", 9),
    Case("Transpose", 9),
    Case("Transpose", 13, attributes={"perm": [1, 2, 0]}),
    Case("Slice", 9, attributes={"starts": [1, -3], "ends": [2, 1000], "axes": [0, 2]}),
    Case("Slice", 9, attributes={"starts": [1, 1], "ends": [2, 3]}),
    Case("Slice", 10, constants=([-1], [-1000], [1], [-2])),
    Case("Concat", 9, (X, X), attributes={"axis": 1}),
    Case("Split", 9, outputs=2, attributes={"axis": 2}),
    Case("Split", 9, outputs=2, attributes={"axis": 2, "split": [1, 3]}),
    Case("Split", 13, constants=([1, 2],), outputs=2, attributes={"axis": 1}),
    Case("Split", 18, outputs=3, attributes={"axis": 2, "num_outputs": 3}),
    Case("Pad", 9, attributes={"pads": [0, 1, 0, 0, 0, 2], "value": 1.5}),
    Case("Pad", 9, attributes={"pads": [0, 1, 0, 0, 0, 2], "mode": "edge"}),
    Case("Pad", 11, constants=([0, 1, 1, 0, 0, 2],), attributes={"mode": "reflect"}),
    Case("Expand", 9, (X[:, :1],), ([1, 3, 1],)),
    Case("Tile", 9, constants=([2, 1, 3],)),
    Case("Gather", 9, (X, INDICES), attributes={"axis": 1}),
    Case("GatherElements", 11, (X[0, :2, :2], INDICES), attributes={"axis": 1}),
    Case("GatherND", 11, (X, INDICES)),
    Case("GatherND", 12, (X, INDICES), attributes={"batch_dims": 1}),
    Case("Scatter", 9, (X[0], INDICES, X[1, :2, :2]), attributes={"axis": 1}),
    Case("ScatterElements", 11, (X[0], INDICES, X[1, :2, :2])),
    Case("ScatterElements", 18, (X[0], INDICES, X[1, :2, :2]), attributes={"reduction": "max"}),
    Case("ScatterND", 11, (X[0], np.array([[2], [0]]), X[1, :2])),
    Case("ScatterND", 16, (X[0], np.array([[2], [2]]), X[1, :2]), attributes={"reduction": "add"}),
    Case("NonZero", 9, (X % 3,)),
    Case("Compress", 9, (X, np.array([True, False, True])), attributes={"axis": 1}),
    Case("Compress", 9, (X, np.array([True, False, True]))),
    Case("Unique", 11, (X % 5,), outputs=2),
    Case("Unique", 11, (X % 5,), outputs=4, attributes={"axis": 0, "sorted": 0}),
    Case("TopK", 9, outputs=2, attributes={"k": 2}),
    Case("TopK", 10, constants=([2],), outputs=2, attributes={"axis": 1}),
    Case("TopK", 11, constants=([2],), outputs=2, attributes={"largest": 0}),
    Case("OneHot", 9, (INDICES,), (3, [0, 7])),
    Case("OneHot", 11, (INDICES, np.array(3, np.float32), np.array([0, 7], np.float32)), attributes={"axis": 0}),
    Case("Range", 11, (np.array(2, np.int64), np.array(11, np.int64), np.array(4, np.int64))),
    Case("ConstantOfShape", 9, (), ([2, 3],)),
    Case("ConstantOfShape", 9, (), ([2, 3],), attributes={"value": tensor(7, dtype=np.int64)}),
    Case("Constant", 9, (), attributes={"value": tensor(1, 2, 3)}),
    Case("Constant", 12, (), attributes={"value_int": 3}),
    Case("Constant", 12, (), attributes={"value_ints": [3, 4]}),
    Case("Constant", 12, (), attributes={"value_float": 2.5}),
    Case("Constant", 12, (), attributes={"value_floats": [2.5, 0.25]}),
    Case("EyeLike", 9, (X[0],), attributes={"k": 1}),
    Case("EyeLike", 9, (X[0],), attributes={"dtype": int(DataType.INT64)}),
    Case("DepthToSpace", 9, (X.reshape(1, 4, 2, 3),), attributes={"blocksize": 2}),
    Case("DepthToSpace", 11, (X.reshape(1, 4, 2, 3),), attributes={"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", 9, (X.reshape(1, 1, 6, 4),), attributes={"blocksize": 2}),
    Case("Trilu", 14, attributes={"upper": 0}),
    Case("Trilu", 14, constants=(1,)),
    Case("ReverseSequence", 10, (X[0], np.array([1, 3, 2, 0]))),
    Case("CenterCropPad", 18, constants=([4, 2],), attributes={"axes": [1, 2]}),
    Case("Col2Im", 18, (X.reshape(1, 4, 6),), ([3, 4], [2, 2])),
    Case("Col2Im", 18, (X.reshape(1, 8, 3),), ([4, 5], [2, 2]), attributes={"strides": [3, 2], "pads": [0, 1, 0, 0]}),
    Case("Col2Im", 18, (X.reshape(1, 4, 6),), ([4, 4], [2, 2]), attributes={"dilations": [1, 2]}),
]


def feeds_of(case: Case) -> tuple[dict[str, Array], dict[str, Array]]:
    """The arrays fed and the constants, by input name."""
    fed = {f"x{number}": array for number, array in enumerate(case.fed)}
    return fed, {f"c{number}": np.array(numbers, np.int64) for number, numbers in enumerate(case.constants)}


def model_of(case: Case, node: onnx.NodeProto) -> onnx.ModelProto:
    fed, constants = feeds_of(case)
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [onnx.helper.make_tensor_value_info(name, int(DataType.of(array)), array.shape) for name, array in fed.items()],
        [onnx.helper.make_empty_tensor_value_info(name) for name in node.output],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", case.opset)], ir_version=8)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_form_is_imported(case: Case) -> None:
    fed, constants = feeds_of(case)
    outputs = [f"y{number}" for number in range(case.outputs)]
    node = onnx.helper.make_node(case.op_type, [*fed, *constants], outputs, **case.attributes)
    found = ew.load(ew.build(model_of(case, node))).run(fed)
    expected = run_node(node, fed | constants, case.opset)
    for name, array in zip(outputs, expected, strict=True):
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("op_type", "attributes", "reason"),
    [
        (
            "Constant",
            {"sparse_value": onnx.helper.make_sparse_tensor(tensor(1), tensor(0, dtype=np.int64), [3])},
            "sparse",
        ),
        ("Concat", {}, "axis"),
    ],
)
def test_form_is_refused(op_type: str, attributes: dict[str, Any], reason: str) -> None:
    case = Case(op_type, 13, () if op_type == "Constant" else (X,))
    node = onnx.helper.make_node(op_type, list(feeds_of(case)[0]), ["y"], **attributes)
    with pytest.raises((UnsupportedModel, ew.ModelInvalid), match=reason):
        ew.build(model_of(case, node))


@pytest.mark.parametrize(
    ("op_type", "fed", "attributes"),
    [
        ("ArrayFeatureExtractor", (X[0], np.array([2, 0], np.int64)), {}),
        ("ArrayFeatureExtractor", (X[0, 0], np.array([[2, 0]], np.int64)), {}),
        ("Binarizer", (X[0],), {"threshold": 5.0}),
    ],
)
def test_classical_operator_is_imported(op_type: str, fed: tuple[Array, ...], attributes: dict[str, Any]) -> None:
    case = Case(op_type, 13, fed)
    node = onnx.helper.make_node(op_type, list(feeds_of(case)[0]), ["y"], domain="ai.onnx.ml", **attributes)
    model = model_of(case, node)
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 1))
    found = ew.load(ew.build(model)).run(feeds_of(case)[0])["y"]
    expected = fed[0] > 5 if op_type == "Binarizer" else np.atleast_2d(fed[0])[:, fed[1].reshape(-1)]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
