"""ArgMax and ArgMin: where along an axis the largest or smallest element is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, INTEGERS, check_type
from enginewright.ops.elementwise import import_plainly
from enginewright.registry.registry import operator
from enginewright.tensors import (
    TensorSpec,
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    normalize_axis,
    uint8,
)

Array = np.ndarray[Any, Any]


class ArgReduce:
    """Base of both; of equal elements the first counts, or the last with `select_last_index`; NaN is the extreme."""

    axis: int
    keepdims: int
    select_last_index: int

    def infer(self, x: TensorSpec) -> TensorSpec:
        """int64, without the axis or with size 1 there."""
        check_type(x, (*FLOATS, *INTEGERS), "the input")
        if x.rank == 0:
            return TensorSpec(int64)
        axis = normalize_axis(self.axis, x.rank)
        if x.shape[axis] == 0:
            raise ShapeError(f"axis {axis} has no element", hint="Reduce an axis that has elements.")
        middle = (1,) if self.keepdims else ()
        return TensorSpec(int64, (*x.shape[:axis], *middle, *x.shape[axis + 1 :]))

    def find(self, x: Array, function: Callable[..., Any]) -> Array:
        """The index by numpy.argmax or argmin."""
        if x.ndim == 0:
            return np.array(0, np.int64)
        wide = x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x
        if self.select_last_index:
            found = x.shape[self.axis] - 1 - function(np.flip(wide, self.axis), axis=self.axis)
        else:
            found = function(wide, axis=self.axis)
        return np.asarray(np.expand_dims(found, self.axis) if self.keepdims else found, np.int64)

    @classmethod
    def examples(cls) -> Iterator[tuple[Any, list[TensorSpec]]]:
        """Each axis, both orders, equal elements, every type."""
        make: Callable[..., Any] = cls
        for axis, keep, last in ((0, 1, 0), (1, 0, 0), (-1, 0, 1), (1, 1, 1), (-1, 1, 0)):
            yield make(axis, keep, last), [TensorSpec(float32, (3, 7, 70))]
            yield make(axis, keep, last), [TensorSpec(int32, (3, 7, 70))]
        for dtype in (float64, float16, bfloat16, int64, int8, uint8):
            yield make(1, 0, 0), [TensorSpec(dtype, (5, 33))]
            yield make(0, 0, 1), [TensorSpec(dtype, (5, 3))]
        yield make(0, 1, 0), [TensorSpec(float32, (1,))]
        yield make(1, 1, 0), [TensorSpec(float32, (0, 3))]


@operator("ew::ArgMax")
class ArgMax(ArgReduce):
    """The index of the largest element along `axis`, int64."""

    axis: int = 0
    keepdims: int = 1
    select_last_index: int = 0

    def reference(self, x: Array) -> Array:
        """numpy.argmax."""
        return self.find(x, np.argmax)


@operator("ew::ArgMin")
class ArgMin(ArgReduce):
    """The index of the smallest element along `axis`, int64."""

    axis: int = 0
    keepdims: int = 1
    select_last_index: int = 0

    def reference(self, x: Array) -> Array:
        """numpy.argmin."""
        return self.find(x, np.argmin)


import_plainly(ArgMax)
import_plainly(ArgMin)
