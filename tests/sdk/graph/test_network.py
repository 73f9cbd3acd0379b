"""Networks: what may be built, what is refused and how it is named, rewriting, copies."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import enginewright as ew
from enginewright.errors import NetworkError, PluginNotFound, ShapeError
from enginewright.graph.copying import copy_network
from enginewright.graph.methods import OperatorMethods
from enginewright.graph.write_methods import method_name, sources


def _two() -> tuple[ew.Network, ew.Tensor]:
    net = ew.Network()
    return net, net.input("x", ew.float32, ("N", 4))


def test_tensors_know_type_shape_and_readers() -> None:
    net, x = _two()
    y = net.add(net.relu(x), x)
    assert (y.dtype, y.rank, str(y.shape)) == (ew.float32, 2, "(N, 4)")
    assert [layer.key.name for layer in x.readers] == ["Relu", "Add"]
    assert "x float32[N, 4]" in repr(x)
    assert "Relu" in repr(net.layers[0])


def test_names_are_given_once() -> None:
    net, x = _two()
    with pytest.raises(NetworkError, match='two inputs are named "x"'):
        net.input("x", ew.float32, (1,))
    net.output("y", x)
    with pytest.raises(NetworkError, match='two outputs are named "y"'):
        net.output("y", x)
    assert [net.relu(x, name="same").name for _ in range(2)] == ["same:0", "same.1:0"]


def test_errors_name_the_layer_and_its_inputs() -> None:
    net, x = _two()
    with pytest.raises(ShapeError) as caught:
        net.softmax(x, axis=7, name="head")
    assert 'layer "head" (Softmax); inputs: x float32[N, 4]' in str(caught.value)
    with pytest.raises(NetworkError, match="does not take these inputs") as refused:
        net.op("ew::Softmax", x, x)
    assert refused.value.hint == "Its inputs are: x."


def test_limits() -> None:
    net, x = _two()
    with pytest.raises(ShapeError, match="9 axes"):
        net.unsqueeze(x, net.constant(np.arange(7)))
    with pytest.raises(ShapeError, match="size"):
        net.expand(x, net.constant(np.array([2**31, 1, 4])))


def test_operators_by_key() -> None:
    net, x = _two()
    assert net.op("ew::Softmax", x, axis=0).producer is net.layers[-1]
    assert net.op("ew::Softmax@1", x).shape == x.shape
    with pytest.raises(PluginNotFound):
        net.op("acme::Nothing", x)


def test_copies_are_independent() -> None:
    net, x = _two()
    weight = np.ones((4, 4), np.float32)
    net.output("y", net.matmul(net.exp(x), net.constant(weight)))
    other = copy_network(net)
    other.output("z", other.relu(other.outputs[0][1]))
    assert len(net.layers) == 2
    assert len(other.layers) == 3
    constant = other.layers[1].inputs[1]
    assert constant is not None
    assert constant.const is weight
    array = np.zeros((2, 4), np.float32)
    assert (net.evaluate({"x": array})["y"] == other.evaluate({"x": array})["y"]).all()


def test_replacing_keeps_readers_true() -> None:
    net, x = _two()
    y = net.relu(x)
    z = net.mul(y, y)
    net.output("z", z)
    net.output("y", y)
    assert net.sole_reader(y) is None
    with net.at(net.layers[0]):
        new = net.exp(x)
    net.replace(y, new)
    net.remove([y.producer] if y.producer else [])
    assert [layer.key.name for layer in net.layers] == ["Exp", "Mul"]
    assert new.readers == [net.layers[1], net.layers[1]]
    assert x.readers == [net.layers[0]]
    assert net.outputs[1][1] is new


def test_methods_are_those_of_the_operators() -> None:
    written = {name for text in sources().values() for name in re.findall(r"^    def (\w+)", text, re.MULTILINE)}
    assert written == {name for name in dir(OperatorMethods) if not name.startswith("_")} - {"add"}
    names = {"MatMul": "matmul", "LayerNormalization": "layer_normalization", "And": "and_", "GatherND": "gather_nd"}
    assert {operator: method_name(operator) for operator in names} == names


def test_only_what_changed_is_inferred_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer behind another spec, or with another operator, is; one whose specs and operator are the same is not."""
    net = ew.Network()
    x = net.input("x", ew.float32, (2, 3))
    first = net.relu(x)
    second = net.transpose(first, perm=(1, 0))
    other = net.exp(net.input("z", ew.float32, (5,)))
    net.output("y", second)
    net.output("w", other)
    net.infer()
    asked: list[str] = []
    whole = ew.Network._infer
    monkeypatch.setattr(ew.Network, "_infer", lambda self, layer: (asked.append(layer.kind), whole(self, layer))[1])
    net.infer()
    assert asked == []
    x.spec = x.spec.with_shape(7, 3)
    net.infer()
    assert (asked, second.shape) == (["Relu", "Transpose"], (3, 7))
    (layer,) = (item for item in net.layers if item.kind == "Transpose")
    layer.op = replace(layer.op, perm=(0, 1))
    net.infer()
    assert (asked[2:], second.shape) == (["Transpose"], (7, 3))
    other.spec = other.spec.with_shape(1)
    net.infer()
    assert (asked[3:], other.shape) == (["Exp"], (5,))
