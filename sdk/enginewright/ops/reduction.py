"""Reductions: sums, means, norms, products, smallest and largest elements over some axes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enginewright.dims import Dim, dim_max, dim_min
from enginewright.errors import SymbolicShapeError
from enginewright.ops.contents import objects, with_contents
from enginewright.ops.element_types import FLOATS, WIDE_INTEGERS, check_type
from enginewright.ops.pointwise_table import cast_array
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    DataType,
    TensorSpec,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    normalize_axis,
    uint8,
)

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
NUMBERS = (*FLOATS, *WIDE_INTEGERS)


def reduced_axes(axes: Sequence[int] | None, noop: int, rank: int) -> tuple[int, ...]:
    """The axes to reduce, in order: all of them where none is given, unless that shall do nothing."""
    if not axes:
        return () if noop else tuple(range(rank))
    return tuple(sorted({normalize_axis(axis, rank) for axis in axes}))


class Reduce:
    """Base of the reductions; a subclass has `apply(x, axes)` on arrays of float64 or int64.

    `keepdims`: reduced axes stay, with size 1. `noop_with_empty_axes`: without axes nothing is summed up, but each
    element is treated as a sum of one.
    """

    TYPES: ClassVar[tuple[DataType, ...]] = NUMBERS
    EXTREME: ClassVar[bool] = False  # picks an element, so nothing is computed that could overflow
    SIZES: ClassVar[Any] = None  # joins two elements that are sizes, where that gives one
    keepdims: int
    noop_with_empty_axes: int
    if TYPE_CHECKING:
        apply: Any

    def infer(self, x: TensorSpec, axes: TensorSpec | None = None) -> TensorSpec:
        """Without the reduced axes, or with size 1 there."""
        check_type(x, self.TYPES, f"the input of {type(self).__name__}")
        chosen = self.axes_of(x, axes)
        if chosen is None:
            return self._unknown_axes(x, axes)
        kept = [
            1 if axis in chosen else size for axis, size in enumerate(x.shape) if axis not in chosen or self.keepdims
        ]
        return self._known(x, x.with_shape(*kept), chosen)

    def axes_of(self, x: TensorSpec, axes: TensorSpec | None) -> tuple[int, ...] | None:
        """The axes to reduce; None where they are known at run time only."""
        if axes is None:
            return reduced_axes(None, self.noop_with_empty_axes, x.rank)
        known = axes.constants() if axes.shape != (0,) else ()
        return None if known is None else reduced_axes(known, self.noop_with_empty_axes, x.rank)

    def reference(self, x: Array, axes: Array | None = None) -> Array:
        """In float64 or int64, rounded once."""
        given = None if axes is None else axes.reshape(-1).tolist()
        chosen = reduced_axes(given, self.noop_with_empty_axes, x.ndim)
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64) if DataType.of(x).is_float else x if self.EXTREME else _long(x)
            found = np.asarray(self.apply(wide, chosen, bool(self.keepdims)))
            return np.array(cast_array(found, DataType.of(x)))

    @classmethod
    def examples(cls) -> Iterator[tuple[Any, list[TensorSpec | Array | None]]]:
        """Each place of the axes; kept or not; all, none; no element; every type."""
        make: Callable[..., Any] = cls
        shape = (3, 4, 5, 6)
        for axes in ((3,), (0,), (1,), (-1, 1), (0, 2), (2, 3), (0, 1, 2, 3), (1, 2)):
            yield make(keepdims=len(axes) % 2), [TensorSpec(float32, shape), np.array(axes, np.int64)]
        yield make(), [TensorSpec(float32, (33, 70))]
        yield make(noop_with_empty_axes=1), [TensorSpec(float32, (3, 5)), np.zeros(0, np.int64)]
        yield make(keepdims=0), [TensorSpec(float32, (7, 1000)), np.array([1], np.int64)]
        yield make(keepdims=0), [TensorSpec(float32, (3, 300, 2)), np.array([2], np.int64)]
        yield make(keepdims=0), [TensorSpec(float32, (300, 37)), np.array([0], np.int64)]
        yield make(), [TensorSpec(float32, (2, 0, 3)), np.array([1], np.int64)]
        yield make(), [TensorSpec(int32, (2, 0, 3)), np.array([1], np.int64)]
        yield make(), [TensorSpec(float32, ())]
        for dtype in (float64, float16, bfloat16, int32, int64, uint8, int8, DataType.UINT32, bool_):
            if dtype in cls.TYPES:
                yield make(keepdims=0), [TensorSpec(dtype, (3, 35)), np.array([1], np.int64)]
                yield make(), [TensorSpec(dtype, (5, 3)), np.array([0], np.int64)]

    def _unknown_axes(self, x: TensorSpec, axes: TensorSpec | None) -> TensorSpec:
        """Sizes that the reference finds out; each is at most the largest that can come to stand in its place."""
        if self.keepdims:
            return x.with_shape(*(Dim.data(upper=dim_max(size, 1)) for size in x.shape))
        count = axes.size if axes is not None else 0
        if not isinstance(count, int) or count > x.rank:
            raise SymbolicShapeError(
                f"how many axes {type(self).__name__} reduces is not known before run time, so the rank is not either",
                hint="Make the axes a constant, or keep the reduced axes.",
            )
        candidates = [x.shape[axis : axis + count + 1] for axis in range(x.rank - count)]
        return x.with_shape(*(Dim.data(upper=functools.reduce(dim_max, sizes)) for sizes in candidates))

    def _known(self, x: TensorSpec, result: TensorSpec, axes: tuple[int, ...]) -> TensorSpec:
        array = objects(x)
        if array is None or not isinstance(result.size, int):
            return result
        if not any(isinstance(element, Dim) for element in array.flat):
            typed = array.astype(x.dtype.numpy)
            found = self.reference(typed, np.array(axes, np.int64)) if axes else typed
            exact = found.astype(np.float64) if x.dtype.is_float else found
            return with_contents(result, exact) if axes or type(self).SIZES else result
        if self.SIZES is None or not x.dtype.is_integer or array.size == 0:
            return result
        rows = np.moveaxis(array, axes, range(-len(axes), 0)).reshape(result.size, -1)
        return replace(result, value=tuple(functools.reduce(self.SIZES, row) for row in rows))


@operator("ew::ReduceSum")
class ReduceSum(Reduce):
    """The sum over `axes`; integers wrap."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0
    SIZES = staticmethod(lambda a, b: a + b)

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """numpy.sum."""
        return np.asarray(x.sum(axis=axes, keepdims=keep, dtype=x.dtype))


@operator("ew::ReduceMean")
class ReduceMean(Reduce):
    """The mean over `axes`; of integers rounded toward zero."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """The sum divided by the number of elements; NaN for none."""
        count = int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
        total = x.sum(axis=axes, keepdims=keep, dtype=np.float64 if x.dtype.kind == "f" else x.dtype)
        if x.dtype.kind == "f":
            return np.asarray(total / count if count else total * np.nan)
        return np.asarray(np.trunc(total.astype(np.float64) / max(count, 1)))


@operator("ew::ReduceMax")
class ReduceMax(Reduce):
    """The largest element over `axes`; of no elements the smallest number of the type; NaN where one is NaN."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0
    TYPES = (*NUMBERS, int8, uint8, bool_)
    EXTREME = True
    SIZES = staticmethod(dim_max)

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """numpy.max."""
        low = -np.inf if x.dtype.kind == "f" else False if x.dtype == bool else np.iinfo(x.dtype).min
        return np.asarray(np.max(x, axis=axes, keepdims=keep, initial=low))


@operator("ew::ReduceMin")
class ReduceMin(Reduce):
    """The smallest element over `axes`; of no elements the largest number of the type; NaN where one is NaN."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0
    TYPES = (*NUMBERS, int8, uint8, bool_)
    EXTREME = True
    SIZES = staticmethod(dim_min)

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """numpy.min."""
        high = np.inf if x.dtype.kind == "f" else True if x.dtype == bool else np.iinfo(x.dtype).max
        return np.asarray(np.min(x, axis=axes, keepdims=keep, initial=high))


@operator("ew::ReduceProd")
class ReduceProd(Reduce):
    """The product over `axes`; integers wrap."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0
    SIZES = staticmethod(lambda a, b: a * b)

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """numpy.prod."""
        return np.asarray(x.prod(axis=axes, keepdims=keep, dtype=x.dtype))


@operator("ew::ReduceL1")
class ReduceL1(Reduce):
    """The sum of magnitudes over `axes`."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """Sum of |x|."""
        return np.asarray(np.abs(x).sum(axis=axes, keepdims=keep, dtype=x.dtype))


@operator("ew::ReduceL2")
class ReduceL2(Reduce):
    """The root of the sum of squares over `axes`; integers lose the fraction."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """In float64."""
        return np.asarray(np.sqrt(np.square(x).sum(axis=axes, keepdims=keep, dtype=x.dtype).astype(np.float64)))


@operator("ew::ReduceSumSquare")
class ReduceSumSquare(Reduce):
    """The sum of squares over `axes`; integers wrap."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """Sum of x * x."""
        return np.asarray(np.square(x).sum(axis=axes, keepdims=keep, dtype=x.dtype))


@operator("ew::ReduceLogSum")
class ReduceLogSum(Reduce):
    """The logarithm of the sum over `axes`; integers lose the fraction."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """In float64."""
        return np.asarray(np.log(x.sum(axis=axes, keepdims=keep, dtype=x.dtype).astype(np.float64)))


@operator("ew::ReduceLogSumExp")
class ReduceLogSumExp(Reduce):
    """The logarithm of the sum of exponentials over `axes`, without overflow; integers lose the fraction."""

    keepdims: int = 1
    noop_with_empty_axes: int = 0

    def apply(self, x: Array, axes: tuple[int, ...], keep: bool) -> Array:
        """With the largest element subtracted."""
        wide = x.astype(np.float64)
        largest = wide.max(axis=axes, keepdims=True, initial=-np.inf)
        base = np.where(np.isfinite(largest), largest, 0.0)
        total = np.log(np.exp(wide - base).sum(axis=axes, keepdims=True)) + base
        return np.asarray(total if keep else total.squeeze(axis=axes))


def _long(x: Array) -> Array:
    return x.astype(np.int64 if x.dtype.kind == "i" else np.uint64)


REDUCTIONS: tuple[type[Any], ...] = (
    ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum,
    ReduceLogSumExp,
)  # fmt: skip


def _import(cls: type[Any]) -> None:
    """Declare both forms: axes as an input (ReduceSum since opset 13, the others since 18), before as an attribute."""

    def by_input(net: Network, node: OnnxNode) -> Tensor:
        op = cls(node.integer("keepdims", 1), node.integer("noop_with_empty_axes", 0))
        return net.add(op, node.input(0), node.optional(1))[0]

    def by_attribute(net: Network, node: OnnxNode) -> Tensor:
        axes = net.constant(np.array(node.integers("axes"), np.int64)) if node.has("axes") else None
        return net.add(cls(node.integer("keepdims", 1)), node.input(0), axes)[0]

    onnx_rule(f"ai.onnx::{cls.__name__}", since=13 if cls is ReduceSum else 18)(by_input)
    onnx_rule(f"ai.onnx::{cls.__name__}", since=1)(by_attribute)


for _cls in REDUCTIONS:
    _import(_cls)
