"""Weights of depthwise convolutions in bfloat16 are rounded so that errors in a window cancel."""

from __future__ import annotations

from typing import Any

import numpy as np

import enginewright as ew
from enginewright.graph.network import Layer, Network
from enginewright.ops.rounded import rounded
from enginewright.optimize import optimize, pipeline
from enginewright.optimize.even_weights import even_weights
from enginewright.tensors import bfloat16, float32

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)


def depthwise(weight: Array) -> Network:
    """A product of pixels, a depthwise convolution, and another product, in bfloat16."""
    channels = len(weight)
    pixels = (RNG.standard_normal((channels, channels, 1, 1)) / 8).astype(np.float32)
    net = Network()
    x = net.conv(net.input("x", float32, (1, channels, 8, 8)), net.constant(pixels))
    net.output("y", net.conv(net.conv(x, net.constant(weight), group=channels), net.constant(pixels)))
    optimize(net, pipeline("cpu", "bf16"))
    return net


def weights(net: Network) -> list[Array]:
    """Of its depthwise convolutions, in float32."""

    def is_depthwise(layer: Layer) -> bool:
        op = layer.op.anchor if layer.kind == "Fused" else layer.op
        return op.KEY.name == "Rounded" and op.anchor.anchor.group > 1

    found = [layer.inputs[1] for layer in net.layers if is_depthwise(layer)]
    return [tensor.const for tensor in found if tensor is not None and tensor.const is not None]


def test_what_a_channel_sums_up_to_is_kept() -> None:
    weight = RNG.standard_normal((32, 1, 3, 3)).astype(np.float32)
    net = depthwise(weight)
    assert even_weights(net) == 1
    (even,) = weights(net)
    np.testing.assert_array_equal(even, rounded(even, bfloat16))
    assert np.abs(even - weight).max() <= 2**-7 * np.abs(weight).max(), "each is off by one unit at most"
    sums, usual = (np.abs((found - weight).sum((1, 2, 3))) for found in (even, rounded(weight, bfloat16)))
    assert (sums <= 2**-8 * np.abs(weight).max((1, 2, 3))).all(), "the last one of a window loses half of one"
    assert sums.mean() < usual.mean() / 2


def test_rounded_weights_are_left_alone() -> None:
    net = depthwise(RNG.standard_normal((32, 1, 3, 3)).astype(np.float32))
    assert even_weights(net) == 1
    net.infer()
    before = weights(net)
    assert even_weights(net) == 0
    assert weights(net)[0] is before[0]
    assert even_weights(depthwise(rounded(RNG.standard_normal((32, 1, 3, 3)), bfloat16))) == 0


def test_what_is_no_number_stays_where_it_is() -> None:
    weight = RNG.standard_normal((32, 1, 3, 3)).astype(np.float32)
    weight[3, 0, 1, 1], weight[4, 0, 0, 0] = np.nan, np.inf
    net = depthwise(weight)
    assert even_weights(net) == 1
    (even,) = weights(net)
    np.testing.assert_array_equal(np.isfinite(even), np.isfinite(weight))


def test_only_depthwise_convolutions_that_are_rounded_change() -> None:
    net = Network()
    x = net.input("x", ew.float32, (1, 32, 8, 8))
    net.output("y", net.conv(x, net.constant(RNG.standard_normal((32, 1, 3, 3)).astype(np.float32)), group=32))
    optimize(net, pipeline("cpu", "bf16"))
    assert even_weights(net) == 0
