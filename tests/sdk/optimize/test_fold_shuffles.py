"""Shuffles of channels pass depthwise convolutions and activations, and vanish in the convolution behind."""

from __future__ import annotations

from enginewright.graph.network import Network
from enginewright.ops.channel_shuffle import ChannelShuffle, Shuffled
from enginewright.ops.conv import Conv
from enginewright.optimize.fold_shuffles import fold_shuffles
from tests.sdk.optimize.rewriting import FLOAT, conv_last, operators, rewrite, weights


def test_groups_read_the_channels_as_they_were() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6, 12))
    y = net.relu(net.add(ChannelShuffle(3, 3), x)[0])
    y = conv_last(net, y, Conv(group=12, padding=1), 12, 1, 3, 3)
    net.output("y", conv_last(net, y, Conv(group=4), 8, 3, 1, 1))
    changes, after = rewrite(net, fold_shuffles)
    assert changes == 3
    assert operators(after) == ["Relu", "ChannelsLast", "ChannelsLast"]
    assert after.layers[-1].op.anchor == Shuffled(Conv(group=4), 3)


def test_weights_of_one_group_are_reordered() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6, 12))
    y = net.add(ChannelShuffle(4, -1), x)[0]
    net.output("y", conv_last(net, y, Conv(padding=1, stride=2), 7, 12, 3, 3))
    changes, after = rewrite(net, fold_shuffles)
    assert changes == 1
    assert operators(after) == ["ChannelsLast"]


def test_what_mixes_or_shares_channels_keeps_the_shuffle() -> None:
    net = Network()
    x = net.input("x", FLOAT, (2, 5, 6, 12))
    net.output("a window", conv_last(net, net.add(ChannelShuffle(3, 3), x)[0], Conv(group=4, padding=1), 8, 3, 3, 3))
    net.output("steps", conv_last(net, net.add(ChannelShuffle(3, 3), x)[0], Conv(group=4, stride=2), 8, 3, 1, 1))
    rows = net.add(ChannelShuffle(5, 1), x)[0]
    net.output("not the channels", conv_last(net, rows, Conv(), 8, 12, 1, 1))
    twice = net.add(ChannelShuffle(2, 3), x)[0]
    net.output("read twice", net.concat(net.relu(twice), net.neg(twice), axis=3))
    net.output("by channel", net.mul(net.add(ChannelShuffle(2, 3), x)[0], net.constant(weights(12))))
    assert rewrite(net, fold_shuffles)[0] == 0
