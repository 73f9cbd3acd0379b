"""Depthwise convolutions with channels last: rows around whole strips, windows that see padding on either side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.pointwise_table import cast_array
from enginewright.ops.rounded import Rounded
from enginewright.tactics.channels_last import depthwise_nhwc_f32
from enginewright.tactics.rounded import depthwise_nhwc_bf16
from enginewright.tensors import TensorSpec, bfloat16, float32
from tests.sdk.tactics.test_matrix_kernels import ISAS, call, close, normal, packed


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("size", "step"), [(3, 1), (3, 2), (5, 1), (5, 2), (3, 3), (2, 1), (7, 1)])
@pytest.mark.parametrize("channels", [1, 15, 40])
def test_rows_of_any_width(isa: str, size: int, step: int, channels: int) -> None:
    weight, bias = normal(channels, 1, size, size), normal(channels)
    taps = np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-2, -1))).reshape(weight.shape)
    for width in (1, 2, 5, 7, 8, 9, 14, 17, 31):
        op = Conv(group=channels, stride=step, padding=(1, width % 3, 2, size // 2))
        if width + width % 3 + size // 2 < size:
            continue
        data = normal(2, 4, width, channels)
        seen = np.moveaxis(data.astype(np.float64), -1, 1)
        wanted = np.moveaxis(op.reference(seen, weight.astype(np.float64), bias.astype(np.float64)), 1, -1)
        specs = [TensorSpec(float32, array.shape) for array in (data, weight, bias)]
        launch = depthwise_nhwc_f32(ChannelsLast(op), *specs)
        assert not isinstance(launch, str)
        params: Any = launch.params
        close(call(f"cpu_depthwise_nhwc_f32@{isa}", [data, taps, bias], wanted.shape, params), wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("size", "step"), [(3, 1), (3, 2), (5, 1), (5, 2), (3, 3), (2, 1), (7, 1)])
@pytest.mark.parametrize("channels", [1, 16, 33, 72])
def test_rows_of_any_width_in_bfloat16(isa: str, size: int, step: int, channels: int) -> None:
    weight, bias = normal(channels, 1, size, size), normal(channels)
    for width in (1, 2, 5, 7, 8, 9, 14, 17, 31):
        op = Conv(group=channels, stride=step, padding=(1, width % 3, 2, size // 2))
        if width + width % 3 + size // 2 < size:
            continue
        whole, data = Rounded(ChannelsLast(op)), cast_array(normal(2, 4, width, channels), bfloat16)
        wanted = whole.reference(data, weight, bias)
        specs = [TensorSpec(bfloat16, data.shape), TensorSpec(float32, weight.shape), TensorSpec(float32, bias.shape)]
        launch = depthwise_nhwc_bf16(whole, *specs)
        assert not isinstance(launch, str)
        pack, params = launch.pack[1], launch.params
        taps = packed(f"{pack.kernel}@{isa}", weight, pack.size, ())
        found = call(f"cpu_depthwise_nhwc_bf16@{isa}", [data, taps, bias], wanted.shape, params)  # type: ignore[arg-type]
        close(found, wanted)
