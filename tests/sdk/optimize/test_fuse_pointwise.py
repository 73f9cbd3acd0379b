"""Elementwise chains become one program, through diamonds and over broadcasts; other readers prevent it."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.fuse_pointwise import fuse_pointwise
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite


def test_a_diamond_becomes_one_program() -> None:
    net = Network()
    x, y = net.input("x", FLOAT, ("N", 8)), net.input("y", FLOAT, (8,))
    total = net.add(x, y)
    net.output("z", net.mul(total, net.sigmoid(total)))
    changes, after = rewrite(net, fuse_pointwise)
    assert changes == 2
    assert operators(after) == ["Pointwise"]
    assert len(after.layers[0].inputs) == 2


def test_a_result_that_others_read_stays() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 8))
    total = net.exp(x)
    net.output("a", net.tanh(total))
    net.output("b", net.softmax(total))
    assert rewrite(net, fuse_pointwise)[0] == 0


def test_a_smaller_result_is_not_computed_again_and_again() -> None:
    net = Network()
    x, y = net.input("x", FLOAT, ("N", 8)), net.input("y", FLOAT, (8,))
    net.output("z", net.add(x, net.exp(y)))
    assert rewrite(net, fuse_pointwise)[0] == 0


def test_numbers_become_part_of_the_program() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 8))
    net.output("y", net.relu(net.add(net.mul(x, net.constant(np.float32(3))), net.constant(np.float32(1)))))
    _, after = rewrite(net, fuse_pointwise)
    assert operators(after) == ["Pointwise"]
    assert len(after.layers[0].inputs) == 1
