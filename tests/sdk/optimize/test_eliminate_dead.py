"""Layers that lead to no output go; those that an output's size needs stay."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.eliminate_dead import eliminate_dead
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def test_removes_what_nobody_reads() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4))
    net.exp(net.relu(x))
    net.output("y", net.tanh(x))
    changes, after = rewrite(net, eliminate_dead)
    assert changes == 2
    assert operators(after) == ["Tanh"]


def test_keeps_what_a_size_reads() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4))
    size = net.input("size", FLOAT, (1,))
    target = net.cast(net.abs(size), to=net.constant(np.int64(0)).dtype)
    net.output("y", net.expand(net.constant(np.float32(2)), target))
    net.output("z", x)
    changes, after = rewrite(net, eliminate_dead)
    assert changes == 0
    assert operators(after) == ["Abs", "Cast", "Expand"]
