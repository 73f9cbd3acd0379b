"""Products of float rows with 8-bit weights: parts of a row become uint8, each by its own range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import check_type
from enginewright.ops.matmul import matmul_shape
from enginewright.registry.registry import operator
from enginewright.tensors import TensorSpec, float32, int8

Array = np.ndarray[Any, Any]
GROUP = 64
"""Numbers along K that share a range: near the error of one for each 32, with half the work."""


@operator("ew::RowQuantizedMatMul")
class RowQuantizedMatMul:
    """The product of float32 a [..., M, K], quantized to uint8, and b [K, N] = int8 weights times b_scale.

    Each 64 numbers of a row have a scale, (highest - lowest) / 255, and a zero point, the nearest integer to
    -lowest / scale; 0 is in the range.
    """

    INTERNAL = True  # made by passes, no method of Network

    def infer(self, a: TensorSpec, b: TensorSpec, b_scale: TensorSpec) -> TensorSpec:
        """float32 [..., M, N]; b_scale is one number, or one for each column."""
        check_type(a, (float32,), "input a")
        check_type(b, (int8,), "input b")
        check_type(b_scale, (float32,), "b_scale")
        if b.rank != 2 or b_scale.rank > 1:
            raise ShapeError(f"b has {b.rank} axes and b_scale {b_scale.rank}", hint="Report this as a bug.")
        if b_scale.rank == 1 and b_scale.shape[0] != 1:
            same(b_scale.shape[0], b.shape[1])
        return TensorSpec(float32, matmul_shape(a.shape, b.shape))

    def reference(self, a: Array, b: Array, b_scale: Array) -> Array:
        """Quantized in float32, step by step; the rest in float64."""
        total = np.zeros((*a.shape[:-1], b.shape[1]))
        for begin in range(0, a.shape[-1], GROUP):
            scale, centered = _quantized(a[..., begin : begin + GROUP])
            total += (centered @ b[begin : begin + GROUP].astype(np.float64)) * scale
        return (total * b_scale).astype(np.float32)

    @staticmethod
    def examples() -> Iterator[tuple[RowQuantizedMatMul, list[TensorSpec | Array]]]:
        """One scale and one for each column; a row, many, none."""
        for a, b in [
            ((3, 5), (5, 4)),
            ((1, 1), (1, 1)),
            ((2, 17, 67), (67, 33)),
            ((130, 64), (64, 97)),
            ((5, 200), (200, 50)),
            ((0, 4), (4, 3)),
        ]:
            for scale in (np.array(0.02), np.linspace(0.01, 0.03, b[1])):
                yield RowQuantizedMatMul(), [TensorSpec(float32, a), TensorSpec(int8, b), scale.astype(np.float32)]
        yield RowQuantizedMatMul(), [TensorSpec(float32, (64,)), TensorSpec(int8, (64, 49)), np.array(0.02, np.float32)]


def _quantized(part: Array) -> tuple[Array, Array]:
    """Scales, and the quantized numbers less their zero points, both in float64."""
    one = np.float32(1)
    low, high = part.min(-1, keepdims=True, initial=0), part.max(-1, keepdims=True, initial=0)
    scale = np.where(low == high, one, (high - low) / np.float32(255)).astype(np.float32)
    zero = np.clip(np.rint(-low / scale), 0, 255)
    centered = np.clip(np.rint(part * (one / scale)) + zero, 0, 255) - zero
    return scale.astype(np.float64), centered.astype(np.float64)
