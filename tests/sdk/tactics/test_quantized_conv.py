"""Convolutions of bytes whose windows have no element run in the reference, and the kernels refuse them."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright import _native
from enginewright.errors import ShapeError
from enginewright.ops.conv import Conv
from enginewright.ops.quantized_conv import QuantizedConv
from enginewright.tactics.quantized_conv import _params
from enginewright.tensors import TensorSpec, int8, uint8
from tests.sdk.tactics.one_step import OneLayer

OP = QuantizedConv(Conv(), x_zero=3)


def arrays_of(window: tuple[int, int]) -> list[np.ndarray | None]:
    x, w = np.full((1, 8, 8, 4), 7, np.uint8), np.zeros((16, 4, *window), np.int8)
    return [x, w, np.arange(16, dtype=np.int32), np.ones(16, np.float32)]


@pytest.mark.parametrize("window", [(0, 3), (3, 0), (0, 0)])
def test_empty_windows_are_left_to_the_reference(window: tuple[int, int]) -> None:
    assert not OneLayer(OP, arrays_of(window), {1, 2, 3}).candidates().choices
    assert OneLayer(OP, arrays_of((3, 3)), {1, 2, 3}).candidates().choices


@pytest.mark.parametrize("isa", _native.isas())
def test_a_plan_that_says_otherwise_is_refused(isa: str) -> None:
    arrays = arrays_of((0, 3))
    specs = TensorSpec(uint8, (1, 8, 8, 4)), TensorSpec(int8, (16, 4, 0, 3))
    with pytest.raises(ShapeError, match="sizes disagree"):
        _native.call_kernel(
            f"cpu_quantized_conv_nhwc@{isa}", [*arrays, None, None], [np.empty((1, 9, 6, 16), np.uint8)],
            _params(OP, *specs),  # type: ignore[arg-type]
        )  # fmt: skip
