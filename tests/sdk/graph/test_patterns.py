"""Patterns: commutative operands, repeated captures, constants, and results that others need."""

from __future__ import annotations

import numpy as np

import enginewright as ew
from enginewright.graph.patterns import AnyTensor, Number, find, node, replace_match, sources

X, Y = AnyTensor("x"), AnyTensor("y")


def _network() -> tuple[ew.Network, ew.Tensor, ew.Tensor]:
    net = ew.Network()
    return net, net.input("x", ew.float32, (4,)), net.input("y", ew.float32, (4,))


def test_operands_of_sums_and_products_match_in_either_order() -> None:
    net, x, y = _network()
    net.output("a", net.mul(net.exp(x), y))
    net.output("b", net.mul(y, net.exp(x)))
    net.output("c", net.sub(net.exp(x), y))
    assert len(list(find(net, node("Mul", node("Exp", X), Y)))) == 2
    assert len(list(find(net, node("Sub", Y, node("Exp", X))))) == 0


def test_the_same_name_is_the_same_tensor() -> None:
    net, x, y = _network()
    net.output("a", net.mul(net.exp(x), x))
    net.output("b", net.mul(net.exp(x), y))
    assert len(list(find(net, node("Mul", node("Exp", X), X)))) == 1


def test_numbers() -> None:
    net, x, _ = _network()
    net.output("a", net.mul(x, net.constant(np.full((4,), 2, np.float32))))
    net.output("b", net.mul(x, net.constant(np.arange(4, dtype=np.float32))))
    assert len(list(find(net, node("Mul", X, Number(2.0001))))) == 1
    assert len(list(find(net, node("Mul", X, Number(3))))) == 0
    match = next(find(net, node("Mul", X, Number(None, "n"))))
    assert match.number("n") == 2


def test_results_that_others_read_prevent_a_match() -> None:
    net, x, _ = _network()
    inner = net.exp(x)
    net.output("a", net.relu(inner))
    net.output("inner", inner)
    assert not list(find(net, node("Relu", node("Exp", X))))
    net.output("t", net.tanh(net.sin(x)))
    assert list(find(net, node("Tanh|Relu", node("Sin", X))))


def test_replacing() -> None:
    net, x, _ = _network()
    with net.at(sources=("n1",)):
        inner = net.exp(x)
    with net.at(sources=("n2",)):
        net.output("a", net.relu(inner))
    match = next(find(net, node("Relu", node("Exp", X, name="inner"))))
    assert match.tensors["inner"] is inner
    assert sources(match) == ("n1", "n2")
    replace_match(net, match, net.tanh(x))
    assert [layer.key.name for layer in net.layers] == ["Tanh"]
