"""Filtering in integers: no bit differs from the plain sums, up to the largest that it takes."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.ops.conv import Conv
from enginewright.ops.quantized_conv import QuantizedConv, largest_sum_of
from enginewright.tactics.quantized_conv import LARGEST_SUM, quantized_winograd_nhwc
from enginewright.tensors import TensorSpec, float32, int8, int32, uint8
from tests.sdk.tactics.one_step import OneLayer


@pytest.mark.parametrize("sign", [1, -1])
def test_largest_sums(sign: int) -> None:
    w = np.full((16, 128, 3, 3), 114 * sign, np.int8)
    w[1::2] *= np.where(np.indices((8, 128, 3, 3)).sum(0) % 2, 1, -1).astype(np.int8)
    assert LARGEST_SUM * 0.99 < largest_sum_of(w) < LARGEST_SUM
    x = np.full((1, 12, 13, 128), 255, np.uint8)
    x[:, 3:7, 4:9] = np.random.default_rng(0).integers(0, 256, (4, 5, 128))
    op = QuantizedConv(Conv(padding=1), x_zero=255, real=True, largest_sum=largest_sum_of(w))
    layer = OneLayer(op, [x, w, np.zeros(16, np.int32), np.ones(16, np.float32)], {1, 2, 3})
    choices = [choice for choice in layer.candidates().choices if "winograd" in choice.tactic]
    assert choices
    for choice in choices:
        np.testing.assert_array_equal(layer.run(choice)[0], layer.expected()[0], err_msg=str(choice.kernel))


def test_many_tiles() -> None:
    """Tasks turn tiles of their own."""
    rng = np.random.default_rng(1)
    x, w = (
        rng.integers(0, 256, (1, 38, 74, 32)).astype(np.uint8),
        rng.integers(-128, 128, (70, 32, 3, 3)).astype(np.int8),
    )
    op = QuantizedConv(Conv(padding=1), x_zero=9, zero=100, largest_sum=largest_sum_of(w))
    layer = OneLayer(
        op, [x, w, rng.integers(-99, 99, 70).astype(np.int32), np.full(70, 0.00123, np.float32)], {1, 2, 3}
    )
    assert any("winograd" in choice.tactic for choice in layer.candidates().choices)
    layer.check()


def test_largest_sum_of_weights() -> None:
    assert largest_sum_of(np.array([[3, -4, 2], [1, 1, 1]], np.int8)) == 5 * 255
    assert largest_sum_of(np.array([[3, -7, 2]], np.int8)) == 7 * 255
    assert largest_sum_of(np.zeros((0, 3), np.int8)) == 0


@pytest.mark.parametrize(
    ("conv", "w", "largest", "size", "reason"),
    [
        (Conv(stride=2), (8, 32, 3, 3), 1, 20, "steps of 1"),
        (Conv(dilation=2), (8, 32, 3, 3), 1, 20, "undilated"),
        (Conv(), (8, 32, 3, 1), 1, 20, "3 x 3"),
        (Conv(), (8, 24, 3, 3), 1, 20, "multiple of 32"),
        (Conv(), (8, 32, 3, 3), 0, 20, "sums may leave"),
        (Conv(), (8, 32, 3, 3), LARGEST_SUM, 20, "sums may leave"),
        (Conv(), (8, 32, 3, 3), 1, 10, "few tiles"),
    ],
)
def test_reasons(conv: Conv, w: tuple[int, ...], largest: int, size: int, reason: str) -> None:
    weight = TensorSpec(int8, w, constant=True)
    others = TensorSpec(int32, w[:1]), TensorSpec(float32, w[:1])
    x = TensorSpec(uint8, (1, size, size, w[1]))
    launch = quantized_winograd_nhwc(QuantizedConv(conv, largest_sum=largest), x, weight, *others)
    assert isinstance(launch, str)
    assert reason in launch
