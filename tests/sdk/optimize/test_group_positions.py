"""Convolutions of few outputs as convolutions of many at fewer positions, with the same results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.pointwise import Builder, Fused
from enginewright.ops.random import RandomNormal
from enginewright.ops.rounded import Rounded
from enginewright.optimize.group_positions import group_positions
from enginewright.tensors import bfloat16, float32

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


def network(conv: Any, image: tuple[Any, ...], weight: tuple[int, ...], *, bias: bool = True) -> Network:
    net = Network()
    others: list[Tensor] = [net.constant(numbers(*weight)), *([net.constant(numbers(weight[0]))] if bias else [])]
    net.output("y", net.add(conv, net.input("x", float32, image), *others)[0])
    return net


def fused() -> Fused:
    p = Builder(float32)
    return Fused(ChannelsLast(Conv(padding=(1, 4, 1, 4))), p.finish(p.max(p.inputs[0], p.constant(float32, 0))))


@pytest.mark.parametrize(
    ("conv", "image", "weight", "kinds"),
    [
        (ChannelsLast(Conv(padding=(1, 4, 1, 4))), (2, 5, 12, 3), (8, 3, 3, 9), ["ChannelsLast", "Reshape"]),
        (ChannelsLast(Conv(padding=(1, 4, 1, 4))), (2, 5, 11, 3), (8, 3, 3, 9), ["ChannelsLast", "Reshape", "Slice"]),
        (ChannelsLast(Conv(stride=2)), (2, 6, 50, 3), (5, 3, 2, 20), None),
        (ChannelsLast(Conv(auto_pad="SAME_UPPER", stride=(1, 3))), (1, 6, 47, 2), (1, 2, 5, 5), None),
        (ChannelsLast(Conv(stride=2, padding=3)), (3, 101, 1), (1, 1, 32), None),
        (ChannelsLast(Conv(dilation=(2, 1))), (1, 9, 16, 2), (2, 2, 3, 8), None),
        (Rounded(ChannelsLast(Conv(padding=(1, 4, 1, 4)))), (2, 5, 12, 3), (8, 3, 3, 9), ["Rounded", "Reshape"]),
        (fused(), (2, 5, 12, 3), (8, 3, 3, 9), ["Fused", "Reshape"]),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_neighbours_are_one_position(
    conv: Any, image: tuple[int, ...], weight: tuple[int, ...], kinds: list[str] | None, bias: bool
) -> None:
    net = network(conv, image, weight, bias=bias)
    x = numbers(*image)
    wanted = net.evaluate({"x": x})["y"]
    assert group_positions(net) == 1
    net.infer()
    assert kinds is None or [layer.kind for layer in net.layers] == kinds
    found = net.evaluate({"x": x})["y"]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("conv", "image", "weight"),
    [
        (Conv(), (1, 5, 30, 3), (16, 3, 3, 9)),  # a vector is full
        (Conv(), (1, 5, 30, 3), (8, 3, 3, 3)),  # may be filtered
        (Conv(dilation=2), (1, 9, 40, 3), (8, 3, 3, 9)),
        (Conv(group=2), (1, 5, 30, 4), (8, 2, 3, 9)),
        (Conv(), (1, 5, "W", 3), (8, 3, 3, 9)),
        (Conv(), (1, 3, 9, 3), (8, 3, 3, 9)),  # one position
        (Conv(), (0, 3, 3, 3), (0, 3, 3, 3)),
    ],
)
def test_others_are_left(conv: Conv, image: tuple[Any, ...], weight: tuple[int, ...]) -> None:
    assert group_positions(network(ChannelsLast(conv), image, weight)) == 0


def test_what_more_is_added_to_is_left() -> None:
    p = Builder(float32, float32)
    net = Network()
    x, w = net.input("x", float32, (1, 5, 30, 3)), net.constant(numbers(8, 3, 3, 9))
    added = net.input("more", float32, (1, 3, 22, 8))
    net.output("y", net.add(Fused(ChannelsLast(Conv()), p.finish(p.add(*p.inputs))), x, w, added)[0])
    assert group_positions(net) == 0


def test_layers_without_inputs_are_left() -> None:
    net = Network()
    net.output("y", net.add(RandomNormal(shape=(2, 3)))[0])
    assert group_positions(net) == 0


def test_types_stay() -> None:
    net = network(Rounded(ChannelsLast(Conv()), bfloat16), (1, 5, 30, 3), (8, 3, 3, 9))
    group_positions(net)
    assert net.outputs[0][1].dtype is float32


def test_layers_without_inputs_are_passed_over() -> None:
    net = Network()
    net.output("y", net.random_normal(shape=(2, 3)))
    assert group_positions(net) == 0


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize(
    ("conv", "image", "weight", "neighbours"),
    [
        (Conv(padding=(1, 4, 1, 4)), (2, 5, 12, 3), (8, 3, 3, 9), 1),
        (Conv(stride=2), (2, 6, 50, 3), (5, 3, 2, 20), 2),
        (Conv(stride=2, padding=3), (1, 401, 1), (1, 1, 32), 15),
        (Conv(padding=(0, 60)), (1, 1, 400, 1), (1, 1, 1, 121), 47),
    ],
)
def test_infinity_and_nan_reach_neighbours_in_the_row(
    conv: Conv, image: tuple[int, ...], weight: tuple[int, ...], neighbours: int, value: float
) -> None:
    """What the page on precision says: NaN of more outputs, in rows whose window it is in, at most so far away."""
    net, x = network(ChannelsLast(conv), image, weight), numbers(*image)
    x.reshape(image[0], -1, *image[-2:])[0, -1, image[-2] // 2, 0] = value
    with np.errstate(invalid="ignore"):
        wanted = net.evaluate({"x": x})["y"]
        assert group_positions(net) == 1
        net.infer()
        found = net.evaluate({"x": x})["y"]
    more = np.isnan(found) & ~np.isnan(wanted)
    np.testing.assert_allclose(found[~more], wanted[~more], rtol=1e-4, atol=1e-4)
    assert np.isfinite(wanted[more]).all()
    seen, beyond = (
        array.reshape(-1, wanted.shape[-2], wanted.shape[-1]).any(-1) for array in (~np.isfinite(wanted), more)
    )
    reached = [(np.flatnonzero(seen[row]), np.flatnonzero(beyond[row])) for row in np.flatnonzero(beyond.any(-1))]
    assert reached
    for own, others in reached:
        assert 0 < max(own.min() - others.min(), others.max() - own.max()) <= neighbours
