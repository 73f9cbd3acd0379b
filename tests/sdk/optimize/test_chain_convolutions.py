"""Depthwise convolutions join the 1 x 1 convolutions around them, if nobody else reads what lies between."""

from __future__ import annotations

from typing import Any

import numpy as np

from enginewright.graph.network import Network, Tensor
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.optimize.chain_convolutions import chain_convolutions
from enginewright.optimize.fuse_epilogues import fuse_epilogues
from tests.sdk.optimize.rewriting import FLOAT, operators, rewrite

DEPTHWISE = Conv(group=24, padding=1)


def weights(*shape: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 0.2


def conv(net: Network, x: Tensor, op: Any, *shape: int) -> Tensor:
    return net.add(ChannelsLast(op), x, net.constant(weights(*shape)), net.constant(weights(shape[0])))[0]


def joined(net: Network) -> Network:
    fuse_epilogues(net)
    return rewrite(net, chain_convolutions)[1]


def test_a_block_with_its_residual_is_one_layer() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 5, 6, 8))
    y = net.relu(conv(net, x, Conv(), 24, 8, 1, 1))
    y = net.clip(conv(net, y, DEPTHWISE, 24, 1, 3, 3), net.constant(np.float32(0)), net.constant(np.float32(6)))
    net.output("y", net.add(conv(net, y, Conv(), 8, 24, 1, 1), x))
    after = joined(net)
    assert operators(after) == ["Fused"]
    chain = after.layers[0].op.anchor
    assert [stage.KEY.name for stage in chain.stages] == ["Fused", "Fused", "ChannelsLast"]
    assert chain.counts == (2, 2, 2)


def test_two_of_them_join_as_well() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6, 24))
    net.output("behind", conv(net, conv(net, x, DEPTHWISE, 24, 1, 3, 3), Conv(), 7, 24, 1, 1))
    net.output("before", net.relu(conv(net, conv(net, x, Conv(group=2), 24, 12, 1, 1), DEPTHWISE, 24, 1, 3, 3)))
    assert operators(joined(net)) == ["ConvChain", "Fused"]


def test_what_others_read_too_is_kept() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6, 24))
    between = conv(net, x, DEPTHWISE, 24, 1, 3, 3)
    net.output("y", conv(net, between, Conv(), 7, 24, 1, 1))
    net.output("between", between)
    residual = net.add(conv(net, x, Conv(), 24, 24, 1, 1), x)
    net.output("more is read", conv(net, residual, DEPTHWISE, 24, 1, 3, 3))
    steps = conv(net, x, Conv(stride=2), 24, 24, 1, 1)
    net.output("steps", conv(net, steps, DEPTHWISE, 24, 1, 3, 3))
    window = conv(net, x, Conv(padding=1), 24, 24, 3, 3)
    net.output("a window", conv(net, window, DEPTHWISE, 24, 1, 3, 3))
    tall = conv(net, x, Conv(group=24, padding=(9, 0)), 24, 1, 17, 1)
    net.output("too many rows", conv(net, tall, Conv(), 7, 24, 1, 1))
    own = conv(net, x, DEPTHWISE, 24, 1, 3, 3)
    net.output("added to itself", net.add(conv(net, own, Conv(), 24, 24, 1, 1), own))
    first = net.relu(conv(net, x, Conv(), 24, 24, 1, 1))
    net.output("added to the depthwise one", net.add(conv(net, first, DEPTHWISE, 24, 1, 3, 3), first))
    assert "ConvChain" not in str(joined(net).layers)
