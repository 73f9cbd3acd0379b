"""The graph digest is frozen for the major: pinned values, and what it depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import enginewright as ew
from enginewright.errors import ModelError, ModelInvalid

FLOAT = TensorProto.FLOAT


def info(name: str, kind: int = FLOAT, shape: list[Any] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape or [1, 2])


def branch(name: str, value: float) -> onnx.GraphProto:
    node = helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.float32([value])))
    return helper.make_graph([node], name, [], [info(name)])


def gemm() -> onnx.ModelProto:
    """One node with real, integer and no attributes, one weight."""
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="fc", alpha=0.1, transB=1)
    weight = numpy_helper.from_array(np.float32([[1, 2], [3, 4]]), "w")
    graph = helper.make_graph([node], "g", [info("x")], [info("y")], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tests")


def everything() -> onnx.ModelProto:
    """Every type of attribute, tensor and input that ONNX has."""
    values = helper.make_tensor("values", FLOAT, [1], [2.0])
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("at", TensorProto.INT64, [1], [1]), [3])
    kind = info("t").type
    attributes: dict[str, Any] = {
        "i": 3, "f": 1.5, "s": b"\xff", "t": numpy_helper.from_array(np.int64([7])), "g": branch("b", 1), "p": sparse,
        "is_": [1, -2], "fs": [0.5, float("inf")], "ss": [b"a", b""], "ts": [values], "gs": [branch("c", 2)],
        "ps": [sparse], "y": kind, "ys": [kind],
    }  # fmt: skip
    four = helper.make_tensor("four", TensorProto.INT4, [3], [1, -2, 3])
    texts = helper.make_tensor("texts", TensorProto.STRING, [2], [b"a", b"\xc3\xa9"])
    empty = helper.make_tensor("empty", TensorProto.INT8, [0], [])
    inputs = [
        info("x"),
        helper.make_tensor_sequence_value_info("seq", FLOAT, None),
        helper.make_value_info("opt", helper.make_optional_type_proto(kind)),
        helper.make_value_info("map", helper.make_map_type_proto(TensorProto.INT64, kind)),
        helper.make_sparse_tensor_value_info("sparse", FLOAT, [3]),
        onnx.ValueInfoProto(name="untyped"),
    ]
    node = helper.make_node("All", ["x"], ["y"], domain="acme", **attributes)
    graph = helper.make_graph([node], "g", inputs, [info("y")], [four, texts, empty], sparse_initializer=[sparse])
    inner = helper.make_node("Gemm", ["a", "b"], ["c"])
    inner.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="scale"))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("acme", 1)]
    function = helper.make_function(
        "acme", "F", ["a", "b"], ["c"], [inner], opsets, ["scale"], [helper.make_attribute("bias", 2)]
    )
    return helper.make_model(graph, opset_imports=opsets, functions=[function])


# Frozen for the major: a change of these values makes every calibration cache useless.
GOLDEN = {
    "gemm": "de3cc57269ff740d3b77d0f31e1395abed9abc30082f6c210ec33a783f6b3120",
    "everything": "5bbbe2b13ee5a66aacaf86ba42bdffdb728f2162b089e8a75fa5928ae0f26606",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name: str) -> None:
    model = {"gemm": gemm, "everything": everything}[name]()
    assert ew.graph_digest(model) == GOLDEN[name]
    assert ew.graph_digest(model.SerializeToString()) == GOLDEN[name]


def test_the_specification_by_hand() -> None:
    """What the documentation says, written out for the small model."""
    data = hashlib.sha256(np.float32([1, 2, 3, 4]).tobytes()).hexdigest()
    content = {
        "algorithm": 1,
        "functions": [],
        "graph": {
            "initializers": [["w", 1, [2, 2], data]],
            "inputs": [["x", ["tensor", 1]]],
            "nodes": [
                ["", "Gemm", "", ["x", "w"], ["y"], {"alpha": ["f", float(np.float32(0.1)).hex()], "transB": ["i", 1]}]
            ],
            "outputs": ["y"],
        },
        "opsets": [["", 17]],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN["gemm"]


def changed(**changes: Any) -> onnx.ModelProto:
    """The small model with other values in its node or weight."""
    model = gemm()
    node, weight = model.graph.node[0], model.graph.initializer[0]
    for name, value in changes.items():
        match name:
            case "weight":
                weight.CopyFrom(numpy_helper.from_array(value, "w"))
            case "alpha":
                node.attribute[0].f = value
            case "output":
                node.output[0] = model.graph.output[0].name = value
            case "opset":
                model.opset_import[0].version = value
            case _:
                setattr(node, name, value)
    return model


W = np.float32([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "model",
    [
        changed(weight=W + 1),
        changed(weight=W.T.copy()),
        changed(weight=W.astype(np.float64)),
        changed(weight=W.reshape(4)),
        changed(alpha=0.2),
        changed(output="z"),
        changed(opset=18),
        changed(op_type="MatMul"),
        changed(domain="acme"),
    ],
)
def test_another_graph_has_another_digest(model: onnx.ModelProto) -> None:
    assert ew.graph_digest(model) != GOLDEN["gemm"]


def test_how_a_model_is_stored_does_not_matter(tmp_path: Path) -> None:
    model = changed(domain="ai.onnx", name="another name", doc_string="text")
    model.producer_name, model.graph.name, model.ir_version = "someone else", "another name", 8
    model.graph.input[0].CopyFrom(info("x", shape=["N", 2]))
    model.graph.value_info.append(info("y"))
    model.metadata_props.add(key="a", value="b")
    typed = helper.make_tensor("w", FLOAT, [2, 2], [1, 2, 3, 4])
    assert not typed.raw_data
    model.graph.initializer[0].CopyFrom(typed)
    assert ew.graph_digest(model) == GOLDEN["gemm"]
    onnx.save(
        gemm(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0,
    )  # fmt: skip
    assert (tmp_path / "m.data").exists()
    assert ew.graph_digest(tmp_path / "m.onnx") == GOLDEN["gemm"]


def test_order_of_weights_and_attributes_does_not_matter() -> None:
    one, other = gemm(), gemm()
    for model, names in ((one, "ab"), (other, "ba")):
        for name in names:
            model.graph.initializer.append(numpy_helper.from_array(np.float32([1]), name))
    attributes = list(other.graph.node[0].attribute)
    del other.graph.node[0].attribute[:]
    other.graph.node[0].attribute.extend(reversed(attributes))
    assert ew.graph_digest(one) == ew.graph_digest(other)


def test_four_bit_weights_in_both_ways_of_storing_them() -> None:
    model, raw = gemm(), gemm()
    model.graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.INT4, [3], [1, -2, 3]))
    packed = TensorProto(name="w", data_type=TensorProto.INT4, dims=[3], raw_data=b"\xe1\x03")
    raw.graph.initializer[0].CopyFrom(packed)
    assert ew.graph_digest(model) == ew.graph_digest(raw)


def test_what_cannot_be_read_is_a_typed_error() -> None:
    model = gemm()
    model.graph.node[0].attribute.append(onnx.AttributeProto(name="a"))
    with pytest.raises(ModelInvalid, match="unknown type"):
        ew.graph_digest(model)
    with pytest.raises(ModelError):
        ew.graph_digest(b"no model")
