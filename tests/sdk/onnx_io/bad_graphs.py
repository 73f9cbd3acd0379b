"""Models whose header, declarations, wiring, bodies or functions break the rules of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper

from enginewright.errors import ModelInvalid, ModelNotReadable, UnsupportedModel
from tests.sdk.onnx_io.bad_models import (
    FLOAT,
    INT64,
    OPSET,
    BadModel,
    Maker,
    constant,
    holding,
    make_model,
    node,
    saved,
    value,
)

RELU = node("Relu", "x")


def models() -> Iterator[BadModel]:
    """Yield the models of this module."""
    for name, model, mentions in (*_headers(), *_tensors(), *_wirings(), *_bodies(), *_functions()):
        yield BadModel(name, saved(model), ModelInvalid, mentions)
    for name, model, mentions in _unsupported():
        yield BadModel(name, saved(model), UnsupportedModel, mentions)
    yield BadModel("no_graph", saved(onnx.ModelProto(ir_version=8)), ModelNotReadable, ("graph",))
    # Protocol buffers refuse to parse messages nested deeper than 100, so these are never seen as models.
    yield BadModel("nested_100_deep", _nested(100), ModelNotReadable, ("model.onnx",))


Case = tuple[str, onnx.ModelProto, tuple[str, ...]]


def _headers() -> Iterator[Case]:
    """Yield models without a usable header."""
    yield "no_ir_version", _edited(lambda model: model.ClearField("ir_version")), ("ir_version",)
    yield "opset_missing", _edited(lambda model: model.ClearField("opset_import")), ("opset",)
    yield "opset_negative", _edited(lambda model: _set_version(model, -3)), ("opset", "-3")
    yield "opset_duplicated", _edited(lambda model: model.opset_import.add(domain="", version=11)), ("opset",)
    yield "outputs_missing", _edited(lambda model: model.graph.ClearField("output")), ("output",)
    yield "nameless_input", _edited(lambda model: _rename(model.graph.input[0], "")), ("input",)


def _edited(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    """Return a good model of one Relu, changed."""
    model = make_model([RELU])
    change(model)
    return model


def _set_version(model: onnx.ModelProto, version: int) -> None:
    model.opset_import[0].version = version


def _rename(thing: onnx.ValueInfoProto, name: str) -> None:
    thing.name = name


def _tensors() -> Iterator[Case]:
    """Yield models with wrong declarations of inputs or weights."""
    for name, tensor in _wrong_tensors():
        yield f"weight_{name}", make_model([node("Add", "x w")], constants=[tensor]), ("w",)
    yield "input_without_type", make_model([RELU], [onnx.ValueInfoProto(name="x")]), ("x",)
    yield "input_of_unknown_type", make_model([RELU], [value("x", (2,), 99)]), ("x", "99")
    yield "input_with_negative_size", make_model([RELU], [value("x", (2, -5))]), ("x", "-5")
    yield "input_of_huge_size", make_model([RELU], [value("x", (1 << 40, 1 << 40))]), ("x",)
    sparse = make_model([node("Add", "x w")])
    sparse.graph.sparse_initializer.append(
        helper.make_sparse_tensor(constant("w", [1.0]), constant("i", [0], "int64"), [3])
    )
    yield "weight_sparse", sparse, ("w",)


def _wrong_tensors() -> Iterator[tuple[str, TensorProto]]:
    """Yield weights "w" that contradict themselves."""
    yield "raw_data_short", TensorProto(name="w", data_type=FLOAT, dims=[3], raw_data=bytes(8))
    yield "raw_data_long", TensorProto(name="w", data_type=FLOAT, dims=[3], raw_data=bytes(16))
    yield "float_data_short", TensorProto(name="w", data_type=FLOAT, dims=[3], float_data=[1.0])
    yield "data_in_wrong_field", TensorProto(name="w", data_type=FLOAT, dims=[3], int64_data=[1, 2, 3])
    yield "without_data", TensorProto(name="w", data_type=FLOAT, dims=[3])
    yield "negative_size", TensorProto(name="w", data_type=FLOAT, dims=[-3], raw_data=bytes(12))
    yield "huge_size", TensorProto(name="w", data_type=FLOAT, dims=[1 << 40, 1 << 40], raw_data=bytes(12))
    yield "unknown_type", TensorProto(name="w", data_type=77, dims=[3], raw_data=bytes(12))
    yield "type_missing", TensorProto(name="w", dims=[3], raw_data=bytes(12))
    yield "strings_short", TensorProto(name="w", data_type=TensorProto.STRING, dims=[3], string_data=[b"one"])


def _wirings() -> Iterator[Case]:
    """Yield models whose nodes do not fit together."""
    make = helper.make_node
    weight = constant("w", np.ones(3))
    loop = [make("Add", ["x", "b"], ["a"], name="first"), make("Relu", ["a"], ["b"], name="second")]
    yield "cycle", make_model([*loop, node("Relu", "b")]), ("first", "second")
    yield "cycle_of_one", make_model([node("Add", "x y")]), ("culprit",)
    yield "input_undefined", make_model([node("Add", "x ghost")]), ("culprit", "ghost")
    declared = make_model([node("Add", "x ghost")])
    declared.graph.value_info.append(value("ghost", (2, 3)))
    yield "initializer_missing", declared, ("culprit", "ghost")
    yield "output_never_produced", make_model([RELU], outputs=[value("ghost", None)]), ("ghost",)
    twice = [make("Relu", ["x"], ["y"], name="first"), make("Neg", ["x"], ["y"], name="second")]
    yield "value_made_twice", make_model(twice), ("y", "second")
    yield "input_made_again", make_model([make("Relu", ["x"], ["x"], name="first"), RELU]), ("x", "first")
    yield "inputs_of_one_name", make_model([RELU], [value("x", (2,)), value("x", (3,))]), ("x",)
    yield "weights_of_one_name", make_model([node("Add", "x w")], constants=[weight, weight]), ("w",)
    yield "weight_made_again", make_model([make("Relu", ["x"], ["w"], name="first"), RELU], constants=[weight]), ("w",)
    yield "outputs_of_one_name", make_model([RELU], outputs=[value("y", None)] * 2), ("y",)
    yield "op_type_empty", make_model([node("", "x")]), ("culprit",)
    yield "output_of_other_type", make_model([RELU], outputs=[value("y", (2, 3), INT64)]), ("y",)


def _bodies() -> Iterator[Case]:
    """Yield models with wrong If, Loop or Scan."""
    flag = constant("flag", True, "bool")
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["r"], name="inner")], "branch", [], [value("r", None)])
    ghost = helper.make_graph([helper.make_node("Relu", ["ghost"], ["r"], name="inner")], "g", [], [value("r", None)])
    two = helper.make_graph(list(branch.node), "two", [], [value("r", None), value("r", None)])

    def choose(**branches: onnx.GraphProto) -> onnx.ModelProto:
        return make_model([node("If", "flag", **branches)], constants=[flag])

    yield "if_without_else", choose(then_branch=branch), ("culprit", "else_branch")
    yield "if_without_branches", choose(), ("culprit",)
    yield "if_branches_differ", choose(then_branch=branch, else_branch=two), ("culprit",)
    yield "if_reads_undefined", choose(then_branch=branch, else_branch=ghost), ("ghost",)
    many = make_model([node("If", "x", then_branch=branch, else_branch=branch)])
    yield "if_on_float", many, ("culprit",)
    yield "loop_without_body", _loop(None), ("culprit", "body")
    yield "loop_with_too_few_inputs", _loop(_body(["i", "c"])), ("culprit",)
    yield "loop_with_too_many_inputs", _loop(_body(["i", "c", "v", "extra"])), ("culprit",)
    yield "loop_with_too_few_outputs", _loop(_body(["i", "c", "v"], ["c"])), ("culprit",)


def _body(inputs: list[str], outputs: list[str] | None = None) -> onnx.GraphProto:
    """Return the body of a loop that keeps its values, with these names."""
    types = {"i": INT64, "c": TensorProto.BOOL}
    nodes = [helper.make_node("Identity", ["c"], ["c_out"]), helper.make_node("Neg", ["x"], ["v_out"])]
    names = [f"{name}_out" for name in outputs or ["c", "v"]]
    made = [value(name, None, TensorProto.BOOL if name == "c_out" else FLOAT) for name in names]
    return helper.make_graph(nodes, "body", [value(name, None, types.get(name, FLOAT)) for name in inputs], made)


def _loop(body: onnx.GraphProto | None) -> onnx.ModelProto:
    """Return a model with one Loop over one value."""
    constants = [constant("trips", 3, "int64"), constant("flag", True, "bool")]
    attributes = {} if body is None else {"body": body}
    return make_model([node("Loop", "trips flag x", **attributes)], constants=constants)


def _nested(depth: int) -> Maker:
    """Return a maker of a model of If inside If inside If, put together as bytes: the library refuses to build it."""
    inner = helper.make_node("Relu", ["x"], ["r"]).SerializeToString()
    for _ in range(depth):
        body = helper.make_graph([], "level", [], [value("r", None)]).SerializeToString()
        attribute = onnx.AttributeProto(name="then_branch", type=onnx.AttributeProto.GRAPH).SerializeToString()
        choice = helper.make_node("If", ["x"], ["r"]).SerializeToString()
        inner = choice + _field(5, attribute + _field(6, body + _field(1, inner)))
    return holding(make_model([]).SerializeToString() + _field(7, _field(1, inner)))


def _field(number: int, payload: bytes) -> bytes:
    """Return `payload` as field `number` of a protocol buffer message."""
    length, size = bytearray(), len(payload)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + payload


def _functions() -> Iterator[Case]:
    """Yield models with functions that cannot be inlined."""
    yield "function_calls_itself", _with_functions({"F": "F"}), ("F",)
    yield "functions_call_each_other", _with_functions({"F": "G", "G": "F"}), ("F", "G")
    lost = _with_functions({"F": "Relu"})
    lost.functions[0].output[0] = "ghost"
    yield "function_output_never_produced", lost, ("culprit", "ghost")
    narrow = _with_functions({"F": "Relu"})
    narrow.graph.node[0].input.append("x")
    yield "function_with_too_many_inputs", narrow, ("culprit",)
    reference = make_model([node("Softmax", "x")])
    reference.graph.node[0].attribute.add(name="axis", ref_attr_name="axis", type=onnx.AttributeProto.INT)
    yield "attribute_reference_outside_function", reference, ("culprit", "axis")


def _with_functions(calls: dict[str, str]) -> onnx.ModelProto:
    """Return a model that calls F, where each function calls one other or an operator."""
    model = make_model([node("F", "x", domain="local")])
    model.opset_import.add(domain="local", version=1)
    for name, callee in calls.items():
        domain = "local" if callee in calls else ""
        inner = helper.make_node(callee, ["a"], ["b"], domain=domain)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("local", 1)]
        model.functions.append(helper.make_function("local", name, ["a"], ["b"], [inner], opsets))
    return model


def _unsupported() -> Iterator[Case]:
    """Yield models with nodes that nobody knows."""
    yield "op_unknown", make_model([node("Frobnicate", "x")]), ("culprit", "Frobnicate")
    foreign = make_model([node("Frobnicate", "x", domain="com.example")])
    yield "domain_not_imported", foreign, ("culprit", "com.example")
    imported = make_model([node("Frobnicate", "x", domain="com.example")])
    imported.opset_import.add(domain="com.example", version=1)
    yield "domain_unknown", imported, ("culprit", "com.example")
    several = [helper.make_node(f"Odd{i}", ["x"], [f"v{i}"], name=f"odd{i}") for i in range(3)]
    yield "three_ops_unknown", make_model([*several, RELU]), ("odd0", "odd1", "odd2")
    chain = [helper.make_node("Odd", ["x"], ["v"], name="odd"), node("Frobnicate", "v")]
    yield "op_unknown_behind_another", make_model(chain), ("odd", "culprit", "Frobnicate")
    yield "cast_to_unknown_type", make_model([node("Cast", "x", to=99)]), ("culprit", "99")
    old = make_model([node("Gelu", "x")])  # came with opset 20
    yield "op_newer_than_opset", old, ("culprit", "Gelu")
    yield "opset_too_new", _edited(lambda model: _set_version(model, 9999)), ("9999",)
    mapped = helper.make_value_info("x", onnx.TypeProto())
    mapped.type.map_type.key_type = onnx.TensorProto.INT64
    yield "map_as_input", make_model([node("SequenceLength", "x")], [mapped]), ("x", "map_type")
    inner = helper.make_graph([helper.make_node("Odd", ["x"], ["r"], name="inner")], "branch", [], [value("r", None)])
    choice = node("If", "flag", then_branch=inner, else_branch=inner)
    yield "op_unknown_in_branch", make_model([choice], constants=[constant("flag", True, "bool")]), ("inner", "Odd")
