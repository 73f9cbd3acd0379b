"""1x1 convolutions read several images, normalized, without a layer that joins or normalizes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.graph.network import Network, Tensor
from enginewright.ops.joined_conv import JoinedConv
from enginewright.ops.pointwise import Builder, Fused
from enginewright.optimize import optimize, pipeline
from enginewright.optimize.join_channels import find_line
from enginewright.tensors import bfloat16, float32

Array = np.ndarray[Any, Any]


def numbers(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def conv(net: Network, x: Tensor, m: int, side: int = 1) -> Tensor:
    return net.conv(x, net.constant(numbers(m, int(x.shape[1]), side, side)), padding=side // 2)  # type: ignore[arg-type]


def normalized(net: Network, x: Tensor) -> Tensor:
    shape = (int(x.shape[1]), 1, 1)  # type: ignore[arg-type]
    y = net.add(net.mul(x, net.constant(numbers(*shape))), net.constant(np.ones(shape, np.float32)))
    return net.relu(y)


def joined(net: Network) -> list[JoinedConv]:
    ops = [layer.op.anchor if isinstance(layer.op, Fused) else layer.op for layer in net.layers]
    return [op for op in ops if isinstance(op, JoinedConv)]


def check(net: Network) -> None:
    x = numbers(1, 3, 6, 7)
    wanted = net.evaluate({"x": x})["y"]
    optimize(net)
    np.testing.assert_allclose(net.evaluate({"x": x})["y"], wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def dense_block(net: Network) -> Tensor:
    x = conv(net, net.input("x", float32, (1, 3, 6, 7)), 16, 3)
    for _ in range(3):
        y = net.relu(conv(net, normalized(net, x), 24))
        x = net.concat(x, conv(net, y, 8, 3), axis=1)
    return x


def test_a_dense_block_has_no_concat_and_no_normalization_left() -> None:
    net = Network()
    net.output("y", conv(net, normalized(net, dense_block(net)), 20))
    check(net)
    assert joined(net) == [JoinedConv(cut=True)] * 4
    assert not {"Concat", "Pointwise"} & {layer.kind for layer in net.layers}
    assert len(net.layers[-2].inputs) == 5 + 3


def test_in_bfloat16_images_and_normalized_numbers_are_rounded() -> None:
    net = Network()
    net.output("y", conv(net, normalized(net, dense_block(net)), 20))
    x = numbers(1, 3, 6, 7)
    wanted = net.evaluate({"x": x})["y"]
    optimize(net, pipeline("cpu", "bf16"))
    assert np.abs(net.evaluate({"x": x})["y"] - wanted).max() < 2e-2 * np.abs(wanted).max()
    assert joined(net) == [JoinedConv(cut=True, dtype=bfloat16)] * 4
    assert not {"Concat", "Pointwise"} & {layer.kind for layer in net.layers}
    images = [tensor for index, tensor in enumerate(net.layers[-2].inputs) if index == 0 or index > 4]
    assert [tensor.dtype for tensor in images if tensor is not None] == [bfloat16] * 4


def test_images_that_others_read_stay_joined() -> None:
    net = Network()
    x = dense_block(net)
    y = net.add(conv(net, x, 40), x)  # the joined image is read twice
    net.output("y", y)
    check(net)
    assert len(joined(net)) == 3
    assert "Concat" in [layer.kind for layer in net.layers]


@pytest.mark.parametrize("change", ["stride", "padding", "group"])
def test_other_convolutions_are_left_alone(change: str) -> None:
    net = Network()
    x = conv(net, net.input("x", float32, (1, 3, 6, 7)), 16, 3)
    channels = 8 if change == "group" else 16
    net.output("y", net.conv(normalized(net, x), net.constant(numbers(16, channels, 1, 1)), **{change: 2}))
    check(net)
    assert joined(net) == []


def test_lines() -> None:
    p = Builder(float32, float32)
    x, a = p.inputs
    constants = {1: np.array([2.0, 3.0], np.float32)}
    half = p.constant(float32, 0.5)
    line = find_line(p.finish(p.max(p.sub(p.mul(p.add(x, half), a), half), p.constant(float32, 0))), 0, constants)
    assert line is not None and line.cut
    np.testing.assert_array_equal(line.scale, [2, 3])
    np.testing.assert_array_equal(line.shift, [0.5, 1])
    for program in (
        p.finish(p.sub(half, x)),
        p.finish(p.mul(x, x)),
        p.finish(p.max(x, half)),
        p.finish(p.add(p.max(x, p.constant(float32, 0)), a)),
        p.finish(p.exp(x)),
    ):
        assert find_line(program, 0, constants) is None
