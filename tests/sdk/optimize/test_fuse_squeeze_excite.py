"""Squeeze and excitation of images with their channels last becomes one layer."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright.tactics
from enginewright.graph.network import Network, Tensor
from enginewright.optimize.cancel_transposes import cancel_transposes
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.fuse_squeeze_excite import fuse_squeeze_excite
from enginewright.optimize.prefer_channels_last import prefer_channels_last
from enginewright.tensors import float16
from tests.sdk.optimize.rewriting import operators, rewrite

enginewright.tactics.load()
RNG = np.random.default_rng(0)


def conv(net: Network, x: Tensor, channels: int, *, kernel: int = 1) -> Tensor:
    weight = 0.3 * RNG.standard_normal((channels, int(x.shape[1]), kernel, kernel))  # type: ignore[arg-type]
    given = [net.constant(array.astype(np.float16)) for array in (weight, RNG.standard_normal(channels))]
    return net.conv(x, *given, padding=kernel // 2)


def block(net: Network, x: Tensor, activation: str = "swish", *, kernel: int = 1) -> Tensor:
    hidden = getattr(net, activation)(conv(net, net.global_average_pool(x), 6, kernel=kernel))
    return net.mul(net.sigmoid(conv(net, hidden, int(x.shape[1]))), x)  # type: ignore[arg-type]


def run(network: Network) -> int:
    prefer_channels_last(network)
    cancel_transposes(network)
    eliminate_dead(network)
    changes = fuse_squeeze_excite(network)
    eliminate_dead(network)
    return changes


@pytest.mark.parametrize("activation", ["swish", "relu"])
def test_between_convolutions(activation: str) -> None:
    net = Network()
    x = net.input("x", float16, (2, 8, 5, 5))
    net.output("y", conv(net, block(net, conv(net, x, 16), activation), 8))
    changes, after = rewrite(net, run, tolerance=2e-2)
    assert changes == 1
    assert [name for name in operators(after) if name != "Transpose"] == [
        "ChannelsLast",
        "SqueezeExcite",
        "ChannelsLast",
    ]


@pytest.mark.parametrize("why", ["gate of another image", "gate read twice", "tanh", "padded", "seven channels"])
def test_others_stay(why: str) -> None:
    net = Network()
    x = conv(net, net.input("x", float16, (2, 8, 5, 5)), 7 if why == "seven channels" else 16)
    y = block(net, x, "tanh" if why == "tanh" else "relu", kernel=3 if why == "padded" else 1)
    if why == "gate of another image":
        assert y.producer is not None
        y = net.mul(y.producer.inputs[0], net.relu(x))
    if why == "gate read twice":
        assert y.producer is not None
        net.output("gate", y.producer.inputs[0])  # type: ignore[arg-type]
    net.output("y", y)
    assert rewrite(net, run, tolerance=2e-2)[0] == 0
