"""A written-out Swish becomes one layer; a product with the sigmoid of something else does not."""

from __future__ import annotations

from enginewright.graph.network import Network
from enginewright.optimize.fuse_swish import fuse_swish
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def test_both_orders() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 16))
    y = net.mul(x, net.sigmoid(x))
    net.output("y", net.mul(net.sigmoid(y), y))
    changes, after = rewrite(net, fuse_swish)
    assert changes == 2
    assert operators(after) == ["Swish", "Swish"]


def test_gates_and_shared_sigmoids_are_left() -> None:
    net = Network()
    x, gate = (net.input(name, FLOAT, ("N", 16)) for name in ("x", "gate"))
    net.output("y", net.mul(x, net.sigmoid(gate)))
    shared = net.sigmoid(x)
    net.output("z", net.mul(x, shared))
    net.output("s", shared)
    assert rewrite(net, fuse_swish)[0] == 0
