"""Images that only convolutions in bfloat16 read are rounded while they are turned, in one step."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from enginewright.graph.network import Network
from enginewright.ops.channels_last import ChannelsLast, ImageToChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.rounded import Rounded
from enginewright.optimize import NARROWING, optimize, pipeline
from enginewright.optimize.round_images import round_images
from tests.sdk.optimize.rewriting import operators, rewrite

RNG = np.random.default_rng(0)


def network(channels: int) -> Network:
    """Two convolutions of an image."""
    net = Network()
    x = net.input("x", ew.float32, (2, channels, 9, 7))
    for index in range(2):
        weight = RNG.standard_normal((16, channels, 3, 3)).astype(np.float32) / np.float32(np.sqrt(9 * channels))
        net.output(f"y{index}", net.conv(x, net.constant(weight), padding=1, stride=2))
    optimize(net, [run for run in pipeline("cpu", "bf16") if run not in NARROWING])
    return net


@pytest.mark.parametrize("channels", [1, 3, 4, 8])
def test_channels_become_even(channels: int) -> None:
    changes, after = rewrite(network(channels), round_images, 3e-2)
    assert changes == 2  # each convolution has a transpose of its own, and one image serves both
    assert operators(after).count("ImageToChannelsLast") == 1
    assert {layer.op for layer in after.layers if layer.kind == "ImageToChannelsLast"} == {
        ImageToChannelsLast(channels + channels % 2, ew.bfloat16)
    }
    assert operators(after).count("Rounded") == 2


def test_images_of_many_channels_are_left() -> None:
    assert rewrite(network(9), round_images)[0] == 0


def test_images_that_others_read_are_left() -> None:
    net = Network()
    turned = net.transpose(net.input("x", ew.float32, (2, 3, 9, 7)), perm=(0, 2, 3, 1))
    weight = net.constant(RNG.standard_normal((16, 3, 3, 3)).astype(np.float32))
    net.output("y", net.add(Rounded(ChannelsLast(Conv())), turned, weight)[0])
    net.output("z", net.sigmoid(turned))
    assert rewrite(net, round_images)[0] == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_engine_computes_the_same(channels: int) -> None:
    net = network(channels)
    x = {"x": RNG.standard_normal((2, channels, 9, 7)).astype(np.float32)}
    wanted = net.evaluate(x)
    assert round_images(net) == 2
    net.infer()
    found = ew.load(ew.build(net, ew.BuilderConfig(level=0, timing_cache="", threads=2))).run(x)
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5 * np.abs(array).max())
