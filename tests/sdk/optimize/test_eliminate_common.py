"""Layers that compute the same become one; different attributes, inputs and random numbers do not."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.eliminate_common import eliminate_common
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def test_joins_equal_layers_and_what_follows_from_them() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4))
    first = net.mul(net.exp(x), net.constant(np.float32(2)))
    second = net.mul(net.exp(x), net.constant(np.float32(2)))
    net.output("y", net.add(first, second))
    changes, after = rewrite(net, eliminate_common)
    assert changes == 2
    assert operators(after) == ["Exp", "Mul", "Add"]


def test_keeps_layers_that_differ() -> None:
    net = Network()
    x = net.input("x", FLOAT, (4, 4))
    net.output("a", net.softmax(x, axis=0))
    net.output("b", net.softmax(x, axis=1))
    net.output("c", net.add(x, net.constant(np.float32(1))))
    net.output("d", net.add(x, net.constant(np.float32(2))))
    assert rewrite(net, eliminate_common)[0] == 0
