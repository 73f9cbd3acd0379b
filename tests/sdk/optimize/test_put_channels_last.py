"""On CPUs convolutions and what is behind them work with channels last; transposes stay at the ends only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.optimize import optimize
from enginewright.optimize.cancel_transposes import cancel_transposes
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.put_channels_last import put_channels_last, wants_channels_last
from enginewright.tensors import float32
from tests.sdk.optimize.rewriting import rewrite, weights


def test_float32_has_channels_last_on_cpus() -> None:
    net = Network()
    x = net.input("x", float32, (2, 3, 12, 10))
    y = net.relu(net.conv(x, net.constant(weights(16, 3, 3, 3)), padding=1))
    y = net.max_pool(y, kernel_shape=(3, 3), stride=2)
    few = net.conv(y, net.constant(weights(4, 16, 1, 1)))
    net.output("y", net.concat(few, y, axis=1))
    array = weights(2, 3, 12, 10)
    wanted = net.evaluate({"x": array})["y"]
    assert wants_channels_last(net)
    assert put_channels_last(net) == 3
    cancel_transposes(net)
    eliminate_dead(net)
    net.infer()
    np.testing.assert_allclose(net.evaluate({"x": array})["y"], wanted, rtol=1e-5, atol=1e-6)
    assert [layer.kind for layer in net.layers].count("Transpose") == 2
    assert not wants_channels_last(net)


def test_resizes_means_and_transposed_convolutions_follow() -> None:
    net = Network()
    x = net.input("x", float32, (2, 16, 6, 5))
    y = net.conv(x, net.constant(weights(16, 16, 3, 3)), padding=1)
    y = net.resize(y, scales=net.constant(np.array([1, 1, 2, 3], np.float32)), mode="nearest")
    y = net.resize(y, sizes=net.constant(np.array([8, 9], np.int64)), axes=(3, 2), mode="linear")
    y = net.conv_transpose(y, net.constant(weights(16, 3, 2, 2)), stride=2)
    net.output("y", y)
    for name, keepdims in (("kept", 1), ("gone", 0)):
        net.output(name, net.reduce_mean(y, net.constant(np.array([2, -1])), keepdims=keepdims))
    array = weights(2, 16, 6, 5)
    wanted = net.evaluate({"x": array})
    assert put_channels_last(net) == 2
    cancel_transposes(net)
    eliminate_dead(net)
    net.infer()
    for name, found in net.evaluate({"x": array}).items():
        np.testing.assert_allclose(found, wanted[name], rtol=1e-5, atol=1e-6)
    kinds = [layer.kind for layer in net.layers]
    assert kinds.count("Transpose") == 3  # of the input and of two outputs
    assert "ReduceMean" not in kinds


def test_a_normalization_of_channels_follows_and_the_pool_behind_it() -> None:
    net = Network()
    y = net.conv(net.input("x", float32, (1, 4, 9, 8)), net.constant(weights(8, 4, 3, 3)))
    net.output("y", net.max_pool(net.lrn(y, size=3, alpha=0.5), kernel_shape=(2, 2)))
    x = weights(1, 4, 9, 8)
    wanted = net.evaluate({"x": x})["y"]
    assert put_channels_last(net) == 3
    cancel_transposes(net)
    eliminate_dead(net)
    assert [layer.kind for layer in net.layers].count("Transpose") == 2  # of the input and of the output
    np.testing.assert_allclose(net.evaluate({"x": x})["y"], wanted, rtol=1e-6)


def test_few_channels_alone_are_not_worth_a_conversion() -> None:
    net = Network()
    x = net.input("x", float32, (1, 8, 6, 5))
    y = net.conv(x, net.constant(weights(4, 8, 3, 3)))
    net.output("y", net.max_pool(y, kernel_shape=(2, 2)))
    assert not wants_channels_last(net)
    assert put_channels_last(net) == 0


def test_signals_have_their_channels_last_as_well() -> None:
    net = Network()
    x = net.input("x", float32, (2, 12, 30))
    y = net.relu(net.conv(x, net.constant(weights(16, 12, 3)), padding=1))
    one = net.constant(np.array([1]))
    end = net.slice(y, net.constant(np.array([-4])), net.constant(np.array([30])), net.constant(np.array([-1])), one)
    part = net.slice(y, one, net.constant(np.array([9])), one, one)
    y = net.concat(end, y, axis=2)
    y = net.conv(y, net.constant(weights(16, 16, 3)), dilation=2)
    net.output("y", net.max_pool(y, kernel_shape=(2,), stride=2))
    net.output("part", part)
    array = weights(2, 12, 30)
    wanted = net.evaluate({"x": array})
    assert put_channels_last(net) == 3
    cancel_transposes(net)
    eliminate_dead(net)
    net.infer()
    found = net.evaluate({"x": array})
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)
    assert [layer.kind for layer in net.layers].count("Transpose") == 3  # of the input and of both outputs


def test_transposes_of_rank_3_stay_where_no_convolution_has_them() -> None:
    net = Network()
    x = net.input("x", float32, (2, 12, 30))
    net.output("y", net.relu(net.transpose(x, perm=(0, 2, 1))))
    assert put_channels_last(net) == 0
    assert [layer.kind for layer in net.layers] == ["Transpose", "Relu"]


def signal(net: Network, *shape: int, layers: int = 1) -> Tensor:
    """What convolutions along one axis make of a signal of as many channels."""
    y = net.input("x", float32, shape)
    for _ in range(layers):
        y = net.conv(y, net.constant(weights(shape[1], shape[1], 3)), padding=1)
    return y


def bias_of_attention(net: Network) -> Tensor:
    bias = net.transpose(net.input("z", float32, (6, 6, 6)), perm=(0, 2, 1))
    return net.softmax(net.add(net.input("a", float32, (2, 6, 6, 6)), bias))


def bias_of_other_sizes(net: Network) -> Tensor:
    return net.add(
        net.input("a", float32, (2, 4, 5, 6)), net.transpose(net.input("z", float32, (4, 6, 5)), perm=(0, 2, 1))
    )


def bias_of_an_image(net: Network) -> Tensor:
    image = net.conv(net.input("x", float32, (2, 8, 6, 5)), net.constant(weights(8, 8, 1, 1)))
    return net.add(image, net.transpose(net.input("z", float32, (8, 5, 6)), perm=(0, 2, 1)))


def images_and_a_signal(net: Network) -> Tensor:
    return net.add(signal(net, 1, 32, 20), net.input("z", float32, (2, 3, 32, 20)))


def images_and_a_cube(net: Network) -> Tensor:
    return net.relu(net.add(signal(net, 8, 8, 8, layers=4), net.input("z", float32, (2, 8, 8, 8))))


LOWER = (bias_of_attention, bias_of_other_sizes, bias_of_an_image, images_and_a_signal, images_and_a_cube)


@pytest.mark.parametrize("make", LOWER)
@pytest.mark.parametrize("run", [put_channels_last, optimize])
def test_what_has_fewer_axes_is_spread_before_it_is_turned(
    make: Callable[[Network], Tensor], run: Callable[[Network], int]
) -> None:
    """Sizes that are equal hide axes that were taken for each other from the shapes, not from the numbers."""
    net = Network()
    y = make(net)
    net.output("y", y)
    net.output("part", net.concat(y, net.sigmoid(y), axis=1))
    rewrite(net, run, tolerance=1e-4)
