"""Where: elements of one tensor or another, by a condition."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from enginewright.dims import Size, dim_select
from enginewright.ops.element_types import check_same_type, check_type
from enginewright.ops.elementwise import EXAMPLE_TYPES, Elementwise, check_writable, import_plainly
from enginewright.ops.pointwise import Builder, Value
from enginewright.ops.pointwise_table import TYPES, Array
from enginewright.registry.registry import operator
from enginewright.tensors import DataType, TensorSpec, bool_, broadcast_shapes, float32


@operator("ew::Where")
class Where(Elementwise):
    """x where the condition is true, else y, all broadcast."""

    @staticmethod
    def sizes(_: DataType, condition: Size, x: Size, y: Size) -> Size:
        """One of two sizes."""
        return dim_select(condition, x, y)

    def infer(self, condition: TensorSpec, x: TensorSpec, y: TensorSpec) -> TensorSpec:
        """The broadcast shape, the type of x and y."""
        check_type(condition, (bool_,), "the condition of Where")
        shape = broadcast_shapes(condition.shape, x.shape, y.shape)
        result = TensorSpec(check_same_type(x, y), shape)
        return self.known(result, (condition, x, y)) if x.dtype in TYPES else result

    def reference(self, condition: Array, x: Array, y: Array) -> Array:
        """numpy.where, for strings and complex numbers too."""
        return np.where(condition, x, y)

    def write(self, p: Builder, condition: Value, x: Value, y: Value) -> Value:
        """One instruction."""
        check_writable(x.dtype)
        return p.apply("where", condition, x, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[Where, list[TensorSpec]]]:
        """Each input broadcast; every main type."""
        for c, x, y in (((2, 1, 5), (3, 1), (5,)), ((1,), (4, 4), ()), ((0,), (1,), (3, 0)), ((70,), (70,), (70,))):
            yield Where(), [TensorSpec(bool_, c), TensorSpec(float32, x), TensorSpec(float32, y)]
        for dtype in EXAMPLE_TYPES:
            yield Where(), [TensorSpec(bool_, (33,)), TensorSpec(dtype, (2, 33)), TensorSpec(dtype, ())]


import_plainly(Where)
