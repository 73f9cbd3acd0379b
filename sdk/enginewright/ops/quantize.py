"""Quantization: numbers as small integers (or float8) with a scale and a zero point, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from enginewright.dims import Size, ceil_div, same
from enginewright.errors import DataTypeError, ShapeError
from enginewright.ops.element_types import FLOATS, QUANTIZED, check_same_type, check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    DataType,
    TensorSpec,
    bfloat16,
    float16,
    float32,
    int2,
    int4,
    int8,
    int16,
    int32,
    normalize_axis,
    uint2,
    uint4,
    uint8,
    uint16,
)

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def check_zero_point(zero: TensorSpec | None, x: TensorSpec, size: Size) -> None:
    """Check a zero point of x: of its type, a single number, or as a vector one for each of `size` rows or columns."""
    if zero is None:
        return
    check_same_type(x, zero)
    if zero.rank == 1 and zero.shape[0] != 1:
        same(zero.shape[0], size)


def centered(array: Array, zero: Array | None, *, rows: bool = False) -> Array:
    """An integer array minus its zero point in int32; a 1-D zero point holds one number a row if `rows`."""
    wide = array.astype(np.int32)
    if zero is None:
        return wide
    shift = zero.astype(np.int32)
    if shift.size == 1:
        return wide - shift.reshape(())
    return wide - (shift[:, None] if rows and shift.ndim == 1 else shift)


def saturate(real: Array, dtype: np.dtype[Any]) -> Array:
    """Integers: round half to even and clip to the range of the type; small floats: clip to the largest number."""
    kind = DataType.of(dtype)
    if kind.is_float:
        largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
        return np.clip(real, -largest, largest).astype(np.float32).astype(dtype)
    limits = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]
    clipped = np.clip(np.rint(real), float(limits.min), float(limits.max))
    return clipped.astype(np.int32).astype(dtype)


def check_scale(x: TensorSpec, scale: TensorSpec, axis: int, block_size: int) -> None:
    """A scale is one number, one for each index of `axis`, or one for each block of `block_size` along it."""
    if scale.rank == 0 or (scale.rank == 1 and scale.shape[0] == 1 and not block_size):
        return
    at = normalize_axis(axis, x.rank)
    if scale.rank == 1 and not block_size:
        same(scale.shape[0], x.shape[at])
        return
    if scale.rank != x.rank or not block_size:
        raise ShapeError(
            f"the scale has {scale.rank} axes, the data {x.rank}",
            hint="Give one number, a vector for one axis, or block_size and a scale of the data's rank.",
        )
    for index, (size, whole) in enumerate(zip(scale.shape, x.shape, strict=True)):
        same(size, ceil_div(whole, block_size) if index == at else whole)


def spread(scale: Array, shape: tuple[int, ...], axis: int, block_size: int) -> Array:
    """A scale or zero point in a shape that broadcasts to the data's."""
    if scale.size == 1 and not block_size:
        return scale.reshape(())
    at = axis % len(shape)
    if not block_size:
        return scale.reshape([-1 if index == at else 1 for index in range(len(shape))])
    repeated = np.repeat(scale, block_size, axis=at)
    return repeated[tuple(slice(0, size) for size in shape)]


@operator("ew::QuantizeLinear")
class QuantizeLinear:
    """saturate(round(x / y_scale) + y_zero_point), ties to even.

    The scale is one number, one for each index of `axis`, or one for each block of `block_size` along it. The type is
    that of y_zero_point, else `output_dtype`. `saturate` False lets float8 overflow to infinity or NaN.
    """

    axis: int = 1
    block_size: int = 0
    output_dtype: DataType = DataType.UINT8
    saturate: bool = True

    def infer(self, x: TensorSpec, y_scale: TensorSpec, y_zero_point: TensorSpec | None = None) -> TensorSpec:
        """The shape of x."""
        check_type(x, (*FLOATS, int32), "input x")
        check_type(y_scale, (*FLOATS, int32), "y_scale")
        check_scale(x, y_scale, self.axis, self.block_size)
        if y_zero_point is not None:
            check_type(y_zero_point, QUANTIZED, "y_zero_point")
            check_scale(x, y_zero_point, self.axis, self.block_size)
            return TensorSpec(y_zero_point.dtype, x.shape)
        if self.output_dtype not in QUANTIZED:
            raise DataTypeError(f"output_dtype is {self.output_dtype}", hint="Use int8, uint8 or another small type.")
        return TensorSpec(self.output_dtype, x.shape)

    def reference(self, x: Array, y_scale: Array, y_zero_point: Array | None = None) -> Array:
        """The quotient in float32 (float64 for float64)."""
        dtype = self.output_dtype.numpy if y_zero_point is None else y_zero_point.dtype
        wide = np.float64 if x.dtype == np.float64 else np.float32
        real = x.astype(wide) / spread(y_scale.astype(wide), x.shape, self.axis, self.block_size)
        if DataType.of(dtype).is_float:
            return saturate(real, dtype) if self.saturate else np.asarray(real, np.float32).astype(dtype)
        rounded = np.rint(real)
        if y_zero_point is not None:
            zero = spread(y_zero_point.astype(np.int32), x.shape, self.axis, self.block_size)
            rounded = rounded + zero.astype(wide)
        return saturate(rounded, dtype)

    @staticmethod
    def examples() -> Iterator[tuple[QuantizeLinear, list[TensorSpec | Array | None]]]:
        """Each type; one scale, one an axis, one a block."""
        one = np.array(0.05, np.float32)
        for dtype in (uint8, int8, uint16, int16, uint4, int4, uint2, int2, DataType.FLOAT8E4M3FN, DataType.FLOAT8E5M2):
            zero = (
                np.zeros((), dtype.numpy)
                if dtype.is_float
                else np.array(1 if dtype.bits == 2 else 3).astype(dtype.numpy)
            )
            yield QuantizeLinear(), [TensorSpec(float32, (2, 3, 17)), one, zero]
        scales = np.array([0.01, 0.02, 0.05], np.float32)
        yield QuantizeLinear(), [TensorSpec(float32, (2, 3, 17)), scales, np.array([1, 2, 3], np.uint8)]
        yield QuantizeLinear(axis=0), [TensorSpec(float32, (3, 65)), scales, np.array([0, -1, 2], np.int8)]
        yield QuantizeLinear(axis=-1), [TensorSpec(float32, (33, 3)), scales, None]
        blocks = np.linspace(0.01, 0.09, 6).astype(np.float32).reshape(2, 3)
        yield QuantizeLinear(axis=1, block_size=4), [TensorSpec(float32, (2, 12)), blocks, None]
        yield QuantizeLinear(), [TensorSpec(float32, (1000,)), one, np.array(128, np.uint8)]
        yield QuantizeLinear(), [TensorSpec(float32, (0, 4)), one, np.array(128, np.uint8)]
        yield QuantizeLinear(output_dtype=int8), [TensorSpec(float16, (5, 7)), np.array(0.05, np.float16), None]


@operator("ew::DequantizeLinear")
class DequantizeLinear:
    """(x - x_zero_point) * x_scale, in the type of x_scale unless `output_dtype` says another.

    The scale is one number, one for each index of `axis`, or one for each block of `block_size` along it.
    """

    axis: int = 1
    block_size: int = 0
    output_dtype: DataType | None = None

    def infer(self, x: TensorSpec, x_scale: TensorSpec, x_zero_point: TensorSpec | None = None) -> TensorSpec:
        """The shape of x."""
        check_type(x, (*QUANTIZED, int32), "input x")
        check_type(x_scale, FLOATS, "x_scale")
        check_scale(x, x_scale, self.axis, self.block_size)
        if x_zero_point is not None:
            check_same_type(x, x_zero_point)
            check_scale(x, x_zero_point, self.axis, self.block_size)
        return TensorSpec(self.output_dtype or x_scale.dtype, x.shape)

    def reference(self, x: Array, x_scale: Array, x_zero_point: Array | None = None) -> Array:
        """The difference exactly, the product in float32 (float64 for float64)."""
        wide = np.float64 if x_scale.dtype == np.float64 else np.float32
        integer = not DataType.of(x).is_float
        values = x.astype(np.int64) if integer else x.astype(np.float32)
        if x_zero_point is not None:
            zero = x_zero_point.astype(values.dtype)
            values = values - spread(zero, x.shape, self.axis, self.block_size)
        scale = spread(x_scale.astype(wide), x.shape, self.axis, self.block_size)
        return np.asarray(values.astype(wide) * scale).astype((self.output_dtype or DataType.of(x_scale)).numpy)

    @staticmethod
    def examples() -> Iterator[tuple[DequantizeLinear, list[TensorSpec | Array | None]]]:
        """Each type; one scale, one an axis, one a block."""
        one = np.array(0.05, np.float32)
        for dtype in (
            uint8,
            int8,
            uint16,
            int16,
            uint4,
            int4,
            uint2,
            int2,
            int32,
            DataType.FLOAT8E4M3FN,
            DataType.FLOAT8E5M2,
        ):
            plain = dtype.is_float or dtype == int32
            zero = None if plain else np.array(1 if dtype.bits == 2 else 3).astype(dtype.numpy)
            yield DequantizeLinear(), [TensorSpec(dtype, (2, 3, 17)), one, zero]
        scales = np.array([0.01, 0.02, 0.05], np.float32)
        yield DequantizeLinear(), [TensorSpec(uint8, (2, 3, 17)), scales, np.array([1, 2, 3], np.uint8)]
        yield DequantizeLinear(axis=0), [TensorSpec(int8, (3, 65)), scales, np.array([0, -1, 2], np.int8)]
        yield DequantizeLinear(axis=-1), [TensorSpec(uint8, (33, 3)), scales, None]
        blocks = np.linspace(0.01, 0.09, 6).astype(np.float32).reshape(2, 3)
        yield DequantizeLinear(axis=1, block_size=4), [TensorSpec(int4, (2, 12)), blocks, None]
        yield DequantizeLinear(), [TensorSpec(int8, (1000,)), one, np.array(-5, np.int8)]
        yield DequantizeLinear(), [TensorSpec(int8, (0, 4)), one, np.array(-5, np.int8)]
        for scale in (np.float16(0.05), np.array(0.05, ml_dtypes.bfloat16)):
            yield DequantizeLinear(), [TensorSpec(uint8, (5, 7)), np.asarray(scale), np.array(128, np.uint8)]
        yield DequantizeLinear(output_dtype=float16), [TensorSpec(uint8, (5, 7)), one, None]
        yield DequantizeLinear(output_dtype=bfloat16), [TensorSpec(uint8, (5, 7)), one, None]


@operator("ew::DynamicQuantizeLinear")
class DynamicQuantizeLinear:
    """x as uint8 with the scale and zero point that fit its range (widened to hold 0): y, y_scale, y_zero_point."""

    def infer(self, x: TensorSpec) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
        """uint8 of the shape of x, float32 scalar, uint8 scalar."""
        check_type(x, (float32,), "input x")
        return TensorSpec(uint8, x.shape), TensorSpec(float32), TensorSpec(uint8)

    def reference(self, x: Array) -> tuple[Array, Array, Array]:
        """In float32, step by step as ONNX defines it; a scale of 1 where x is all zeros."""
        low, high = np.float32(x.min(initial=0.0)), np.float32(x.max(initial=0.0))
        scale = np.float32(1) if low == high else np.float32((high - low) / np.float32(255))
        zero = np.clip(np.rint(-low / scale), 0, 255)
        y = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
        return y, np.asarray(scale), np.asarray(zero.astype(np.uint8))

    @staticmethod
    def examples() -> Iterator[tuple[DynamicQuantizeLinear, list[TensorSpec | Array]]]:
        """Both signs, one sign, zeros, one element."""
        yield DynamicQuantizeLinear(), [TensorSpec(float32, (3, 17))]
        yield DynamicQuantizeLinear(), [TensorSpec(float32, (1,))]
        yield DynamicQuantizeLinear(), [TensorSpec(float32, (2, 30, 384))]
        yield DynamicQuantizeLinear(), [np.linspace(1, 5, 33, dtype=np.float32)]
        yield DynamicQuantizeLinear(), [-np.linspace(1, 5, 33, dtype=np.float32)]
        yield DynamicQuantizeLinear(), [np.zeros((3, 5), np.float32)]


@onnx_rule("ai.onnx::QuantizeLinear", since=10)
@onnx_rule("com.microsoft::QuantizeLinear", since=1)
def quantize_linear(net: Network, node: OnnxNode) -> Tensor:
    """axis since 13, float8 since 19, blocks and output_dtype since 21."""
    return net.quantize_linear(
        node.input(0),
        node.input(1),
        node.optional(2),
        axis=node.integer("axis", 1),
        block_size=node.integer("block_size", 0),
        output_dtype=DataType(node.integer("output_dtype", 0) or DataType.UINT8),
        saturate=bool(node.integer("saturate", 1)),
    )


@onnx_rule("ai.onnx::DequantizeLinear", since=10)
@onnx_rule("com.microsoft::DequantizeLinear", since=1)
def dequantize_linear(net: Network, node: OnnxNode) -> Tensor:
    """axis since 13, float8 since 19, blocks since 21, output_dtype since 23."""
    output = node.integer("output_dtype", 0)
    return net.dequantize_linear(
        node.input(0),
        node.input(1),
        node.optional(2),
        axis=node.integer("axis", 1),
        block_size=node.integer("block_size", 0),
        output_dtype=DataType(output) if output else None,
    )


@onnx_rule("ai.onnx::DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """All versions alike."""
    return net.dynamic_quantize_linear(node.input(0))
