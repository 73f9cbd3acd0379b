"""1 x 1 convolutions in groups, shuffled or not, at sizes around vectors, panels and tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright.ops.channel_shuffle import Shuffled
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.pointwise_table import cast_array
from enginewright.ops.rounded import Rounded, rounded
from enginewright.tactics.channel_shuffle import pixels_nhwc_f32
from enginewright.tactics.rounded import pixels_nhwc_bf16
from enginewright.tensors import TensorSpec, bfloat16, float32
from tests.sdk.tactics.test_matrix_kernels import ISAS, call, close, normal, packed

SIZES = [(1, 4, 4, 1), (2, 1, 34, 7), (4, 4, 136, 49), (4, 2, 68, 50), (3, 8, 240, 97), (8, 3, 24, 300), (2, 16, 96, 0)]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("group", "shuffled", "channels", "pixels"), SIZES)
@pytest.mark.parametrize("per_group", [1, 15, 17, 48, 65])
def test_groups_of_pixels(isa: str, group: int, shuffled: int, channels: int, pixels: int, per_group: int) -> None:
    op = Shuffled(Conv(group=group), shuffled)
    data, bias = normal(1, pixels, 1, channels), normal(group * per_group)
    weight = normal(group * per_group, channels // group, 1, 1)
    seen = np.moveaxis(data.astype(np.float64), -1, 1)
    wanted = np.moveaxis(op.reference(seen, weight.astype(np.float64), bias.astype(np.float64)), 1, -1)
    specs = [TensorSpec(float32, array.shape) for array in (data, weight, bias)]
    launch = pixels_nhwc_f32(ChannelsLast(op), *specs)
    if isinstance(launch, str):
        assert group == shuffled == 1
        return
    pack, params = launch.pack[1], launch.params
    arguments: Any = (pack.size, pack.params)
    panels = packed(f"{pack.kernel}@{isa}", weight, *arguments)
    out = [call(f"cpu_pixels_nhwc_f32@{isa}", [data, panels, bias], wanted.shape, params, n) for n in (1, 2)]  # type: ignore[arg-type]
    close(out[0], wanted)
    np.testing.assert_array_equal(out[0], out[1])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("group", "shuffled", "channels", "pixels"), [size for size in SIZES if size[:2] != (1, 1)])
@pytest.mark.parametrize("per_group", [1, 17, 65])
def test_groups_of_pixels_in_bfloat16(
    isa: str, group: int, shuffled: int, channels: int, pixels: int, per_group: int
) -> None:
    op = Rounded(ChannelsLast(Shuffled(Conv(group=group), shuffled)))
    data, bias = normal(1, pixels, 1, channels), normal(group * per_group)
    weight = normal(group * per_group, channels // group, 1, 1)
    wanted = op.reference(rounded(data, bfloat16), weight, bias)
    specs = [TensorSpec(bfloat16, data.shape), TensorSpec(float32, weight.shape), TensorSpec(float32, bias.shape)]
    launch = pixels_nhwc_bf16(op, *specs)
    assert not isinstance(launch, str)
    pack = launch.pack[1]
    arguments: Any = (pack.size, pack.params)
    panels = packed(f"{pack.kernel}@{isa}", weight, *arguments)
    image = cast_array(data, bfloat16)
    out = [
        call(f"cpu_pixels_nhwc_bf16@{isa}", [image, panels, bias], wanted.shape, launch.params, n)  # type: ignore[arg-type]
        for n in (1, 2)
    ]
    close(out[0], wanted)
    np.testing.assert_array_equal(out[0], out[1])
