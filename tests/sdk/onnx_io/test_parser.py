"""Import: functions inlined, all unsupported nodes at once, captures of nested graphs, data from the folder only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import enginewright as ew
from enginewright.errors import ExternalDataError, ModelInvalid, ModelNotReadable, UnsupportedModel
from enginewright.onnx_io.parser import parse

FLOAT = TensorProto.FLOAT
CONFIG = ew.BuilderConfig(timing_cache="", level=1)


def _info(name: str, shape: list[Any], dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[Any]],
    outputs: list[str],
    *,
    functions: list[onnx.FunctionProto] | None = None,
    initializers: list[onnx.TensorProto] | None = None,
    opsets: dict[str, int] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "test",
        [_info(name, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        initializers or [],
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in (opsets or {"": 17}).items()]
    return helper.make_model(graph, opset_imports=imports, functions=functions or [], ir_version=9)


def _run(model: onnx.ModelProto | Path, **inputs: Any) -> dict[str, Any]:
    return ew.load(ew.build(model, CONFIG)).run(inputs)


def test_all_unsupported_nodes_are_reported_at_once_even_behind_each_other() -> None:
    nodes = [
        helper.make_node("Strange", ["x"], ["a"], name="first", domain="acme"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Stranger", ["b"], ["c"], name="second", domain="acme"),
        helper.make_node("NoSuchOperator", ["c"], ["y"]),
    ]
    with pytest.raises(UnsupportedModel) as caught:
        parse(_model(nodes, {"x": [1]}, ["y"], opsets={"": 17, "acme": 2}))
    found = [(node.name, node.op_type, node.domain, node.version) for node in caught.value.nodes]
    assert found == [
        ("first", "Strange", "acme", 2),
        ("second", "Stranger", "acme", 2),
        ("NoSuchOperator_3", "NoSuchOperator", "ai.onnx", 17),
    ]
    assert all(node.reason for node in caught.value.nodes)


def test_a_domain_that_is_not_imported_is_a_reason() -> None:
    with pytest.raises(UnsupportedModel, match="does not import the domain acme"):
        parse(_model([helper.make_node("A", ["x"], ["y"], domain="acme")], {"x": [1]}, ["y"]))


def test_functions_of_the_model_are_inlined_with_their_attributes() -> None:
    inner = helper.make_node("LeakyRelu", ["a"], ["b"])
    inner.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    body = [inner, helper.make_node("Add", ["b", "b"], ["c"])]
    function = helper.make_function("acme", "Twice", ["a"], ["c"], body, [helper.make_opsetid("", 17)], ["slope"])
    nodes = [
        helper.make_node("Twice", ["x"], ["y"], domain="acme", slope=0.5),
        helper.make_node("Twice", ["y"], ["z"], domain="acme", slope=0.25),
    ]
    model = _model(nodes, {"x": ["N"]}, ["z"], functions=[function], opsets={"": 17, "acme": 1})
    outputs = _run(model, x=np.array([-4, 3], np.float32))
    assert outputs["z"].tolist() == [-2.0, 12.0]


def test_operators_that_onnx_defines_as_functions_need_no_rule() -> None:
    x = np.linspace(-2, 2, 7, dtype=np.float32)
    model = _model([helper.make_node("HardSwish", ["x"], ["y"])], {"x": ["N"]}, ["y"])
    np.testing.assert_allclose(_run(model, x=x)["y"], x * np.clip(x / 6 + 0.5, 0, 1), rtol=1e-6)


def test_branches_capture_what_they_read_outside() -> None:
    def branch(op: str, name: str) -> onnx.GraphProto:
        return helper.make_graph(
            [helper.make_node(op, ["h", "w"], [name])], name, [], [helper.make_empty_tensor_value_info(name)]
        )

    nodes = [
        helper.make_node("Exp", ["x"], ["h"]),
        helper.make_node("If", ["cond"], ["y"], then_branch=branch("Add", "t"), else_branch=branch("Mul", "e")),
    ]
    weight = numpy_helper.from_array(np.float32([2, 3]), "w")
    model = _model(nodes, {"x": [2]}, ["y"], initializers=[weight])
    model.graph.input.append(_info("cond", [], TensorProto.BOOL))
    x = np.array([0, 1], np.float32)
    for cond in (True, False):
        weights = np.array([2, 3])
        expected = np.exp(x) + weights if cond else np.exp(x) * weights
        np.testing.assert_allclose(_run(model, x=x, cond=np.array(cond))["y"], expected, rtol=1e-6)


def test_external_data_comes_from_the_folder_only(tmp_path: Path) -> None:
    weight = np.arange(4, dtype=np.float32)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.bin").write_bytes(b"\0" * 8 + weight.tobytes())
    (tmp_path / "outside.bin").write_bytes(weight.tobytes())

    def model(location: str, **entries: Any) -> Path:
        tensor = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
        for key, value in {"location": location, **entries}.items():
            tensor.external_data.add(key=key, value=str(value))
        proto = _model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [4]}, ["y"], initializers=[tensor])
        path = tmp_path / "model" / "m.onnx"
        path.write_bytes(proto.SerializeToString())
        return path

    assert _run(model("w.bin", offset=8, length=16), x=np.zeros(4, np.float32))["y"].tolist() == [0, 1, 2, 3]
    (tmp_path / "model" / "link.bin").symlink_to(tmp_path / "outside.bin")
    for location in ("../outside.bin", str(tmp_path / "outside.bin"), "link.bin", "missing.bin", ""):
        with pytest.raises(ExternalDataError, match="w"):
            parse(model(location))
    with pytest.raises(ExternalDataError, match="24 bytes"):
        parse(model("w.bin", offset=16))
    with pytest.raises(ExternalDataError, match="no folder"):
        parse(model("w.bin").read_bytes())


def test_sizes_without_a_name_are_apart_and_question_marks_are_no_names() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    network = parse(_model([node], {"x": ["?", None, "N", 3]}, ["y"]))
    assert [str(size) for size in network.inputs[0].shape] == ["x.0", "x.1", "N", "3"]


def test_what_is_no_model_is_said() -> None:
    for data, text in ((b"", "empty"), (b"\xff\xd8\xff", "JPEG"), (b"PK\x03\x04", "zip"), (b"\x00" * 9, "ONNX")):
        with pytest.raises(ModelNotReadable, match=text):
            parse(data)
    with pytest.raises(ModelNotReadable, match="cannot read"):
        parse("/nothing/here.onnx")


def test_declared_types_of_outputs_must_hold() -> None:
    model = _model([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, ["y"])
    model.graph.output[0].CopyFrom(_info("y", [1], TensorProto.INT64))
    with pytest.raises(ModelInvalid, match="declared as int64"):
        parse(model)


def test_names_of_nodes_and_tensors_are_kept() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["hidden"], name="act"), helper.make_node("Exp", ["hidden"], ["y"])]
    network = parse(_model(nodes, {"x": [1]}, ["y"]))
    assert [layer.name for layer in network.layers] == ["act", "Exp_1"]
    assert network.layers[0].outputs[0].name == "hidden"
    assert network.layers[0].sources == ("act",)
