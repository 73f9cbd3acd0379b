"""Kernels that read and write tensors of bfloat16 at awkward sizes, with what is fused behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.conv_transpose import ConvTranspose
from enginewright.ops.joined_conv import JoinedConv
from enginewright.ops.matmul import Gemm, MatMul
from enginewright.ops.pointwise import Builder, Fused, PointwiseProgram, Value
from enginewright.ops.rounded import Rounded
from enginewright.tensors import TensorSpec, bfloat16, float32
from tests.sdk.tactics.one_step import OneLayer, arrays_of

CONVOLUTIONS: list[tuple[Conv, tuple[int, ...], tuple[int, ...]]] = [
    (Conv(), (1, 1, 1, 2), (1, 2, 1, 1)),
    (Conv(), (2, 7, 13, 34), (70, 34, 1, 1)),
    (Conv(), (1, 20, 10, 16), (96, 16, 1, 1)),
    (Conv(), (1, 0, 10, 16), (96, 16, 1, 1)),
    (Conv(stride=2), (1, 9, 8, 10), (24, 10, 1, 1)),
    (Conv(padding=1), (2, 9, 14, 4), (17, 4, 3, 3)),
    (Conv(padding=1), (1, 6, 5, 3), (33, 3, 3, 3)),
    (Conv(stride=2, padding=3), (1, 19, 31, 4), (40, 4, 7, 7)),
    (Conv(padding=2, dilation=2), (1, 9, 8, 12), (20, 12, 3, 3)),
    (Conv(group=2, padding=1), (1, 5, 6, 12), (34, 6, 3, 3)),
    (Conv(padding=1), (1, 4, 5, 2200), (9, 2200, 3, 3)),  # its sums are kept between blocks
    (Conv(padding=(0, 2), stride=(1, 2)), (3, 1, 40, 8), (16, 8, 1, 5)),
    (Conv(stride=128), (3, 640, 1), (130, 1, 256)),  # words are pairs along the row
    (Conv(stride=2, padding=(4, 3)), (2, 37, 3), (17, 3, 6)),
    (Conv(stride=(1, 2), padding=(1, 2, 1, 0)), (2, 6, 15, 5), (20, 5, 3, 2)),
    (Conv(stride=2), (2, 30, 1), (16, 1, 2)),
    (Conv(stride=2, padding=(1, 0)), (2, 30, 1), (16, 1, 4)),
]
FILTERED: list[tuple[Conv, tuple[int, ...], tuple[int, ...], set[int]]] = [  # last: who can
    (Conv(padding=1), (2, 13, 9, 34), (33, 34, 3, 3), {2, 4}),
    (Conv(), (1, 3, 3, 8), (8, 8, 3, 3), {2, 4}),
    (Conv(padding=(2, 0, 1, 3)), (1, 6, 9, 70), (130, 70, 3, 3), {2, 4}),
    (Conv(group=2, padding=2), (1, 11, 8, 20), (26, 10, 5, 5), {4}),
    (Conv(stride=2, padding=1), (1, 17, 12, 10), (17, 10, 3, 3), {2, 4}),
    (Conv(stride=2, padding=3), (1, 29, 27, 4), (40, 4, 7, 7), {4}),
]
DEPTHWISE: list[tuple[Conv, tuple[int, ...], tuple[int, ...]]] = [
    (Conv(group=1, padding=1), (1, 5, 6, 1), (1, 1, 3, 3)),
    (Conv(group=31, padding=1), (2, 9, 17, 31), (31, 1, 3, 3)),
    (Conv(group=64, padding=1, stride=2), (1, 9, 30, 64), (64, 1, 3, 3)),
    (Conv(group=33, padding=2), (1, 7, 7, 33), (33, 1, 5, 5)),
    (Conv(group=32, padding=1, stride=3), (1, 7, 11, 32), (32, 1, 3, 3)),
    (Conv(group=40, padding=2, dilation=2), (1, 9, 10, 40), (40, 1, 3, 3)),
]


def endings(shape: tuple[int, ...]) -> Iterator[tuple[PointwiseProgram, list[TensorSpec]]]:
    """Programs that end in bfloat16: nothing else, a residual of either type and a clamp, what is interpreted."""
    p = Builder(float32)
    yield p.finish(p.cast(p.inputs[0], bfloat16)), []
    for dtype in (bfloat16, float32):
        p = Builder(float32, float32, dtype)
        x = p.add(p.add(p.inputs[0], p.inputs[1]), p.cast(p.inputs[2], float32))
        yield p.finish(p.cast(clamped(p, x), bfloat16)), [TensorSpec(float32, shape[-1:]), TensorSpec(dtype, shape)]
    p = Builder(float32)
    gate = p.min(p.max(p.add(p.inputs[0], p.constant(float32, 3)), p.constant(float32, 0)), p.constant(float32, 6))
    yield p.finish(p.cast(p.mul(p.inputs[0], gate), bfloat16)), []
    p = Builder(float32)
    yield p.finish(p.cast(p.silu(p.inputs[0]), bfloat16)), []
    p = Builder(float32, float32)
    below = p.less(p.inputs[0], p.constant(float32, 0))
    sloped = p.where(below, p.mul(p.inputs[0], p.inputs[1]), p.inputs[0])
    yield p.finish(p.cast(sloped, bfloat16)), [TensorSpec(float32, shape[-1:])]
    p = Builder(float32, bfloat16)
    x = p.mul(p.inputs[0], p.cast(p.inputs[1], float32))
    yield p.finish(p.cast(p.abs(x), bfloat16)), [TensorSpec(bfloat16, shape)]
    p = Builder(float32, bfloat16)
    yield p.finish(p.add(p.inputs[0], p.cast(p.inputs[1], float32))), [TensorSpec(bfloat16, shape)]


def clamped(p: Builder, x: Value) -> Value:
    """Between -1 and 2."""
    return p.min(p.max(x, p.constant(float32, -1)), p.constant(float32, 2))


def check(op: Any, inputs: list[TensorSpec | None], kernels: set[str], spread: float = 0.5) -> None:
    """Every tactic with every ending; the named kernels are among them."""
    arrays = arrays_of(list(inputs), spread)
    shape = op.reference(*arrays).shape
    for program, extras in endings(shape):
        layer = OneLayer(Fused(op, program), arrays_of([*arrays, *extras], 0.5), {1, 2} if len(inputs) > 2 else {1})
        found = {choice.kernel.partition("@")[0] for choice in layer.candidates().choices}
        is_narrow = layer.network.outputs[0][1].dtype is bfloat16
        assert {kernel for kernel in kernels if is_narrow or "winograd" not in kernel} <= found
        assert is_narrow or not any("winograd" in kernel for kernel in found)
        layer.check()


@pytest.mark.parametrize(("op", "x", "w"), CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [bfloat16, float32])
def test_convolutions(op: Conv, x: tuple[int, ...], w: tuple[int, ...], dtype: Any) -> None:
    inputs = [TensorSpec(dtype, x), TensorSpec(float32, w), TensorSpec(float32, w[:1])]
    by_rows = dtype is bfloat16 and x[-1] % 2 == 0 and x[-1] <= 80 and op.group == 1 and op.dilation == 1
    kernels = {"cpu_conv_nhwc_bf16"} | ({"cpu_conv_rows_nhwc_bf16"} if by_rows else set())
    check(Rounded(ChannelsLast(op)), [*inputs], kernels)


@pytest.mark.parametrize(("op", "x", "w", "points"), FILTERED)
def test_filtered_convolutions(op: Conv, x: tuple[int, ...], w: tuple[int, ...], points: set[int]) -> None:
    """Sums are about as large as the bounds of a clamp: errors are relative to what it leaves."""
    inputs = [TensorSpec(bfloat16, x), TensorSpec(float32, w), TensorSpec(float32, w[:1])]
    kernels, products = {f"cpu_winograd{number}_nhwc_bf16" for number in points}, w[1] * w[2] * w[3]
    check(Rounded(ChannelsLast(op)), [*inputs], kernels, spread=float(products**-0.25))


@pytest.mark.parametrize(("op", "x", "w"), DEPTHWISE)
def test_depthwise_convolutions(op: Conv, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    inputs = [TensorSpec(bfloat16, x), TensorSpec(float32, w), TensorSpec(float32, w[:1])]
    kernels = {"cpu_depthwise_nhwc_bf16"} if op.group > 1 else set()
    check(Rounded(ChannelsLast(op)), [*inputs], kernels)


@pytest.mark.parametrize("dtype", [bfloat16, float32])
@pytest.mark.parametrize(
    ("x", "w"),
    [((2, 3, 5, 16), (16, 24, 2, 2)), ((1, 2, 9, 30), (30, 33, 1, 4)), ((1, 7, 40, 2), (2, 1, 2, 3))],
)
def test_transposed_convolutions(x: tuple[int, ...], w: tuple[int, ...], dtype: Any) -> None:
    inputs = [TensorSpec(dtype, x), TensorSpec(float32, w), TensorSpec(float32, w[1:2])]
    check(Rounded(ChannelsLast(ConvTranspose(stride=w[2:]))), [*inputs], {"cpu_conv_transpose_nhwc_bf16"})


@pytest.mark.parametrize("dtype", [bfloat16, float32])
@pytest.mark.parametrize(
    ("channels", "affine"),
    [((16,), True), ((32, 34, 6), True), ((7, 40), True), ((32, 34, 6), False), ((7, 40), False), ((1, 1), False)],
)
def test_convolutions_of_images_side_by_side(channels: tuple[int, ...], affine: bool, dtype: Any) -> None:
    """In groups of pairs or not, normalized or not, of either type."""
    first, *others = [TensorSpec(dtype, (2, 5, 7, c)) for c in channels]
    total = sum(channels)
    scale = np.resize(np.array([1, 0.5, -2], np.float32), total) if affine else None
    shift = TensorSpec(float32, (total,)) if affine else None
    weight, bias = TensorSpec(float32, (33, total, 1, 1)), TensorSpec(float32, (33,))
    given: list[Any] = [first, weight, bias, scale, shift, *others]
    check(JoinedConv(affine, bfloat16), given, {"cpu_conv_joined_nhwc_bf16"})


@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 1, 1), (1, 64, 49), (5, 33, 100), (130, 40, 96), (9, 1024, 17), (3, 0, 4)]
)
@pytest.mark.parametrize("dtype", [bfloat16, float32])
def test_products(m: int, k: int, n: int, dtype: Any) -> None:
    check(Rounded(MatMul()), [TensorSpec(dtype, (m, k)), TensorSpec(float32, (k, n))], {"cpu_matmul_packed_bf16"})
    row = TensorSpec(float32, (n,))
    gemm = Rounded(Gemm(trans_a=True, trans_b=True, alpha=0.5))
    check(gemm, [TensorSpec(dtype, (k, m)), TensorSpec(float32, (n, k)), row], {"cpu_matmul_packed_bf16"})


def test_products_of_batches() -> None:
    inputs = [TensorSpec(bfloat16, (3, 2, 20, 30)), TensorSpec(float32, (2, 30, 17))]
    arrays = arrays_of([*inputs], 0.5)
    OneLayer(Rounded(MatMul()), arrays, set()).check()


def test_infinity_and_nan_stay_in_their_channel() -> None:
    x = arrays_of([TensorSpec(bfloat16, (1, 6, 6, 40))], 0.5)[0]
    assert x is not None
    x[0, 2, 3, 5], x[0, 4, 1, 6] = np.inf, np.nan
    w = arrays_of([TensorSpec(float32, (40, 1, 3, 3))], 0.5)[0]
    p = Builder(float32)
    rounding = p.finish(p.cast(p.inputs[0], bfloat16))
    OneLayer(Fused(Rounded(ChannelsLast(Conv(group=40, padding=1))), rounding), [x, w], {1}).check()
