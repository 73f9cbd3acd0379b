"""tanh that is quantized at once gives the bytes of tanh and quantization, one after the other; tanh rises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from enginewright import _native
from enginewright.ops.pointwise import Builder, PointwiseProgram, encode
from enginewright.tensors import float32

Array = np.ndarray[Any, Any]


def sum_and_tanh() -> tuple[PointwiseProgram, PointwiseProgram]:
    """a + b, and its tanh."""
    p = Builder(float32, float32)
    total = p.add(*p.inputs)
    return p.finish(total), p.finish(p.tanh(total))


def call(kernel: str, arrays: list[Array], outputs: list[Array], params: tuple[int | float, ...] = ()) -> list[Array]:
    _native.call_kernel(kernel, arrays, outputs, params, threads=2)
    return outputs


def bytes_of(shape: tuple[int, ...]) -> list[Array]:
    return [np.empty(shape, np.uint8), np.empty((), np.float32), np.empty((), np.uint8)]


def both_ways(a: Array, b: Array, isa: str) -> tuple[list[Array], list[Array]]:
    """At once, and one after the other."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    before, whole = sum_and_tanh()
    once = call(f"cpu_quantized_tanh@{isa}", [a, b], bytes_of(shape), encode(before))
    (x,) = call(f"cpu_pointwise@{isa}", [a, b], [np.empty(shape, np.float32)], encode(whole))
    return once, call(f"cpu_dynamic_quantize_linear@{isa}", [x], bytes_of(shape))


@pytest.mark.parametrize("isa", _native.isas())
@pytest.mark.parametrize("reach", [0.01, 0.3, 1.0, 3.0, 20.0])
@pytest.mark.parametrize(
    "shapes", [((60, 1, 96), (1, 50, 96)), ((97, 211), (211,)), ((131, 257), (131, 1)), ((3, 5), (5,))]
)
def test_bytes_are_the_same(shapes: tuple[tuple[int, ...], ...], reach: float, isa: str) -> None:
    rng = np.random.default_rng(7)
    a, b = (rng.uniform(-reach, reach, shape).astype(np.float32) for shape in shapes)
    for x, y in ((a, b), (abs(a), abs(b)), (-abs(a), b)):
        once, after = both_ways(x, y, isa)
        for found, wanted in zip(once, after, strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("isa", _native.isas())
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number(wrong: float, isa: str) -> None:
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((80, 1, 64)).astype(np.float32), rng.standard_normal((1, 70, 64)).astype(np.float32)
    a[3, 0, 5] = a[4, 0, 63] = wrong
    b[0, 6, 7] = -wrong
    for found, wanted in zip(*both_ways(a, b, isa), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("isa", _native.isas())
def test_every_place_of_a_step(isa: str) -> None:
    x = np.arange(0x3B000000, 0x41400000, 61, dtype=np.int64).astype(np.int32).view(np.float32)
    for found, wanted in zip(*both_ways(np.stack([x, -x]), np.zeros((1,), np.float32), isa), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("isa", _native.isas())
def test_tanh_rises(isa: str) -> None:
    p = Builder(float32)
    for start, step in ((0, 977), (0x3F1F0000, 1), (0x41000000, 3)):  # all, where the formula changes, at 1
        x = (
            np.arange(start, min(start + step * 1500000, 0x42000000), step, dtype=np.int64)
            .astype(np.int32)
            .view(np.float32)
        )
        program = encode(p.finish(p.tanh(*p.inputs)))
        (y,) = call(f"cpu_pointwise@{isa}", [x], [np.empty_like(x)], program)
        assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize("isa", _native.isas())
@pytest.mark.parametrize("scale", [0.1, 1 / 3, 0.0078431377, 1e-35, 1e35, 7.7])
def test_quotients_near_the_middle(scale: float, isa: str) -> None:
    number = np.float32(scale)
    halves = (np.arange(-300, 300, dtype=np.float32) + np.float32(0.5)) * number
    x = np.concatenate([halves, np.nextafter(halves, np.float32(np.inf)), np.nextafter(halves, np.float32(-np.inf))])
    x = np.concatenate([x, np.array([np.nan, np.inf, -np.inf, 3e38, 0], np.float32)])
    arrays = [x, number.reshape(()), np.array(128, np.uint8)]
    (found,) = call(f"cpu_quantize_linear@{isa}", arrays, [np.empty(x.shape, np.uint8)], (0, 0, 0))
    with np.errstate(all="ignore"):
        wanted = np.nan_to_num(np.clip(np.rint(x / number) + 128, 0, 255)).astype(np.uint8)
    np.testing.assert_array_equal(found, wanted)
