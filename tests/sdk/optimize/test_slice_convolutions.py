"""Positions that a slice drops are not computed, where the convolution has no padding before them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.optimize.eliminate_dead import eliminate_dead
from enginewright.optimize.slice_convolutions import slice_convolutions
from enginewright.tensors import float32

RNG = np.random.default_rng(0)
FAR = 2**63 - 1


def part(net: Network, x: Tensor, *bounds: int) -> Tensor:
    """Start, end, axis, and a step if it is not 1."""
    return net.slice(x, *(net.constant(np.array([number])) for number in bounds))


def frames(net: Network, **attributes: Any) -> Tensor:
    x = net.input("x", float32, ("N", 1, 70))
    return net.conv(x, net.constant(RNG.standard_normal((10, 1, 16)).astype(np.float32)), **{"stride": 8, **attributes})


def test_both_halves_of_a_transform_without_its_first_frames() -> None:
    net = Network()
    y = frames(net, padding=(0, 3))
    halves = [part(net, part(net, y, first, last, 1), 2, FAR, -1) for first, last in ((0, 5), (5, FAR))]
    net.output("y", net.add(*halves))
    x = {"x": RNG.standard_normal((3, 1, 70)).astype(np.float32)}
    wanted = net.evaluate(x)["y"]
    assert slice_convolutions(net) == 3
    eliminate_dead(net)
    net.infer()
    assert [layer.kind for layer in net.layers] == ["Slice", "Conv", "Slice", "Slice", "Add"]
    np.testing.assert_allclose(net.evaluate(x)["y"], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "bounds"),
    [
        ({"padding": (3, 0)}, (1, FAR, 2)),  # what lies in the padding would be missing
        ({}, (0, FAR, 2)),
        ({}, (1, 4, 2)),
        ({}, (1, FAR, 1)),
        ({}, (1, FAR, 2, 2)),
    ],
)
def test_others_are_left(attributes: dict[str, Any], bounds: tuple[int, ...]) -> None:
    net = Network()
    net.output("y", part(net, frames(net, **attributes), *bounds))
    assert slice_convolutions(net) == 0


def test_a_convolution_that_others_read_is_left() -> None:
    net = Network()
    y = frames(net)
    net.output("all", net.relu(y))
    net.output("noise", net.random_normal(shape=(2,)))  # a layer that reads nothing
    net.output("y", part(net, y, 1, FAR, 2))
    assert slice_convolutions(net) == 0
