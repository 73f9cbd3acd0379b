"""A chain of reshapes and transposes that ends in the order in which it began is one reshape."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.reuse_order import reuse_order
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def _run(network: Network) -> int:
    changes = reuse_order(network)
    eliminate_dead(network)
    return changes


def test_patches_of_an_image() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 4, 5, 6))
    planes = net.reshape(net.transpose(x, perm=(0, 3, 1, 2)), net.constant([0, 6, 20]))
    net.output("y", net.transpose(planes, perm=(0, 2, 1)))
    changes, after = rewrite(net, _run)
    assert changes == 1
    assert operators(after) == ["Reshape"]


def test_an_axis_of_one_entry() -> None:
    net = Network()
    x = net.input("x", FLOAT, (1, 5, 6))
    net.output("y", net.transpose(x, perm=(1, 0, 2)))
    changes, after = rewrite(net, _run)
    assert (changes, operators(after)) == (1, ["Reshape"])


def test_others_stay() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6))
    net.output("y", net.transpose(x, perm=(1, 0, 2)))
    part = net.split(x, axis=0, num_outputs=2)[1]
    net.output("z", net.transpose(part, perm=(1, 0, 2)))
    net.output("c", net.transpose(net.constant(np.ones((1, 2), np.float32)), perm=(1, 0)))
    assert rewrite(net, _run)[0] == 0
