"""Elements chosen by what they contain: NonZero, Compress, Unique, TopK, OneHot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Dim, dim_min, require
from enginewright.errors import DataTypeError, InputError, ShapeError
from enginewright.ops.contents import dense, sizes_of
from enginewright.ops.element_types import FLOATS, INTEGERS, check_type
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    DataType,
    TensorSpec,
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


@operator("ew::NonZero")
class NonZero:
    """The places of all elements of `x` that are not zero, in row-major order: int64 [rank, count]."""

    def infer(self, x: TensorSpec) -> TensorSpec:
        """At most as many places as x has elements."""
        return TensorSpec(int64, (x.rank, Dim.data(x.size)))

    def reference(self, x: Array) -> Array:
        """numpy.nonzero."""
        if not x.ndim:
            return np.zeros((0, int(bool(x))), np.int64)
        return np.stack(np.nonzero(x)).astype(np.int64)

    @staticmethod
    def examples() -> Iterator[tuple[NonZero, list[TensorSpec | Array]]]:
        """One to three axes, all, none; each kind of type."""
        for dtype in (bool_, int64, int32, uint8):
            yield NonZero(), [TensorSpec(dtype, (3, 5))]
        sparse = np.where(np.arange(210) % 7 < 2, -np.arange(210.0), -0.0).reshape(2, 3, 35)
        for kind in (np.float32, np.float64, np.float16):
            yield NonZero(), [sparse.astype(kind)]
        for array in (np.zeros(9), np.ones((2, 3)), np.zeros((0, 3)), np.array(2.0), np.array(0.0)):
            yield NonZero(), [array.astype(np.float32)]


@operator("ew::Compress")
class Compress:
    """The slices of `x` along `axis` for which `condition` holds; of x as one list if `axis` is left out."""

    axis: int | None = None

    def infer(self, x: TensorSpec, condition: TensorSpec) -> TensorSpec:
        """At most as many as there are conditions, of which there may be fewer than slices."""
        check_type(condition, (bool_,), "condition")
        if condition.rank != 1:
            raise ShapeError(f"condition has {condition.rank} axes, not 1", hint="Give a list of bools.")
        if self.axis is None:
            return TensorSpec(x.dtype, (Dim.data(dim_min(x.size, condition.shape[0])),))
        axis = normalize_axis(self.axis, x.rank)
        count = Dim.data(dim_min(x.shape[axis], condition.shape[0]))
        return TensorSpec(x.dtype, (*x.shape[:axis], count, *x.shape[axis + 1 :]))

    def reference(self, x: Array, condition: Array) -> Array:
        """numpy.compress; conditions beyond the end are not looked at."""
        return dense(np.compress(condition[: x.size if self.axis is None else x.shape[self.axis]], x, axis=self.axis))

    @staticmethod
    def examples() -> Iterator[tuple[Compress, list[TensorSpec | Array]]]:
        """Each axis, as one list, fewer conditions, none true; every width of element."""
        some = np.array([True, False, True])
        for axis, shape in [(0, (3, 4)), (1, (4, 3)), (-1, (2, 2, 5)), (None, (3, 4))]:
            yield Compress(axis), [TensorSpec(float32, shape), some]
        yield Compress(0), [TensorSpec(float32, (3, 4)), ~some & some]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield Compress(1), [TensorSpec(dtype, (2, 3)), some]


@operator("ew::Unique")
class Unique:
    """The different elements of `x`, or its different slices along `axis`, ascending or (not `sorted`) by first place.

    Further outputs, all int64: the first place of each, the number of each element's equal, how often each occurs.
    """

    axis: int | None = None
    sorted: bool = True

    def infer(self, x: TensorSpec) -> tuple[TensorSpec, TensorSpec, TensorSpec, TensorSpec]:
        """At most as many as there are elements or slices."""
        axis = None if self.axis is None else normalize_axis(self.axis, x.rank)
        size = x.size if axis is None else x.shape[axis]
        shape = (Dim.data(size),) if axis is None else (*x.shape[:axis], Dim.data(size), *x.shape[axis + 1 :])
        counted = TensorSpec(int64, (Dim.data(size),))
        return TensorSpec(x.dtype, shape), counted, TensorSpec(int64, (size,)), counted

    def reference(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """numpy.unique."""
        values, first, inverse, counts = np.unique(
            x, return_index=True, return_inverse=True, return_counts=True, axis=self.axis, equal_nan=False
        )
        order = np.arange(len(first)) if self.sorted else np.argsort(first, kind="stable")
        rank = np.argsort(order, kind="stable")
        chosen = dense(np.take(values, order, axis=self.axis or 0))
        return chosen, first[order], np.asarray(rank[inverse.reshape(-1)], np.int64), counts[order]

    @staticmethod
    def examples() -> Iterator[tuple[Unique, list[TensorSpec | Array]]]:
        """As one list and along each axis, in both orders."""
        for in_order in (True, False):
            for axis in (None, 0, 1):
                yield Unique(axis, in_order), [TensorSpec(int64, (6, 3))]
                yield Unique(axis, in_order), [np.array([[2, 0, 2], [1, 0, 1], [2, 0, 2]], np.float32)]
        yield Unique(), [TensorSpec(float32, (0,))]
        yield Unique(sorted=False), [np.array(["b", "a", "b"], object)]


@operator("ew::TopK")
class TopK:
    """The `k` largest elements of `x` along `axis`, or the smallest, and their places (int64); equal ones by place.

    They come in order; `sorted` false leaves the order open.
    """

    axis: int = -1
    largest: bool = True
    sorted: bool = True

    def infer(self, x: TensorSpec, k: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
        """The axis has size k, which is at most the size it had."""
        check_type(x, (*FLOATS, *INTEGERS), "x")
        axis, counts = normalize_axis(self.axis, x.rank), sizes_of(k, "k")
        if len(counts) != 1 or not x.rank:
            raise ShapeError(f"k has {len(counts)} elements, x {x.rank} axes", hint="Give one k and at least one axis.")
        require("at_least", x.shape[axis], counts[0])
        require("at_least", counts[0], 0)
        shape = (*x.shape[:axis], counts[0], *x.shape[axis + 1 :])
        return TensorSpec(x.dtype, shape), TensorSpec(int64, shape)

    def reference(self, x: Array, k: Array) -> tuple[Array, Array]:
        """A stable sort; NaN counts as larger than all others."""
        count, size = int(k.reshape(())), x.shape[self.axis]
        if not 0 <= count <= size:
            raise InputError(f"k is {count}", hint=f"Allowed are 0 to {size}.")
        if self.largest:
            # Backwards, so that of equal elements the first one ends up first.
            order = size - 1 - np.flip(np.argsort(np.flip(x, self.axis), axis=self.axis, kind="stable"), self.axis)
        else:
            order = np.argsort(x, axis=self.axis, kind="stable")
        places = dense(np.take(order, np.arange(count), axis=self.axis).astype(np.int64))
        return np.take_along_axis(x, places, axis=self.axis), places

    @staticmethod
    def examples() -> Iterator[tuple[TopK, list[TensorSpec | Array]]]:
        """Each axis, few, all, none, many; both ends; equal elements; each type."""
        for axis, shape, k in [(-1, (3, 7), 2), (0, (5, 4), 5), (1, (2, 9, 3), 4), (0, (300,), 10), (0, (4,), 0)]:
            for largest in (True, False):
                yield TopK(axis, largest), [TensorSpec(float32, shape), np.array([k], np.int64)]
        for dtype in (float64, int64, int32, uint8, int8, float16):
            yield TopK(), [TensorSpec(dtype, (3, 40)), np.array([6], np.int64)]
            yield TopK(largest=False), [TensorSpec(dtype, (3, 40)), np.array([6], np.int64)]


@operator("ew::OneHot")
class OneHot:
    """For each index a list of `depth` elements along a new `axis`: values[1] at the index, values[0] elsewhere.

    Negative indices count from the end; an index outside gives no values[1] at all.
    """

    axis: int = -1

    def infer(self, indices: TensorSpec, depth: TensorSpec, values: TensorSpec) -> TensorSpec:
        """The shape of indices with the depth put in."""
        axis = normalize_axis(self.axis, indices.rank + 1)
        if depth.size != 1 or values.shape != (2,):
            raise ShapeError(f"depth {depth} or values {values} have a wrong shape", hint="Give one depth, two values.")
        if not (indices.dtype.is_integer or indices.dtype.is_float):
            raise DataTypeError(f"indices are {indices.dtype}", hint="Convert them with cast to int64.")
        check_type(depth, INTEGERS, "depth")
        count = sizes_of(depth, "depth")[0]
        return TensorSpec(values.dtype, (*indices.shape[:axis], count, *indices.shape[axis:]))

    def reference(self, indices: Array, depth: Array, values: Array) -> Array:
        """Compared with all places."""
        count = int(depth.reshape(()))
        index = np.expand_dims(indices.astype(np.int64), self.axis)
        place = np.where(index < 0, index + count, index)
        shape = [1] * place.ndim
        shape[self.axis] = count
        return np.where(place == np.arange(count).reshape(shape), values[1], values[0]).astype(values.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[OneHot, list[TensorSpec | Array]]]:
        """Each axis, negative and outside, each type of values; scalars."""
        values = np.array([0.5, 2], np.float32)
        for axis, indices in [(-1, [1, 0, 9]), (0, [[1, -1], [-9, 3]]), (1, [[1, 2, 0]]), (-1, 2)]:
            yield OneHot(axis), [np.array(indices, np.int64), np.array(4, np.int64), values]
        yield OneHot(), [np.array([1, 2], np.float32), np.array(3, np.int64), np.array([7, 8], np.int64)]
        yield OneHot(), [np.array([1, 2], np.int32), np.array([3], np.int32), values]
        yield OneHot(), [np.array([1, 2], np.int64), np.array(3, np.int64), np.array([5, 6], np.int32)]
        yield OneHot(), [np.zeros((0,), np.int64), np.array(3, np.int64), values]


@onnx_rule("ai.onnx::NonZero", since=9)
def nonzero(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.nonzero(node.input(0))


@onnx_rule("ai.onnx::Compress", since=9)
def compress(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    axis = node.integer("axis") if node.has("axis") else None
    return net.compress(node.input(0), node.input(1), axis=axis)


@onnx_rule("ai.onnx::Unique", since=11)
def unique(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """All versions alike."""
    axis = node.integer("axis") if node.has("axis") else None
    return net.unique(node.input(0), axis=axis, sorted=bool(node.integer("sorted", 1)))[: len(node.outputs)]


@onnx_rule("ai.onnx::TopK", since=10)
def topk(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """k is an input; smallest and unsorted from 11 on."""
    largest, in_order = bool(node.integer("largest", 1)), bool(node.integer("sorted", 1))
    return net.topk(node.input(0), node.input(1), axis=node.integer("axis", -1), largest=largest, sorted=in_order)[
        : len(node.outputs)
    ]


@onnx_rule("ai.onnx::TopK", since=1)
def topk_attribute(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """k is an attribute."""
    k = net.constant(np.array([node.integer("k")], np.int64))
    return net.topk(node.input(0), k, axis=node.integer("axis", -1))[: len(node.outputs)]


@onnx_rule("ai.onnx::OneHot", since=9)
def one_hot(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike; negative indices from 11 on. A depth that is a float is made an integer first."""
    depth = node.input(1)
    if depth.dtype.is_float:
        depth = net.cast(depth, to=int64)
    return net.one_hot(node.input(0), depth, node.input(2), axis=node.integer("axis", -1))
