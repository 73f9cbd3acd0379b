"""Transposes of rows move behind layers that work row by row."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.cancel_transposes import cancel_transposes
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.sink_transposes import sink_transposes
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

RNG = np.random.default_rng(0)


def _run(network: Network) -> int:
    changes = sink_transposes(network)
    cancel_transposes(network)
    eliminate_dead(network)
    return changes


def test_a_product_with_bias_between_two() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 5, 8))
    weight = net.constant(RNG.standard_normal((8, 6)).astype(np.float32))
    bias = net.constant(RNG.standard_normal(6).astype(np.float32))
    y = net.gelu(net.add(net.matmul(net.transpose(x, perm=(1, 0, 2)), weight), bias))
    net.output("y", net.transpose(y, perm=(1, 0, 2)))
    changes, after = rewrite(net, _run)
    assert changes == 3
    assert operators(after) == ["MatMul", "Add", "Gelu"]


def test_both_operands_turned_alike() -> None:
    net = Network()
    a, b = (net.transpose(net.input(name, FLOAT, (2, 3, 4)), perm=(1, 0, 2)) for name in "ab")
    net.output("y", net.add(a, b))
    changes, after = rewrite(net, _run)
    assert changes == 1
    assert operators(after) == ["Add", "Transpose"]


def test_others_stay() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 3, 4))
    turned = net.transpose(x, perm=(1, 0, 2))
    net.output("with another", net.add(turned, net.input("b", FLOAT, (3, 2, 4))))
    net.output("columns moved", net.relu(net.transpose(x, perm=(0, 2, 1))))
    net.output("softmax", net.softmax(turned, axis=0))
    net.output("batched", net.matmul(turned, net.input("w", FLOAT, (3, 4, 5))))
    assert rewrite(net, _run)[0] == 0
