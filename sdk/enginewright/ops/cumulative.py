"""CumSum and CumProd: running sums and products along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, WIDE_INTEGERS, check_type, widen
from enginewright.ops.elementwise import import_plainly
from enginewright.registry.registry import operator
from enginewright.tensors import TensorSpec, bfloat16, float16, float32, float64, int32, int64, normalize_axis

Array = np.ndarray[Any, Any]


def _same_shape(x: TensorSpec, axis: TensorSpec) -> TensorSpec:
    check_type(x, (*FLOATS, *WIDE_INTEGERS), "the input")
    check_type(axis, (int32, int64), "the axis")
    if axis.size != 1:
        raise ShapeError(f"the axis has shape {axis.shape}", hint="Give a scalar.")
    known = axis.constants()
    if known is not None:
        normalize_axis(known[0], x.rank)
    return TensorSpec(x.dtype, x.shape)


def _running(function: np.ufunc, x: Array, axis: Array, op: CumSum | CumProd) -> Array:
    along = normalize_axis(int(axis.reshape(-1)[0]), x.ndim)
    wide = np.flip(widen(x), along) if op.reverse else widen(x)
    total = function.accumulate(wide, axis=along, dtype=wide.dtype)
    if op.exclusive and x.shape[along]:
        total = np.roll(total, 1, axis=along)
        total[tuple(0 if a == along else slice(None) for a in range(x.ndim))] = function.identity
    return np.ascontiguousarray(np.flip(total, along) if op.reverse else total).astype(x.dtype)


@operator("ew::CumSum")
class CumSum:
    """The sum of all elements up to and with each one, along the axis that a scalar input gives.

    `exclusive`: without the element itself. `reverse`: from the end.
    """

    exclusive: int = 0
    reverse: int = 0

    def infer(self, x: TensorSpec, axis: TensorSpec) -> TensorSpec:
        """The shape of x."""
        return _same_shape(x, axis)

    def reference(self, x: Array, axis: Array) -> Array:
        """numpy.cumsum; 16-bit floats in float32."""
        return _running(np.add, x, axis, self)

    @staticmethod
    def examples() -> Iterator[tuple[CumSum, list[TensorSpec | Array]]]:
        """All four forms, each axis, every type."""
        for exclusive in (0, 1):
            for reverse in (0, 1):
                for axis in (0, 1, -1):
                    yield CumSum(exclusive, reverse), [TensorSpec(float32, (3, 5, 7)), np.array(axis, np.int64)]
                yield CumSum(exclusive, reverse), [TensorSpec(int64, (9,)), np.array([0], np.int32)]
        for dtype in (float64, float16, bfloat16, int32):
            yield CumSum(), [TensorSpec(dtype, (4, 11)), np.array(1, np.int64)]
        yield CumSum(), [TensorSpec(float32, (2, 0)), np.array(1, np.int64)]


@operator("ew::CumProd")
class CumProd:
    """The product of all elements up to and with each one, along the axis that a scalar input gives.

    `exclusive`: without the element itself. `reverse`: from the end.
    """

    exclusive: int = 0
    reverse: int = 0

    def infer(self, x: TensorSpec, axis: TensorSpec) -> TensorSpec:
        """The shape of x."""
        return _same_shape(x, axis)

    def reference(self, x: Array, axis: Array) -> Array:
        """numpy.cumprod; 16-bit floats in float32."""
        return _running(np.multiply, x, axis, self)

    @staticmethod
    def examples() -> Iterator[tuple[CumProd, list[TensorSpec | Array]]]:
        """All four forms, each axis, several types."""
        for exclusive in (0, 1):
            for reverse in (0, 1):
                for axis in (0, 1, -1):
                    yield CumProd(exclusive, reverse), [TensorSpec(float32, (3, 5, 7)), np.array(axis, np.int64)]
        for dtype in (float64, float16, int32):
            yield CumProd(), [TensorSpec(dtype, (4, 11)), np.array(1, np.int64)]


import_plainly(CumSum)
import_plainly(CumProd)
