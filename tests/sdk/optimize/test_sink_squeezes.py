"""Convolutions of one axis, written as images of one row, keep their bias and activation."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.sink_squeezes import sink_squeezes
from enginewright.tensors import float32
from tests.sdk.optimize.rewriting import weights

AXIS = np.array([2], np.int64)


def check(net: Network, changes: int) -> list[str]:
    x = {"x": weights(2, 8, 1, 9)}
    wanted = net.evaluate(x)["y"]
    assert sink_squeezes(net) == changes
    eliminate_dead(net)
    net.infer()
    np.testing.assert_array_equal(net.evaluate(x)["y"], wanted)
    return [layer.kind for layer in net.layers]


def test_bias_and_relu_come_before_the_squeeze_and_the_unsqueeze_goes() -> None:
    net = Network()
    x = net.input("x", float32, (2, 8, 1, 9))
    y = net.squeeze(net.conv(x, net.constant(weights(4, 8, 1, 3))), net.constant(AXIS))
    y = net.relu(net.add(net.constant(weights(4, 1)), y))
    y = net.unsqueeze(y, net.constant(np.array([-2], np.int64)))
    net.output("y", net.conv(y, net.constant(weights(5, 4, 1, 3))))
    assert check(net, 3) == ["Conv", "Add", "Relu", "Conv"]


def test_two_squeezed_images_are_added() -> None:
    net = Network()
    x = net.input("x", float32, (2, 8, 1, 9))
    a, b = (net.squeeze(net.conv(x, net.constant(weights(4, 8, 1, 1))), net.constant(AXIS)) for _ in range(2))
    net.output("y", net.add(a, b))
    assert check(net, 1) == ["Conv", "Conv", "Add", "Squeeze"]


def test_other_axes_and_other_tensors_stay() -> None:
    net = Network()
    x = net.input("x", float32, (2, 8, 1, 9))
    y = net.squeeze(net.conv(x, net.constant(weights(4, 8, 1, 1))), net.constant(AXIS))
    y = net.mul(y, net.reduce_max(y, net.constant(np.array([2], np.int64)), keepdims=True))
    net.output("y", net.unsqueeze(y, net.constant(np.array([1], np.int64))))
    assert "Squeeze" in check(net, 0)


def test_images_with_other_numbers_of_axes_stay() -> None:
    net = Network()
    x = net.input("x", float32, (2, 8, 1, 9))
    y = net.squeeze(net.conv(x, net.constant(weights(9, 8, 1, 1))), net.constant(AXIS))
    other = net.conv(net.constant(weights(9, 8, 1)), net.constant(weights(9, 8, 1)))  # its axis 2 is of size 1, too
    net.output("y", net.add(y, net.squeeze(other, net.constant(AXIS))))
    assert check(net, 0).count("Squeeze") == 2
    net = Network()
    x = net.input("x", float32, (2, 8, 1, 9))
    y = net.squeeze(net.conv(x, net.constant(weights(9, 8, 1, 1))), net.constant(AXIS))
    net.output("y", net.add(y, net.constant(weights(3, 1, 9, 9))))
    assert "Squeeze" in check(net, 0)
