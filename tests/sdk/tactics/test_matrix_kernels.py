"""The matrix core at awkward sizes: empty, one element, around a vector or panel, misaligned, one thread or two."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from enginewright import _native
from enginewright.ops.attention import Attention
from enginewright.ops.channels_last import ChannelsLast
from enginewright.ops.conv import Conv
from enginewright.ops.rounded import Rounded
from enginewright.ops.row_quantized import RowQuantizedMatMul
from enginewright.tactics.channels_last import (
    conv_nhwc_f32,
    conv_rows_nhwc_f32,
    depthwise_nhwc_f32,
    winograd2_nhwc_f32,
    winograd4_nhwc_f32,
)
from enginewright.tactics.conv import conv_direct_f32, conv_gemm_f32, conv_swapped_f32, depthwise_direct_f32
from enginewright.tactics.matmul import panel_bytes
from enginewright.tactics.quantize import byte_panel_bytes, grouped_bytes
from enginewright.tactics.rounded import conv_nhwc_bf16
from enginewright.tensors import TensorSpec, float32

Array = np.ndarray[Any, Any]
ISAS = _native.isas()
SIZES = [
    (1, 1, 1), (0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 17, 48), (1, 64, 49), (2, 100, 47), (5, 33, 100), (7, 15, 16),
    (8, 16, 17), (9, 770, 50), (17, 1600, 31), (130, 40, 96), (3, 1024, 512), (129, 512, 97), (200, 900, 130),
]  # fmt: skip


def normal(*shape: int) -> Array:
    """Seeded normal floats, at an address that no vector is aligned to."""
    size = int(np.prod(shape))
    whole = np.random.default_rng(size).standard_normal(size + 1).astype(np.float32)
    return whole[1:].reshape(shape)


def close(found: Array, wanted: Array) -> None:
    """Within a few ulp of the largest element; NaN in the output means that something was not written."""
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4e-6 * scale)


def call(
    kernel: str, inputs: list[Array], shape: tuple[int, ...], params: tuple[float, ...], threads: int = 0
) -> Array:
    """The output of a kernel, which finds NaN in its memory."""
    out = np.full(shape, np.nan, np.float32)
    _native.call_kernel(kernel, inputs, [out], params, threads=threads)
    return out


def packed(kernel: str, source: Array, size: int, params: tuple[int, ...]) -> Array:
    """What a packing kernel writes, seen in the shape of the source; all `size` bytes are written."""
    data, other = np.zeros(size, np.uint8), np.full(size, 255, np.uint8)
    for array in (data, other):
        _native.call_kernel(kernel, [source], [array], params)
    np.testing.assert_array_equal(data, other)
    room = np.zeros(max(size, source.nbytes, 1), np.uint8)
    room[:size] = data
    return np.ndarray(source.shape, source.dtype, buffer=room)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("transposed", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_products_of_two_matrices(isa: str, transposed: tuple[int, int], m: int, k: int, n: int) -> None:
    a, b = normal(m, k), normal(k, n)
    wanted = a.astype(np.float64) @ b.astype(np.float64)
    left = np.ascontiguousarray(a.T) if transposed[0] else a
    right = np.ascontiguousarray(b.T) if transposed[1] else b
    close(call(f"cpu_matmul_f32@{isa}", [left, right], (m, n), (*transposed, 1.0, 0.0, 2)), wanted)
    panels = packed(f"cpu_pack_gemm_b_f32@{isa}", right, panel_bytes(k, n), (transposed[1],))
    close(call(f"cpu_matmul_packed_f32@{isa}", [left, panels], (m, n), (*transposed, 1.0, 0.0, 2)), wanted)
    c = normal(n)
    both = call(f"cpu_matmul_packed_f32@{isa}", [left, panels, c], (m, n), (*transposed, 0.5, 2.0, 3))
    close(both, 0.5 * wanted + 2.0 * c)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(1, 1, 1), (3, 0, 4), (5, 3, 17), (17, 64, 49), (65, 130, 97), (130, 33, 16), (9, 4096, 20), (33, 2048, 100)],
)
def test_products_of_bytes_are_exact(isa: str, m: int, k: int, n: int) -> None:
    rng = np.random.default_rng(m)
    for left, right in ((np.uint8, np.int8), (np.int8, np.uint8), (np.uint8, np.uint8), (np.int8, np.int8)):
        a, b = (
            rng.integers(np.iinfo(t).min, np.iinfo(t).max + 1, s).astype(t)
            for t, s in ((left, (m, k)), (right, (k, n)))
        )
        zero_a, zero_b = rng.integers(0, 100, m).astype(left), rng.integers(0, 100, n).astype(right)
        wanted = (a.astype(np.int64) - zero_a[:, None]) @ (b.astype(np.int64) - zero_b)
        panels = packed(f"cpu_pack_gemm_b_i8@{isa}", b, byte_panel_bytes(k, n), ())
        for right_side, flag in ((b, 0), (panels, 1)):
            out = np.full((m, n), -1, np.int32)
            _native.call_kernel(f"cpu_matmul_integer@{isa}", [a, right_side, zero_a, zero_b], [out], (flag, 4))
            np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("m", "k", "n"), [(1, 4, 49), (9, 8, 1), (33, 7, 50), (130, 64, 97), (66, 2048, 33)])
def test_products_of_bytes_whose_rows_share_a_zero_point(isa: str, m: int, k: int, n: int) -> None:
    rng = np.random.default_rng(k)
    for left, zero in ((np.uint8, 3), (np.uint8, 0), (np.uint8, None), (np.int8, -7), (np.int8, None)):
        a, b = (rng.integers(0, 100, size).astype(kind) for kind, size in ((left, (m, k)), (np.int8, (k, n))))
        zeros = [] if zero is None else [np.array(zero, left)]
        for threads in (1, 2):
            out = np.full((m, n), -1, np.int32)
            params = (0, 2 + len(zeros))
            _native.call_kernel(f"cpu_matmul_integer@{isa}", [a, b, *zeros], [out], params, threads=threads)
            np.testing.assert_array_equal(out, (a.astype(np.int64) - (zero or 0)) @ b.astype(np.int64))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["f32", "bf16"])
@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize(("k", "n"), [(1, 1), (3, 17), (0, 5), (130, 97), (2048, 100), (5, 30_000)])
def test_matrices_at_any_address_are_packed_the_same(isa: str, kind: str, transposed: int, k: int, n: int) -> None:
    """As weights lie in the file of a model; by one thread, and by two."""
    b = normal(n, k) if transposed else normal(k, n)
    name, size = f"cpu_pack_gemm_b_{kind}@{isa}", panel_bytes(k if kind == "f32" else -(-k // 2), n)
    wanted = np.zeros(size, np.uint8)
    _native.call_kernel(name, [b], [wanted], (transposed,), threads=1)
    for offset in (1, 2, 3):
        room = np.zeros(b.nbytes + 4, np.uint8)
        moved = room[offset : offset + b.nbytes].view(np.float32).reshape(b.shape)
        moved[:] = b
        for threads in (1, 2):
            found = np.full(size, 255, np.uint8)
            _native.call_kernel(name, [moved], [found], (transposed,), threads=threads)
            np.testing.assert_array_equal(found, wanted)


def bfloat16(array: Array) -> Array:
    """Each number rounded to bfloat16."""
    return np.asarray(array.astype(ml_dtypes.bfloat16)).astype(np.float64)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("transposed", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_products_in_bfloat16(isa: str, transposed: tuple[int, int], m: int, k: int, n: int) -> None:
    a, b = normal(m, k), normal(k, n)
    wanted = bfloat16(a) @ bfloat16(b)
    left = np.ascontiguousarray(a.T) if transposed[0] else a
    right = np.ascontiguousarray(b.T) if transposed[1] else b
    close(call(f"cpu_matmul_bf16@{isa}", [left, right], (m, n), (*transposed, 1.0, 0.0, 2)), wanted)
    panels = packed(f"cpu_pack_gemm_b_bf16@{isa}", right, panel_bytes(-(-k // 2), n), (transposed[1],))
    c = normal(n)
    for threads in (1, 2):
        both = call(f"cpu_matmul_packed_bf16@{isa}", [left, panels, c], (m, n), (*transposed, 0.5, 2.0, 3), threads)
        close(both, 0.5 * wanted + 2.0 * c)


@pytest.mark.parametrize("isa", ISAS)
def test_infinity_and_nan_in_bfloat16(isa: str) -> None:
    a = np.array([[np.inf, 1, 0], [np.nan, 1, 0], [-np.inf, 1, 0], [3e38, 3e38, 0]], np.float32)
    b = np.eye(3, dtype=np.float32) + 1
    with np.errstate(invalid="ignore", over="ignore"):
        wanted = (bfloat16(a) @ bfloat16(b)).astype(np.float32)
    found = call(f"cpu_matmul_bf16@{isa}", [a, b], (4, 3), (0, 0, 1.0, 0.0, 2))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_rows_quantized_by_their_range(isa: str, m: int, k: int, n: int) -> None:
    a, op = normal(m, k), RowQuantizedMatMul()
    a[: m // 2] += 3  # all of one sign
    a[m // 3 : m // 3 + 1] = 0
    b = np.random.default_rng(k).integers(-128, 128, (k, n)).astype(np.int8)
    panels = packed(f"cpu_pack_row_quantized@{isa}", b, grouped_bytes(k, n), ())
    for scale in (np.array(0.02, np.float32), np.linspace(0.01, 0.03, n, dtype=np.float32)):
        wanted = op.reference(a, b, scale)
        for right, flag in ((b, 0), (panels, 1)):
            if scale.ndim == 0 or n > 1:
                close(call(f"cpu_row_quantized_matmul@{isa}", [a, right, scale], (m, n), (flag, 3), 2), wanted)


CONVOLUTIONS = [
    (Conv(padding=1), (1, 3, 15, 17), (9, 3, 3, 3)),
    (Conv(padding=1, stride=2), (2, 5, 33, 31), (17, 5, 3, 3)),
    (Conv(padding=3, stride=(3, 2), dilation=2), (1, 4, 41, 71), (7, 4, 5, 3)),
    (Conv(group=4), (1, 64, 7, 7), (64, 16, 1, 1)),
    (Conv(), (1, 300, 7, 9), (50, 300, 1, 1)),
    (Conv(padding=1), (1, 130, 6, 5), (48, 130, 3, 3)),
    (Conv(group=5, padding=1), (1, 5, 40, 70), (5, 1, 3, 3)),
    (Conv(group=5, padding=2, stride=2), (1, 5, 41, 49), (5, 1, 5, 5)),
    (Conv(group=6, padding=4), (2, 6, 3, 3), (12, 1, 3, 3)),
    (Conv(group=3, stride=5, dilation=3), (1, 3, 100), (3, 1, 7)),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), CONVOLUTIONS)
def test_convolutions(isa: str, op: Conv, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    data, weight, bias = normal(*x), normal(*w), normal(w[0])
    wanted = op.reference(data.astype(np.float64), weight.astype(np.float64), bias.astype(np.float64))
    specs = [TensorSpec(float32, array.shape) for array in (data, weight, bias)]
    launches = {
        "cpu_conv_gemm_f32": conv_gemm_f32(op, *specs),
        "cpu_conv_dynamic_f32": conv_gemm_f32(op, *specs),
        "cpu_conv_direct_f32": conv_direct_f32(op, *specs),
        "cpu_conv_swapped_f32": conv_swapped_f32(op, *specs),
        "cpu_depthwise_direct_f32": depthwise_direct_f32(op, *specs),
    }
    ran = 0
    for kernel, launch in launches.items():
        if isinstance(launch, str):
            continue
        pack = launch.pack.get(1) if "dynamic" not in kernel else None
        w_input = weight if pack is None else packed(f"{pack.kernel}@{isa}", weight, pack.size, pack.params)  # type: ignore[arg-type]
        close(call(f"{kernel}@{isa}", [data, w_input, bias], wanted.shape, launch.params), wanted)  # type: ignore[arg-type]
        ran += 1
    assert ran


LAST = [
    *CONVOLUTIONS,
    (Conv(), (1, 0, 4, 4), (8, 0, 1, 1)),
    (Conv(padding=1), (0, 3, 4, 4), (8, 3, 3, 3)),
    (Conv(), (1, 1, 1, 1), (1, 1, 1, 1)),
    *((Conv(padding=1), (1, 20, 5, 7), (m, 20, 3, 3)) for m in (1, 15, 16, 17, 31, 33, 47, 49, 63, 64, 65, 127, 160)),
    *((Conv(group=c, padding=1), (1, c, 9, 26), (c, 1, 3, 3)) for c in (1, 3, 4, 7, 8, 9, 15, 16, 17, 33)),
    (Conv(group=2, padding=1), (2, 90, 5, 6), (34, 45, 3, 3)),
    (Conv(), (1, 2100, 3, 4), (70, 2100, 1, 1)),
    (Conv(padding=2), (1, 600, 6, 5), (64, 600, 5, 5)),
    (Conv(padding=(6, 1, 0, 9)), (1, 5, 4, 3), (20, 5, 4, 4)),
    (Conv(stride=2, padding=3), (1, 3, 40, 45), (64, 3, 7, 7)),
    (Conv(stride=3, padding=2), (1, 6, 50), (20, 6, 9)),
    (Conv(stride=3, padding=(0, 4, 5, 0)), (2, 2, 50, 43), (10, 2, 4, 5)),
    *((Conv(), (1, 3, 6, 3 + n), (m, 3, 3, 3)) for n, m in ((0, 10), (11, 16), (12, 28), (13, 32), (30, 48), (9, 96))),
    *((Conv(padding=2), (2, 1, 1, n), (20, 1, 3, 5)) for n in (1, 2, 5, 25)),
    (Conv(padding=1), (1, 4, 5, 6, 7), (18, 4, 3, 3, 3)),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), LAST)
def test_convolutions_with_channels_last(isa: str, op: Conv, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    data, weight, bias = normal(*x), normal(*w), normal(w[0])
    wanted = op.reference(data.astype(np.float64), weight.astype(np.float64), bias.astype(np.float64))
    wanted = np.moveaxis(wanted, 1, -1)
    turned = normal(int(np.prod(x))).reshape((x[0], *x[2:], x[1]))
    turned[...] = np.moveaxis(data, 1, -1)
    specs = [TensorSpec(float32, array.shape) for array in (turned, weight, bias)]
    ran = 0
    for tactic in (conv_nhwc_f32, conv_rows_nhwc_f32, depthwise_nhwc_f32):
        launch = tactic(ChannelsLast(op), *specs)
        if isinstance(launch, str):
            continue
        kernel = f"cpu_{tactic.__name__}"
        pack = launch.pack[1]
        name = f"{pack.kernel}@{isa}"
        w_input = packed(name, weight, pack.size, pack.params) if "conv" in kernel else _taps_first(weight)  # type: ignore[arg-type]
        out = [call(f"{kernel}@{isa}", [turned, w_input, bias], wanted.shape, launch.params, n) for n in (1, 2)]  # type: ignore[arg-type]
        close(out[0], wanted)
        np.testing.assert_array_equal(out[0], out[1])
        ran += 1
    assert ran


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("channels", "outputs", "side"),
    [(8, 8, 1), (16, 17, 2), (15, 16, 4), (17, 33, 5), (64, 64, 11), (100, 47, 13), (256, 70, 14), (700, 16, 6)],
)
def test_minimal_filtering_is_within_its_bounds(isa: str, channels: int, outputs: int, side: int) -> None:
    """Of the largest element: 2e-6 for tiles of 2 x 2, 1e-5 for 4 x 4."""
    data, weight, bias = normal(2, channels, side, side + 3), normal(outputs, channels, 3, 3), normal(outputs)
    for padding, (tactic, bound) in enumerate(((winograd2_nhwc_f32, 2e-6), (winograd4_nhwc_f32, 1e-5))):
        op = Conv(padding=(1, padding, 2, 1))
        wanted = op.reference(data.astype(np.float64), weight.astype(np.float64), bias.astype(np.float64))
        turned = np.ascontiguousarray(np.moveaxis(data, 1, -1))
        many = (64, *turned.shape[1:])  # few tiles are left to other tactics, but the kernel takes them
        launch = tactic(ChannelsLast(op), *(TensorSpec(float32, shape) for shape in (many, weight.shape, bias.shape)))
        assert not isinstance(launch, str)
        pack = launch.pack[1]
        w_input = packed(f"{pack.kernel}@{isa}", weight, pack.size, pack.params)  # type: ignore[arg-type]
        shape = np.moveaxis(wanted, 1, -1).shape
        out = [call(f"cpu_{tactic.__name__}@{isa}", [turned, w_input, bias], shape, launch.params, n) for n in (1, 2)]  # type: ignore[arg-type]
        error = np.abs(np.moveaxis(out[0], -1, 1) - wanted).max() / np.abs(wanted).max()
        assert error < bound
        np.testing.assert_array_equal(out[0], out[1])


FILTERED = [
    (Conv(padding=2), (1, 32, 9, 14), (20, 32, 5, 5)),
    (Conv(group=2, padding=1), (2, 34, 9, 5), (40, 17, 3, 3)),
    (Conv(group=3, padding=2), (1, 48, 13, 8), (51, 16, 5, 5)),
    (Conv(stride=2, padding=3), (2, 3, 40, 45), (64, 3, 7, 7)),
    (Conv(stride=2, padding=3), (1, 17, 20, 21), (16, 17, 7, 7)),
    (Conv(stride=4), (1, 3, 50, 61), (40, 3, 11, 11)),
    (Conv(stride=4, padding=(2, 9, 3, 0)), (2, 3, 29, 31), (17, 3, 11, 11)),
    (Conv(stride=2, padding=1), (1, 33, 12, 15), (33, 33, 3, 3)),
    (Conv(stride=2, padding=(0, 1, 1, 0)), (2, 3, 17, 12), (20, 3, 3, 3)),
    (Conv(stride=2), (1, 40, 21, 18), (16, 40, 5, 5)),
    (Conv(stride=2, group=2, padding=1), (1, 20, 9, 11), (18, 10, 4, 4)),
    (Conv(padding=1), (1, 16, 8, 9), (16, 16, 2, 2)),
    (Conv(padding=(0, 2, 3, 1)), (1, 16, 11, 9), (30, 16, 4, 4)),
    (Conv(stride=3, padding=2), (1, 4, 23, 22), (24, 4, 9, 9)),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), FILTERED)
def test_minimal_filtering_of_other_windows(isa: str, op: Conv, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    """Steps, groups, and two to five taps: 1e-5 of the largest element."""
    data, weight, bias = normal(*x), normal(*w), normal(w[0])
    wanted = op.reference(data.astype(np.float64), weight.astype(np.float64), bias.astype(np.float64))
    wanted = np.moveaxis(wanted, 1, -1)
    turned = np.ascontiguousarray(np.moveaxis(data, 1, -1))
    specs = [TensorSpec(float32, shape) for shape in (turned.shape, w, bias.shape)]
    ran = 0
    for tactic in (winograd2_nhwc_f32, winograd4_nhwc_f32):
        launch = tactic(ChannelsLast(op), *specs)
        if isinstance(launch, str):
            continue
        pack = launch.pack[1]
        w_input = packed(f"{pack.kernel}@{isa}", weight, pack.size, pack.params)  # type: ignore[arg-type]
        params: Any = launch.params
        out = [call(f"cpu_{tactic.__name__}@{isa}", [turned, w_input, bias], wanted.shape, params, n) for n in (1, 2)]
        assert np.abs(out[0] - wanted).max() < 1e-5 * np.abs(wanted).max()
        np.testing.assert_array_equal(out[0], out[1])
        ran += 1
    assert ran


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("op", "x", "w"), LAST)
def test_convolutions_in_bfloat16(isa: str, op: Conv, x: tuple[int, ...], w: tuple[int, ...]) -> None:
    data, weight, bias = normal(*x), normal(*w), normal(w[0])
    turned = normal(int(np.prod(x))).reshape((x[0], *x[2:], x[1]))
    turned[...] = np.moveaxis(data, 1, -1)
    launch = conv_nhwc_bf16(Rounded(ChannelsLast(op)), *(TensorSpec(float32, y.shape) for y in (turned, weight, bias)))
    if isinstance(launch, str):
        assert op.group > 1
        return
    wanted = np.moveaxis(op.reference(bfloat16(data), bfloat16(weight), bias.astype(np.float64)), 1, -1)
    pack = launch.pack[1]
    panels = packed(f"{pack.kernel}@{isa}", weight, pack.size, pack.params)  # type: ignore[arg-type]
    params: Any = launch.params
    out = [call(f"cpu_conv_nhwc_bf16@{isa}", [turned, panels, bias], wanted.shape, params, n) for n in (1, 2)]
    close(out[0], wanted)
    np.testing.assert_array_equal(out[0], out[1])


def _taps_first(weight: Array) -> Array:
    """[M, 1, kernel] as [kernel, M] in the shape of the former."""
    return np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-2, -1))).reshape(weight.shape)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 513), (47, 129), (49, 127), (200, 300)])
@pytest.mark.parametrize("op", [Attention(), Attention(is_causal=True, bottom_right=True), Attention(left_window=64)])
def test_attention_over_blocks_of_keys(isa: str, queries: int, keys: int, op: Attention) -> None:
    q, k, v = normal(1, 4, queries, 33), normal(1, 2, keys, 33), normal(1, 2, keys, 17)
    mask = normal(1, 4, 1, keys)
    wide = [array.astype(np.float64) for array in (q, k, v, mask)]
    params = (0.0, int(op.is_causal), int(op.bottom_right), 0.0, op.left_window, op.right_window)
    close(call(f"cpu_attention_f32@{isa}", [q, k, v, mask], (1, 4, queries, 17), params), op.reference(*wide))


@pytest.mark.parametrize("isa", ISAS)
def test_the_bits_do_not_depend_on_the_threads(isa: str) -> None:
    a, b = normal(150, 700), normal(700, 390)
    product = [call(f"cpu_matmul_f32@{isa}", [a, b], (150, 390), (0, 0, 1.0, 0.0, 2), n) for n in (1, 2)]
    np.testing.assert_array_equal(product[0], product[1])
    x, w = normal(1, 32, 40, 41), normal(64, 32, 3, 3)
    image = [call(f"cpu_conv_dynamic_f32@{isa}", [x, w], (1, 64, 38, 39), (1, 2, 1, 1, 0, 1, 1, 0), n) for n in (1, 2)]
    np.testing.assert_array_equal(image[0], image[1])


@pytest.mark.parametrize("isa", ISAS)
def test_infinity_and_nan_stay_in_their_row_and_column(isa: str) -> None:
    a, b = normal(9, 20), normal(20, 50)
    a[3, 4], b[7, 11] = np.inf, np.nan
    with np.errstate(invalid="ignore"):
        wanted = a.astype(np.float64) @ b.astype(np.float64)
    panels = packed(f"cpu_pack_gemm_b_f32@{isa}", b, panel_bytes(20, 50), (0,))
    found = call(f"cpu_matmul_packed_f32@{isa}", [a, panels], (9, 50), (0, 0, 1.0, 0.0, 2))
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
