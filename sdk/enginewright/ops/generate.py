"""Tensors made from nothing but a few numbers: Constant, ConstantOfShape, Range, EyeLike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Dim, Size, ceil_div, dim_max
from enginewright.errors import DataTypeError, ModelInvalid, ShapeError
from enginewright.ops.contents import sizes_of, with_contents
from enginewright.ops.element_types import FLOATS, INTEGERS, check_same_type, check_type
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    MAX_VALUE_ELEMENTS,
    DataType,
    TensorSpec,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
    uint8,
)

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::ConstantOfShape")
class ConstantOfShape:
    """A tensor of type `dtype` whose sizes are the numbers of `shape`, every element `value`."""

    value: int | float = 0.0
    dtype: DataType = float32

    def infer(self, shape: TensorSpec) -> TensorSpec:
        """The sizes are the contents of `shape`."""
        sizes = sizes_of(shape, "shape")
        if any(isinstance(size, int) and size < 0 for size in sizes):
            raise ShapeError(f"shape has a negative size: {sizes}", hint="Sizes are 0 or more.")
        spec = TensorSpec(self.dtype, sizes)
        known = all(isinstance(size, int) for size in sizes)  # [Dim, 0] has a known size, but no known shape
        small = known and isinstance(spec.size, int) and spec.size <= MAX_VALUE_ELEMENTS
        return with_contents(spec, np.full(sizes, self.value, object)) if small else spec

    def reference(self, shape: Array) -> Array:
        """numpy.full."""
        return np.full(tuple(int(size) for size in shape.reshape(-1)), self.value, self.dtype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[ConstantOfShape, list[TensorSpec | Array]]]:
        """Each kind of type; a scalar, empty, large."""
        for dtype in (float32, float64, float16, bfloat16, int64, int32, uint8, bool_):
            yield ConstantOfShape(1, dtype), [np.array([2, 5], np.int64)]
        for shape in ([], [0, 3], [1], [7, 3, 129]):
            yield ConstantOfShape(-2.5), [np.array(shape, np.int64)]
        yield ConstantOfShape(2**62 + 1, int64), [np.array([3], np.int64)]


@operator("ew::Range")
class Range:
    """start, start + delta, start + 2 delta, ... up to before `limit`: three scalars of one type."""

    def infer(self, start: TensorSpec, limit: TensorSpec, delta: TensorSpec) -> TensorSpec:
        """ceil((limit - start) / delta) numbers, none if that is negative."""
        dtype = check_same_type(start, limit, delta)
        check_type(start, (*FLOATS, *INTEGERS), "start")
        if any(spec.size != 1 for spec in (start, limit, delta)):
            raise ShapeError("start, limit and delta must be scalars", hint="Reshape each to [].")
        if dtype.is_float:
            return self._of_floats(dtype, *(spec.value[0] if spec.value else None for spec in (start, limit, delta)))
        first, last, step = (sizes_of(spec, "start, limit or delta")[0] for spec in (start, limit, delta))
        count = _count(first, last, step)
        spec = TensorSpec(dtype, (count,))
        if not isinstance(count, int) or count > MAX_VALUE_ELEMENTS:
            return spec
        return with_contents(spec, np.array([first + step * i for i in range(count)], object))

    def _of_floats(self, dtype: DataType, *bounds: Size | float | None) -> TensorSpec:
        """Their number follows from known floats or sizes turned to floats; else it is found out at run time."""
        if any(bound is None for bound in bounds):
            return TensorSpec(dtype, (Dim.data(),))
        if all(isinstance(bound, Dim) or float(bound or 0).is_integer() for bound in bounds):
            first, last, step = (bound if isinstance(bound, Dim) else int(bound or 0) for bound in bounds)
            return TensorSpec(dtype, (_count(first, last, step),))
        if any(isinstance(bound, Dim) for bound in bounds):
            return TensorSpec(dtype, (Dim.data(),))
        numbers = [np.array(bound, dtype.numpy) for bound in bounds]
        spec = TensorSpec(dtype, (_float_count(*numbers),))
        return with_contents(spec, self.reference(*numbers).astype(np.float64))

    def reference(self, start: Array, limit: Array, delta: Array) -> Array:
        """start + i * delta; floats in float64, rounded once."""
        first, last, step = (array.reshape(()) for array in (start, limit, delta))
        if DataType.of(start).is_float:
            places = np.arange(_float_count(first, last, step), dtype=np.float64)
            return np.asarray(float(first) + places * float(step)).astype(start.dtype)
        count = _count(int(first), int(last), int(step))
        return np.array([int(first) + i * int(step) for i in range(int(count))], start.dtype)  # type: ignore[arg-type]

    @staticmethod
    def examples() -> Iterator[tuple[Range, list[TensorSpec | Array]]]:
        """Up, down, none, every type."""
        for bounds in ((0, 10, 1), (3, 20, 4), (10, 0, -3), (5, 5, 1), (5, 1, 1), (-3, 200, 2)):
            yield Range(), [np.array(number, np.int64) for number in bounds]
        for dtype in (float32, float64, int32, DataType.INT16):
            yield Range(), [np.array(number, dtype.numpy) for number in (1, 11, 3)]
        yield Range(), [np.array(number, np.float32) for number in (0.5, 3.0, 0.5)]
        yield Range(), [np.array(number, np.float32) for number in (2.0, -1.0, -0.75)]


def _count(first: Size, last: Size, step: Size) -> Size:
    if step == 0:
        raise ShapeError("delta is 0", hint="Give a delta that is not 0.")
    if isinstance(step, int) and step < 0:
        return dim_max(ceil_div(first - last, -step), 0)
    return dim_max(ceil_div(last - first, step), 0)


def _float_count(first: Array, last: Array, step: Array) -> int:
    if float(step) == 0:
        raise ShapeError("delta is 0", hint="Give a delta that is not 0.")
    return max(0, math.ceil((float(last) - float(first)) / float(step)))


@operator("ew::EyeLike")
class EyeLike:
    """Ones on the diagonal `k` (above the main one if positive) of a matrix of the shape of `x`, zeros elsewhere."""

    dtype: DataType | None = None
    k: int = 0

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The shape of x; its type if `dtype` is left out."""
        if x.rank != 2:
            raise ShapeError(f"the input has {x.rank} axes, not 2", hint="Give a matrix.")
        dtype = self.dtype or x.dtype
        if not (dtype.is_float or dtype.is_integer or dtype is bool_):
            raise DataTypeError(f"{dtype} has no 0 and 1", hint="Give another dtype.")
        return TensorSpec(dtype, x.shape)

    def reference(self, x: Array) -> Array:
        """numpy.eye."""
        rows, columns = x.shape
        return np.eye(rows, columns, self.k, dtype=np.uint8).astype(x.dtype if self.dtype is None else self.dtype.numpy)

    @staticmethod
    def examples() -> Iterator[tuple[EyeLike, list[TensorSpec]]]:
        """Square, wide, high, shifted either way and out; several types."""
        for shape, k in [((4, 4), 0), ((3, 7), 2), ((7, 3), -2), ((3, 3), 9), ((2, 5), -9), ((0, 4), 0)]:
            yield EyeLike(k=k), [TensorSpec(float32, shape)]
        for dtype in (float32, float64, int64, uint8, bool_, float16):
            yield EyeLike(dtype), [TensorSpec(int32, (3, 4))]


def constant_array(node: OnnxNode) -> Array:
    """The array that a Constant node holds in one of its attributes."""
    kinds = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}
    for name, dtype in kinds.items():
        if node.has(name):
            return np.array(node.attributes[name], dtype)
    if node.has("value_string"):
        return np.array(node.text("value_string"), object)
    if node.has("value_strings"):
        return np.array(list(node.texts("value_strings")), object)
    if node.has("sparse_value"):
        raise NotSupported("a sparse constant")
    return node.tensor("value")


@onnx_rule("ai.onnx::Constant", since=1)
def constant(net: Network, node: OnnxNode) -> Tensor:
    """Each attribute that may hold the value."""
    if len(node.attributes) != 1:
        given = ", ".join(node.attributes) or "none"
        raise ModelInvalid(f"a Constant has one value, here: {given}", hint="Export the model again.", where=node.where)
    return net.constant(constant_array(node), name=node.outputs[0])


@onnx_rule("ai.onnx::ConstantOfShape", since=9)
def constant_of_shape(net: Network, node: OnnxNode) -> Tensor:
    """The value is a tensor of one element, float32 0 if left out."""
    value = node.tensor("value") if node.has("value") else np.zeros(1, np.float32)
    if value.size != 1 or value.dtype.kind == "c":
        raise NotSupported(f"a value of {value.size} elements of type {value.dtype}")
    dtype = DataType.of(value)
    number = float(value.reshape(())) if dtype.is_float else int(value.reshape(()))
    return net.constant_of_shape(node.input(0), value=number, dtype=dtype)


@onnx_rule("ai.onnx::Range", since=11)
def range_(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.range(node.input(0), node.input(1), node.input(2))


@onnx_rule("ai.onnx::EyeLike", since=9)
def eye_like(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    dtype = DataType(node.integer("dtype")) if node.has("dtype") else None
    return net.eye_like(node.input(0), dtype=dtype, k=node.integer("k", 0))
