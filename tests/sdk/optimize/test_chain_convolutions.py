"""Depthwise convolutions join the 1 x 1 convolutions around them, if nobody else reads what lies between."""

from __future__ import annotations

import numpy as np

from enginewright.graph.network import Network
from enginewright.ops.conv import Conv
from enginewright.optimize.chain_convolutions import chain_convolutions
from enginewright.optimize.fuse_epilogues import fuse_epilogues
from tests.sdk.optimize.rewriting import FLOAT, conv_last, operators, rewrite

DEPTHWISE = Conv(group=24, padding=1)


def joined(net: Network) -> Network:
    fuse_epilogues(net)
    return rewrite(net, chain_convolutions)[1]


def test_a_block_with_its_residual_is_one_layer() -> None:
    net = Network()
    x = net.input("x", FLOAT, ("N", 5, 6, 8))
    y = net.relu(conv_last(net, x, Conv(), 24, 8, 1, 1))
    y = net.clip(conv_last(net, y, DEPTHWISE, 24, 1, 3, 3), net.constant(np.float32(0)), net.constant(np.float32(6)))
    net.output("y", net.add(conv_last(net, y, Conv(), 8, 24, 1, 1), x))
    after = joined(net)
    assert operators(after) == ["Fused"]
    chain = after.layers[0].op.anchor
    assert [stage.KEY.name for stage in chain.stages] == ["Fused", "Fused", "ChannelsLast"]
    assert chain.counts == (2, 2, 2)


def test_two_of_them_join_as_well() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6, 24))
    net.output("behind", conv_last(net, conv_last(net, x, DEPTHWISE, 24, 1, 3, 3), Conv(), 7, 24, 1, 1))
    net.output(
        "before",
        net.relu(conv_last(net, conv_last(net, x, Conv(group=2), 24, 12, 1, 1), DEPTHWISE, 24, 1, 3, 3)),
    )
    assert operators(joined(net)) == ["ConvChain", "Fused"]


def test_what_others_read_too_is_kept() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6, 24))
    between = conv_last(net, x, DEPTHWISE, 24, 1, 3, 3)
    net.output("y", conv_last(net, between, Conv(), 7, 24, 1, 1))
    net.output("between", between)
    residual = net.add(conv_last(net, x, Conv(), 24, 24, 1, 1), x)
    net.output("more is read", conv_last(net, residual, DEPTHWISE, 24, 1, 3, 3))
    steps = conv_last(net, x, Conv(stride=2), 24, 24, 1, 1)
    net.output("steps", conv_last(net, steps, DEPTHWISE, 24, 1, 3, 3))
    window = conv_last(net, x, Conv(padding=1), 24, 24, 3, 3)
    net.output("a window", conv_last(net, window, DEPTHWISE, 24, 1, 3, 3))
    tall = conv_last(net, x, Conv(group=24, padding=(9, 0)), 24, 1, 17, 1)
    net.output("too many rows", conv_last(net, tall, Conv(), 7, 24, 1, 1))
    own = conv_last(net, x, DEPTHWISE, 24, 1, 3, 3)
    net.output("added to itself", net.add(conv_last(net, own, Conv(), 24, 24, 1, 1), own))
    first = net.relu(conv_last(net, x, Conv(), 24, 24, 1, 1))
    net.output("added to the depthwise one", net.add(conv_last(net, first, DEPTHWISE, 24, 1, 3, 3), first))
    assert "ConvChain" not in str(joined(net).layers)
