"""Tests of export: a network written as ONNX and parsed again is the same network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

import enginewright as ew
import enginewright.ops
from enginewright.dims import Dim, ceil_div, dim_max
from enginewright.errors import ModelInvalid, NetworkError, UnsupportedModel
from enginewright.graph.network import Network
from enginewright.onnx_io import export
from enginewright.onnx_io.export import export_network
from enginewright.onnx_io.parser import parse
from enginewright.optimize import optimize
from enginewright.registry.registry import registry
from enginewright.tensors import DataType, TensorSpec
from tests.golden.plans import MORE, NETWORKS
from tests.sdk.onnx_io.same_networks import assert_same

HEADER = '<ir_version: 10, opset_import: ["" : 21]>\n'


def again(network: Network) -> Network:
    """The network through a file; the file of the result is the same."""
    data = export_network(network)
    onnx.checker.check_model(onnx.ModelProto.FromString(data))
    made = parse(data)
    assert export_network(made) == data
    return made


def every_example() -> Iterator[Any]:
    enginewright.ops.load()
    for key, cls in sorted(registry.operators.items()):
        examples = cls.examples() if key.namespace == "ew" and hasattr(cls, "examples") else ()
        for number, (op, inputs) in enumerate(examples):
            yield pytest.param(op, inputs, id=f"{key.name}-{number}")


@pytest.mark.parametrize(("op", "inputs"), list(every_example()))
def test_examples_of_all_operators(op: Any, inputs: list[Any]) -> None:
    network = Network("example")
    given = []
    for number, item in enumerate(inputs):
        if isinstance(item, TensorSpec):
            given.append(network.input(f"x{number}", item.dtype, item.shape))
        else:
            given.append(None if item is None else network.constant(item, f"c{number}"))
    for number, tensor in enumerate(network.add(op, *given)):
        network.output(f"y{number}", tensor)
    assert_same(network, again(network))


@pytest.mark.parametrize("name", [*NETWORKS, *MORE])
def test_golden_networks(name: str) -> None:
    network = Network(name)
    (NETWORKS | MORE)[name](network)
    assert_same(network, again(network))


def test_optimized_network() -> None:
    """Fused programs, and sizes as fields, survive, too."""
    network = Network("mlp")
    x = network.input("x", ew.float32, ("N", 8))
    hidden = network.gelu(network.add(network.matmul(x, network.constant(np.ones((8, 8), np.float32))), x))
    network.output("y", network.softmax(network.reshape(hidden, network.shape(x))))
    optimize(network)
    assert {"Fused", "Pointwise"} & {layer.key.name for layer in network.layers}
    assert_same(network, again(network))


CONTROL = {
    "if": """
g (bool c, float[n, 3] x) => (float[m, 3] y) {
  y = If (c) <then_branch = t () => (float[a, 3] o) { o = Concat <axis = 0> (x, x) },
              else_branch = e () => (float[a, 3] o) { o = Neg (x) }>
}""",
    "loop": """
g (int64 n, float[k] x, int64[1] size) => (float[k2] last, float[j, 1] rows) {
  t = Constant <value_int = 1> ()
  last, rows = Loop (n, , x) <body = b (int64 i, bool c, float[a] v) => (bool d, float[a2] w, float[1] s) {
    d = Identity (c)
    w = Concat <axis = 0> (v, x)
    some = Expand (v, size)
    s = ReduceSum <keepdims = 0> (some)
    z = Constant <value_ints = [1]> ()
    s2 = Reshape (s, z)
  }>
}""".replace("float[1] s)", "float[1] s2)"),
    "scan": """
g (float[2] start, float[n, 2] xs) => (float[2] last, float[n, 2] sums) {
  last, sums = Scan <num_scan_inputs = 1, body = b (float[2] state, float[2] x) => (float[2] next, float[2] out) {
    next = Add (state, x)
    out = Identity (next)
  }> (start, xs)
}""",
}


@pytest.mark.parametrize("name", CONTROL)
def test_imported_control_flow(name: str) -> None:
    network = parse(parse_model(HEADER + CONTROL[name]))
    assert list(network.nested())
    assert_same(network, again(network))


def test_names_that_are_used_twice() -> None:
    network = Network("twice")
    x = network.input("x", ew.float32, (3,))
    y = network.mul(x, network.constant(np.float32(2)))
    z = network.mul(y, network.constant(np.float32(3)))
    for name, tensor in {"x": x, "y": y, "same": y, "z": z, "c": network.constant(np.float32([4]))}.items():
        network.output(name, tensor)
    made = again(network)
    assert_same(network, made)
    read = [tensor.name for layer in made.layers for tensor in layer.inputs if tensor]
    assert read == ["x", "constant", "Mul:0", "constant"]


def test_sizes_that_are_expressions() -> None:
    network = Network("sizes")
    n = Dim("batch size")
    x = network.input("x", ew.float32, (n * 2 + 1, ceil_div(n, 3), dim_max(n, 7), "?"))
    network.output("y", network.relu(x))
    assert_same(network, again(network))


def test_floats_keep_all_digits() -> None:
    network = Network("digits")
    x = network.input("x", ew.float32, (1, 3))
    network.output("y", network.elu(x, alpha=0.1))
    network.output("z", network.elu(x, alpha=float("nan")))
    network.output("w", network.elu(x, alpha=1e300))
    assert_same(network, again(network))


@pytest.mark.parametrize("dtype", [dtype for dtype in DataType if not dtype.is_object])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_constants_of_every_type(dtype: DataType, shape: tuple[int, ...]) -> None:
    network = Network("constants")
    array = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype.numpy)
    network.output("y", network.identity(network.constant(array)))
    assert_same(network, again(network))


def test_texts() -> None:
    network = Network("texts")
    network.output("y", network.identity(network.constant(np.array(["a", "", "ß"], object))))
    assert_same(network, again(network))


def test_sequences() -> None:
    text = """<ir_version: 10, opset_import: ["": 21]>
        g (seq(float[N, 2]) s, optional(seq(int64)) o) => (seq(float[N, 2]) t, bool b) {
            x = Constant<value = float[1, 2] {1, 2}>()
            t = SequenceInsert(s, x)
            b = OptionalHasElement(o) }"""
    network = parse(parse_model(text))
    assert_same(network, again(network))


def test_newer_versions_are_said_by_the_node() -> None:
    with_two_versions()
    network = Network("versions")
    x = network.input("x", ew.float32, (3,))
    network.output("one", network.op("exporttest::Twice", x, version=1))
    network.output("two", network.op("exporttest::Twice", x, version=2))
    made = again(network)
    assert [layer.key.version for layer in made.layers] == [1, 2]
    assert_same(network, made)


def with_two_versions() -> None:
    """Register an operator in two versions."""

    @ew.operator("exporttest::Twice")
    class Twice:
        factor: float = 2.0
        note: bytes = b""

        def infer(self, x: TensorSpec) -> TensorSpec:
            return x.with_dtype(x.dtype)

        def reference(self, x: Any) -> Any:
            return x * self.factor

    @ew.operator("exporttest::Twice", version=2)
    class Twice2(Twice):
        pass


def custom(attributes: str, domain: str = "ew", opset: int = 1) -> Network:
    text = f"""<ir_version: 10, opset_import: ["" : 21, "{domain}" : {opset}]>
g (float[n, 3] x) => (float[n, 3] y) {{ y = {domain}.Softmax <{attributes}> (x) }}"""
    return parse(parse_model(text))


def test_a_node_of_ours_in_any_model() -> None:
    (layer,) = custom("axis = 0").layers
    assert (layer.key.name, layer.op.axis, layer.sources) == ("Softmax", 0, ("Softmax_0",))


def test_a_field_that_does_not_exist() -> None:
    with pytest.raises(ModelInvalid, match="no field axes") as caught:
        custom("axes = 0")
    assert "axis" in caught.value.hint


def test_an_operator_that_does_not_exist() -> None:
    with pytest.raises(UnsupportedModel, match="1 of the model's nodes"):
        custom("axis = 0", domain="nowhere")


def test_a_field_that_onnx_has_no_word_for() -> None:
    @ew.operator("exporttest::Odd")
    class Odd:
        odd: int | None = 1

        def infer(self, x: TensorSpec) -> TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x

    network = Network("odd")
    network.output("y", network.add(Odd(None), network.input("x", ew.float32, (3,)))[0])
    with pytest.raises(NetworkError, match="None"):
        export_network(network)


def test_more_constants_than_a_file_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 400)
    network = Network("large")
    network.output("y", network.identity(network.constant(np.zeros(100, np.float32))))
    with pytest.raises(NetworkError, match="400 bytes"):
        export_network(network)


SPECS = ["", "[]", "3", '{"shape":[1]}', '{"shape":[[[1,["what",1]]]],"value":null,"constant":false}', "[" * 5000]
SPECS += ['{"shape":[[[1,["value","nobody",1]]]],"value":null,"constant":false}']
SPECS += ['{"shape":[[[1,["min",1,2,3]]]],"value":null,"constant":false}', '{"shape":["N"],"value":null,"constant":0}']


@pytest.mark.parametrize("text", SPECS)
def test_a_damaged_spec_is_invalid(text: str) -> None:
    network = Network("damaged")
    network.output("y", network.relu(network.input("x", ew.float32, ("N",))))
    model = onnx.ModelProto.FromString(export_network(network))
    model.graph.input[0].metadata_props.append(onnx.StringStringEntryProto(key="ew.spec", value=text))
    with pytest.raises(ModelInvalid):
        parse(model)


@pytest.mark.parametrize("text", ["", "3", "[3]", "{"])
def test_damaged_sources_are_invalid(text: str) -> None:
    network = Network("damaged")
    network.output("y", network.relu(network.input("x", ew.float32, ("N",))))
    model = onnx.ModelProto.FromString(export_network(network))
    model.graph.node[0].metadata_props[0].value = text
    with pytest.raises(ModelInvalid):
        parse(model)
