"""Reshape, transpose and reshape that shuffle channels become one layer; others stay."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.find_shuffles import find_shuffles
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def shuffle(net: Network, x: Tensor, seen: tuple[int, ...], perm: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    first = net.reshape(x, net.constant(np.array(seen)))
    return net.reshape(net.transpose(first, perm=perm), net.constant(np.array(shape)))


def test_shuffles_are_found() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 12, 4, 5))
    net.output("y", shuffle(net, x, (2, 3, 4, 4, 5), (0, 2, 1, 3, 4), (2, 12, 4, 5)))
    changes, after = rewrite(net, find_shuffles)
    assert changes == 1
    assert operators(after) == ["ChannelShuffle"]
    assert after.layers[0].op.groups == 3


def test_other_moves_are_left() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 12, 4, 5))
    net.output("rows too", shuffle(net, x, (2, 3, 4, 4, 5), (0, 2, 1, 4, 3), (2, 12, 4, 5)))
    net.output("another shape", shuffle(net, x, (2, 3, 4, 4, 5), (0, 2, 1, 3, 4), (2, 12, 20, 1)))
    net.output("not the channels", shuffle(net, x, (2, 12, 2, 2, 5), (0, 1, 3, 2, 4), (2, 12, 4, 5)))
    seen = net.reshape(x, net.constant(np.array((2, 3, 4, 4, 5))))
    net.output("read twice", seen)
    turned = net.transpose(seen, perm=(0, 2, 1, 3, 4))
    net.output("shuffled", net.reshape(turned, net.constant(np.array((2, 12, 4, 5)))))
    assert rewrite(net, find_shuffles)[0] == 0
