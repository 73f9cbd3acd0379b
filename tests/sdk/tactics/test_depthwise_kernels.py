"""Depthwise convolutions with channels last: rows around whole strips, windows that see padding on either side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.tactics.channels_last import depthwise_nhwc_f32
from enginewright.tensors import TensorSpec, float32
from tests.sdk.tactics.test_matrix_kernels import ISAS, call, close, normal


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
