"""Minimal filtering along one axis: within its bounds at awkward sizes, on every axis, with dilation."""

from __future__ import annotations

import numpy as np
import pytest

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.pointwise import Builder, Fused
from enginewright.ops.rounded import Rounded
from enginewright.tactics.winograd_line import (
    winograd_line6_nhwc_bf16,
    winograd_line6_nhwc_f32,
    winograd_line8_nhwc_f32,
)
from enginewright.tensors import TensorSpec, bfloat16, float32
from tests.sdk.tactics.one_step import OneLayer
from tests.sdk.tactics.test_matrix_kernels import ISAS, call, normal, packed

Shape = tuple[int, ...]
CASES: list[tuple[Conv, Shape, Shape]] = [
    (Conv(), (1, 8, 3), (8, 8, 3)),
    (Conv(padding=1), (2, 16, 1), (17, 16, 3)),
    (Conv(padding=(2, 0)), (3, 15, 40), (16, 15, 4)),
    (Conv(padding=2), (2, 33, 100), (130, 33, 5)),
    (Conv(padding=(0, 5)), (1, 70, 61), (64, 70, 6)),
    (Conv(padding=3), (1, 17, 25), (47, 17, 7)),
    (Conv(padding=4, dilation=4), (2, 12, 27), (16, 12, 3)),
    (Conv(dilation=9, padding=(0, 3)), (1, 128, 400), (128, 128, 3)),
    (Conv(padding=(0, 2, 0, 2)), (2, 19, 3, 20), (48, 19, 1, 5)),
    (Conv(padding=(1, 0, 2, 0), dilation=(2, 1)), (2, 19, 30, 5), (48, 19, 5, 1)),
    (Conv(), (1, 256, 508, 1), (70, 256, 5, 1)),
    (Conv(padding=(0, 1, 0, 0, 1, 0)), (1, 9, 3, 8, 4), (12, 9, 1, 3, 1)),
    (Conv(auto_pad="SAME_UPPER"), (8, 40, 1, 20), (192, 40, 1, 5)),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), CASES)
def test_within_its_bounds(isa: str, op: Conv, x: Shape, w: Shape) -> None:
    """Of the largest element: 4e-6 for 6 points, 1e-5 for 8."""
    data, weight, bias = normal(*x), normal(*w), normal(w[0])
    wanted = np.moveaxis(op.reference(*(array.astype(np.float64) for array in (data, weight, bias))), 1, -1)
    turned = normal(data.size).reshape((x[0], *x[2:], x[1]))
    turned[...] = np.moveaxis(data, 1, -1)
    ran = 0
    for tactic, bound in ((winograd_line6_nhwc_f32, 4e-6), (winograd_line8_nhwc_f32, 1e-5)):
        many = (64, *turned.shape[1:])  # few tiles are left to other tactics, but the kernel takes them
        launch = tactic(ChannelsLast(op), *(TensorSpec(float32, shape) for shape in (many, weight.shape, bias.shape)))
        if isinstance(launch, str):
            continue
        pack, params = launch.pack[1], launch.params
        w_input = packed(f"{pack.kernel}@{isa}", weight, pack.size, ())  # type: ignore[arg-type]
        out = [
            call(f"cpu_{tactic.__name__}@{isa}", [turned, w_input, bias], wanted.shape, params, n)  # type: ignore[arg-type]
            for n in (1, 2)
        ]
        assert np.abs(out[0] - wanted).max() / np.abs(wanted).max() < bound
        np.testing.assert_array_equal(out[0], out[1])
        ran += 1
    assert ran


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), CASES)
def test_errors_in_bfloat16(isa: str, op: Conv, x: Shape, w: Shape) -> None:
    """At most 6e-3 by norm, where rounding the weights alone makes 1.7e-3, and 1e-2 of the largest element."""
    data, weight, bias = normal(*x).astype(bfloat16.numpy), normal(*w), normal(w[0])
    image = np.ascontiguousarray(np.moveaxis(data, 1, -1))
    wanted = np.moveaxis(op.reference(data.astype(np.float64), *(a.astype(np.float64) for a in (weight, bias))), 1, -1)
    specs = (TensorSpec(bfloat16, (64, *image.shape[1:])), TensorSpec(float32, w), TensorSpec(float32, bias.shape))
    launch = winograd_line6_nhwc_bf16(Rounded(ChannelsLast(op)), *specs)
    if isinstance(launch, str):
        assert max(w[2:]) > 5  # taps
        return
    pack, params = launch.pack[1], launch.params
    panels = packed(f"{pack.kernel}@{isa}", weight, pack.size, ())  # type: ignore[arg-type]
    out = [
        call(f"cpu_winograd_line6_nhwc_bf16@{isa}", [image, panels, bias], wanted.shape, params, n)  # type: ignore[arg-type]
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(out[0], out[1])
    assert np.linalg.norm(out[0] - wanted) < 6e-3 * np.linalg.norm(wanted)
    assert np.abs(out[0] - wanted).max() < 1e-2 * np.abs(wanted).max()


@pytest.mark.parametrize("op", [Conv(padding=1), Conv(padding=40, dilation=40)])
@pytest.mark.parametrize("time", [300, 2000])
@pytest.mark.parametrize("ending", ["add", "gelu", "behind", "slopes"])
def test_endings_in_bfloat16(op: Conv, time: int, ending: str) -> None:
    """In registers, and by the fused program on sums that are kept beside an output of bfloat16."""
    x, residual = (normal(2, time, channels).astype(bfloat16.numpy) for channels in (64, 80))
    w = 0.1 * normal(80, 64, 3)
    b = Builder(float32, bfloat16)
    added = b.add(b.inputs[0], b.cast(b.inputs[1], float32))
    ended = {"add": added, "gelu": b.gelu(added), "slopes": b.max(added, b.mul(added, b.constant(float32, 0.1)))}
    ended["behind"] = b.add(b.gelu(b.inputs[0]), b.cast(b.inputs[1], float32))
    program = b.finish(b.cast(ended[ending], bfloat16))
    layer = OneLayer(Fused(Rounded(ChannelsLast(op)), program), [x, w, residual], {1})
    wanted = layer.network.evaluate({"x0": x, "x2": residual})["y0"].astype(np.float32)
    ran = 0
    for choice in layer.candidates().choices:
        if "winograd_line" in choice.tactic:
            found = layer.run(choice)[0].astype(np.float32)
            assert np.abs(found - wanted).max() / np.abs(wanted).max() < 1.2e-2
            ran += 1
    assert ran


@pytest.mark.parametrize("op", [Conv(padding=1), Conv(padding=40, dilation=40)])
@pytest.mark.parametrize("time", [300, 2000])  # inputs turned by all tasks together, and by each
def test_what_is_fused_behind_it(op: Conv, time: int) -> None:
    x, w, residual = normal(1, time, 64), normal(80, 64, 3), normal(1, time, 80)
    b = Builder(float32, float32)
    program = b.finish(b.gelu(b.add(*b.inputs)))
    layer = OneLayer(Fused(ChannelsLast(op), program), [x, w, residual], {1})
    wanted = layer.network.evaluate({"x0": x, "x2": residual})["y0"]
    ran = 0
    for choice in layer.candidates().choices:
        if "winograd_line" in choice.tactic:
            found = layer.run(choice)[0]
            assert np.abs(found - wanted).max() / np.abs(wanted).max() < 1e-5
            ran += 1
    assert ran


def test_reasons() -> None:
    x = TensorSpec(float32, (1, 100, 16))
    for op, w, reason in (
        (Conv(stride=2), (16, 16, 3), "steps of 1"),
        (Conv(), (16, 16, 2), "3 to 5 taps"),
        (Conv(group=2), (16, 8, 3), "groups"),
        (Conv(), (4, 16, 3), "too few channels"),
    ):
        launch = winograd_line6_nhwc_f32(ChannelsLast(op), x, TensorSpec(float32, w))
        assert isinstance(launch, str)
        assert reason in launch
        narrow = Rounded(ChannelsLast(op)), x.with_dtype(bfloat16), TensorSpec(float32, w)
        assert winograd_line6_nhwc_bf16(*narrow) == launch
    wide = winograd_line6_nhwc_bf16(Rounded(ChannelsLast(Conv())), x, TensorSpec(float32, (16, 16, 3)))
    assert wide == "needs an image of bfloat16"
