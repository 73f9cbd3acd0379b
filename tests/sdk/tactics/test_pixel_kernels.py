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
from enginewright.tensors import DataType, TensorSpec, bfloat16, float32
from tests.sdk.tactics.test_matrix_kernels import ISAS, Array, call, close, normal, packed

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


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [float32, bfloat16])
@pytest.mark.parametrize(
    ("group", "shuffled", "channels", "shared"),
    [(2, 1, 34, True), (4, 4, 136, True), (4, 2, 68, True), (3, 8, 240, False), (2, 1, 36, False), (4, 4, 128, False)],
)
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_infinity_and_nan_reach_groups_that_share_a_word_and_no_others(
    isa: str, dtype: DataType, group: int, shuffled: int, channels: int, shared: bool, value: float
) -> None:
    """In bfloat16 channels 2 i and 2 i + 1 are a word: a group that sees one of them is NaN by the other, too."""
    op, narrow = ChannelsLast(Shuffled(Conv(group=group), shuffled)), dtype is bfloat16
    data, bias = normal(1, 3, 1, channels), normal(group * 5)
    weight = np.abs(normal(group * 5, channels // group, 1, 1)) + 1
    specs = [TensorSpec(dtype, data.shape), TensorSpec(float32, weight.shape), TensorSpec(float32, bias.shape)]
    launch = pixels_nhwc_bf16(Rounded(op), *specs) if narrow else pixels_nhwc_f32(op, *specs)
    assert not isinstance(launch, str)
    pack = launch.pack[1]
    panels = packed(f"{pack.kernel}@{isa}", weight, pack.size, pack.params)  # type: ignore[arg-type]
    kernel = f"cpu_pixels_nhwc_{'bf16' if narrow else 'f32'}@{isa}"

    def run(image: Array) -> Array:
        inputs = [cast_array(image, dtype), panels, bias]
        return call(kernel, inputs, (3, group * 5), launch.params)  # type: ignore[union-attr,arg-type]

    def seen_by(channel: int) -> Array:
        return op.anchor.reference(np.eye(channels)[channel].reshape(1, -1, 1, 1), weight, None).reshape(-1) != 0

    clean, spread = run(data), False
    for channel in range(channels):
        image = data.copy()
        image[0, 1, 0, channel] = value
        wanted, own = clean.copy(), seen_by(channel)
        other = seen_by(channel ^ 1) & ~own & narrow
        wanted[1, own], wanted[1, other] = value, np.nan
        np.testing.assert_array_equal(run(image), wanted)
        spread |= bool(other.any())
    assert spread == (narrow and shared)
