"""Shapes as data and data in another shape: Shape, Size, Reshape, Flatten, Squeeze, Unsqueeze, Identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enginewright.dims import Dim, Size as DimSize, dim_equal, dim_less, dim_max, dim_select, product, require, same
from enginewright.errors import ShapeError, SymbolicShapeError
from enginewright.ops.contents import constants_of, count_of, is_read, is_unknown, sizes_of
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import (
    DataType,
    Shape as ShapeTuple,
    TensorSpec,
    bool_,
    float16,
    float32,
    int4,
    int64,
    normalize_axis,
)

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Shape")
class Shape:
    """The sizes of `data` as int64, from axis `start` to before axis `end`, both clamped as in a Python slice."""

    start: int = 0
    end: int | None = None

    def infer(self, data: TensorSpec) -> TensorSpec:
        """A list whose contents are known: sizes."""
        sizes = data.shape[self.start : self.end]
        return TensorSpec(int64, (len(sizes),), sizes)

    def reference(self, data: Array) -> Array:
        """The slice of the array's shape."""
        return np.array(data.shape[self.start : self.end], np.int64)

    @staticmethod
    def examples() -> Iterator[tuple[Shape, list[TensorSpec]]]:
        """All, some, from the end, none, of a scalar."""
        for start, end in [(0, None), (1, None), (-2, None), (0, -1), (2, 9), (2, 1), (-9, 2)]:
            yield Shape(start, end), [TensorSpec(float32, (2, 3, 5))]
        yield Shape(), [TensorSpec(float32, ())]


@operator("ew::Size")
class Size:
    """The number of elements of `data`: an int64 scalar."""

    def infer(self, data: TensorSpec) -> TensorSpec:
        """A scalar with known contents."""
        return TensorSpec(int64, (), (data.size,))

    def reference(self, data: Array) -> Array:
        """The array's size."""
        return np.array(data.size, np.int64)

    @staticmethod
    def examples() -> Iterator[tuple[Size, list[TensorSpec]]]:
        """Some, none, one."""
        for shape in [(2, 3), (4, 0), ()]:
            yield Size(), [TensorSpec(float32, shape)]


@operator("ew::ShapeValue")
class ShapeValue:
    """Numbers that follow from the sizes of the network's inputs, as a tensor of type `dtype` and shape `shape`."""

    INTERNAL: ClassVar[bool] = True
    sizes: tuple[DimSize, ...]
    dtype: DataType = int64
    shape: tuple[int, ...] = ()

    def infer(self) -> TensorSpec:
        """Known contents."""
        if product(self.shape) != len(self.sizes):
            raise ShapeError(f"{len(self.sizes)} sizes do not fill {self.shape}", hint="Give one size an element.")
        return TensorSpec(self.dtype, self.shape, self.sizes)

    def reference(self) -> Array:
        """The numbers, where all are known."""
        if not all(isinstance(size, int) for size in self.sizes):
            raise SymbolicShapeError("sizes are not known before run time", hint="Run this operator natively.")
        return np.array(self.sizes, self.dtype.numpy).reshape(self.shape)

    @staticmethod
    def examples() -> Iterator[tuple[ShapeValue, list[TensorSpec]]]:
        """Each type it may have; a scalar, a list, a table."""
        yield ShapeValue((7,)), []
        for dtype in (int64, DataType.INT32, float32, DataType.FLOAT64, bool_, DataType.UINT8, float16):
            yield ShapeValue((1, 0, 5), dtype, (3,)), []
        yield ShapeValue((-1, 2, 3, 2**40), int64, (2, 2)), []


@operator("ew::Reshape")
class Reshape:
    """`data` in the shape given by `shape`: one size may be -1 (what is left); 0 keeps the size unless `allowzero`."""

    allowzero: bool = False

    def infer(self, data: TensorSpec, shape: TensorSpec) -> TensorSpec:
        """Exact division for -1; sizes read at run time may also be 0 or -1."""
        wanted = [self._kept(data, axis, size) for axis, size in enumerate(sizes_of(shape, "shape"))]
        sizes = _fill_unknown(data.size, wanted)
        require("equal", data.size, product(sizes))
        return TensorSpec(data.dtype, sizes, data.value)

    def _kept(self, data: TensorSpec, axis: int, size: DimSize) -> DimSize:
        if self.allowzero or (isinstance(size, int) and size != 0):
            return size
        if isinstance(size, int) and axis >= data.rank:
            raise ShapeError(f"shape has a 0 at {axis}, but data has {data.rank} axes", hint="Set allowzero.")
        if axis >= data.rank:
            return size
        return dim_select(dim_equal(size, 0), data.shape[axis], size) if is_read(size) or size == 0 else size

    def reference(self, data: Array, shape: Array) -> Array:
        """numpy.reshape."""
        wanted = [int(size) for size in shape]
        if not self.allowzero:
            wanted = [size or data.shape[axis] for axis, size in enumerate(wanted)]
        return data.reshape(wanted)

    def view(self, data: TensorSpec, shape: TensorSpec) -> int:
        """The same bytes."""
        return 0

    @staticmethod
    def examples() -> Iterator[tuple[Reshape, list[TensorSpec | Array]]]:
        """Known sizes, -1, 0 either way, to a scalar, empty; several types."""
        for shape, wanted in [
            ((2, 3, 4), (6, 4)),
            ((2, 3, 4), (-1, 2)),
            ((2, 3, 4), (0, -1)),
            ((1, 1), ()),
            ((0, 3), (3, 0, 5)),
        ]:
            yield Reshape(allowzero=0 in shape), [TensorSpec(float32, shape), np.array(wanted, np.int64)]
        for dtype in (bool_, int64, float16, int4, DataType.COMPLEX128):
            yield Reshape(), [TensorSpec(dtype, (3, 5)), np.array([5, 3], np.int64)]


def _fill_unknown(total: DimSize, wanted: list[DimSize]) -> ShapeTuple:
    """The sizes with -1 replaced by what is left of `total`; a size read at run time may be -1."""
    if sum(size == -1 for size in wanted) > 1:
        raise ShapeError("shape has more than one -1", hint="Give all sizes but one.")
    sizes = list(wanted)
    for axis, size in enumerate(wanted):
        if isinstance(size, int) and size < -1:
            raise ShapeError(f"shape has the size {size}", hint="Sizes are 0 or more, or -1 for what is left.")
        others = product(wanted[:axis] + wanted[axis + 1 :])
        if size == -1 and others == 0:
            raise ShapeError("-1 in shape is not defined beside a size of 0", hint="Give all sizes.")
        if size == -1:
            sizes[axis] = total // (dim_max(others, 1) if is_read(others) else others)
        elif is_read(size):
            sizes[axis] = dim_select(dim_less(size, 0), total // dim_max(others, 1), size)
    return tuple(sizes)


@operator("ew::Flatten")
class Flatten:
    """`x` as a matrix: axes before `axis` are the rows, the others the columns."""

    axis: int = 1

    def infer(self, x: TensorSpec) -> TensorSpec:
        """[product of the first sizes, product of the others]."""
        axis = x.rank if self.axis == x.rank else normalize_axis(self.axis, x.rank)
        return TensorSpec(x.dtype, (product(x.shape[:axis]), product(x.shape[axis:])), x.value)

    def reference(self, x: Array) -> Array:
        """numpy.reshape."""
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        return x.reshape(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))

    def view(self, x: TensorSpec) -> int:
        """The same bytes."""
        return 0

    @staticmethod
    def examples() -> Iterator[tuple[Flatten, list[TensorSpec]]]:
        """Each axis; of a scalar; empty."""
        for axis in (-3, -1, 0, 1, 2, 3):
            yield Flatten(axis), [TensorSpec(float32, (2, 3, 5))]
        yield Flatten(0), [TensorSpec(float32, ())]
        yield Flatten(1), [TensorSpec(int64, (0, 3))]


def _axes(axes: TensorSpec, rank: int) -> tuple[int, ...]:
    """The known axes, counted from the front; `ShapeError` where one stands there twice."""
    found = tuple(normalize_axis(axis, rank) for axis in constants_of(axes, "axes"))
    if len(set(found)) != len(found):
        raise ShapeError(f"axes {found} has an axis twice", hint="Name each axis once.")
    return found


@operator("ew::Squeeze")
class Squeeze:
    """`data` without the given axes, which must have size 1; without `axes` all axes of size 1 go.

    Where `axes` is left out, an axis whose size is symbolic stays, and must then not be 1 at run time.
    """

    def infer(self, data: TensorSpec, axes: TensorSpec | None = None) -> TensorSpec:
        """The other sizes; found at run time where the axes are."""
        if axes is not None and is_unknown(axes):
            return TensorSpec(data.dtype, (Dim.data(),) * (data.rank - count_of(axes, "axes")))
        gone = self._ones(data) if axes is None else _axes(axes, data.rank)
        for axis in gone:
            same(data.shape[axis], 1)
        sizes = tuple(size for axis, size in enumerate(data.shape) if axis not in gone)
        return TensorSpec(data.dtype, sizes, data.value)

    def _ones(self, data: TensorSpec) -> tuple[int, ...]:
        for size in data.shape:
            if not isinstance(size, int):
                require("at_least", size, 2)
        return tuple(axis for axis, size in enumerate(data.shape) if isinstance(size, int) and size == 1)

    def reference(self, data: Array, axes: Array | None = None) -> Array:
        """numpy.squeeze."""
        return np.squeeze(data, axis=None if axes is None else tuple(int(axis) for axis in axes.reshape(-1)))

    def view(self, data: TensorSpec, axes: TensorSpec | None = None) -> int | None:
        """The same bytes."""
        return None if is_unknown(axes) else 0

    @staticmethod
    def examples() -> Iterator[tuple[Squeeze, list[TensorSpec | Array | None]]]:
        """All, some, none, to a scalar."""
        yield Squeeze(), [TensorSpec(float32, (1, 3, 1, 5)), None]
        for axes in ([0], [-2], [0, 2]):
            yield Squeeze(), [TensorSpec(float32, (1, 3, 1, 5)), np.array(axes, np.int64)]
        yield Squeeze(), [TensorSpec(int64, (1,)), np.array([0], np.int64)]


@operator("ew::Unsqueeze")
class Unsqueeze:
    """`data` with new axes of size 1, at these places in the output."""

    def infer(self, data: TensorSpec, axes: TensorSpec) -> TensorSpec:
        """The sizes with ones between; found at run time where the axes are."""
        if is_unknown(axes):
            return TensorSpec(data.dtype, (Dim.data(),) * (data.rank + count_of(axes, "axes")))
        rank = data.rank + len(constants_of(axes, "axes"))
        new, old = _axes(axes, rank), iter(data.shape)
        sizes = tuple(1 if axis in new else next(old) for axis in range(rank))
        return TensorSpec(data.dtype, sizes, data.value)

    def reference(self, data: Array, axes: Array) -> Array:
        """numpy.expand_dims."""
        return np.expand_dims(data, tuple(int(axis) for axis in axes.reshape(-1)))

    def view(self, data: TensorSpec, axes: TensorSpec) -> int | None:
        """The same bytes."""
        return None if is_unknown(axes) else 0

    @staticmethod
    def examples() -> Iterator[tuple[Unsqueeze, list[TensorSpec | Array]]]:
        """First, last, several, of a scalar."""
        for axes in ([0], [-1], [2, 0], [-1, 1]):
            yield Unsqueeze(), [TensorSpec(float32, (3, 4)), np.array(axes, np.int64)]
        yield Unsqueeze(), [TensorSpec(int64, ()), np.array([0], np.int64)]


@operator("ew::Identity")
class Identity:
    """`x` as it is."""

    CONTAINERS: ClassVar[bool] = True

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The same, contents included."""
        return TensorSpec(x.dtype, x.shape, x.value, items=x.items)

    def reference(self, x: Array) -> Array:
        """The array itself."""
        return x

    def view(self, x: TensorSpec) -> int:
        """The same bytes."""
        return 0

    @staticmethod
    def examples() -> Iterator[tuple[Identity, list[TensorSpec]]]:
        """Several types and shapes."""
        for dtype in (float32, bool_, int64, int4, float16):
            yield Identity(), [TensorSpec(dtype, (3, 5))]
        yield Identity(), [TensorSpec(float32, ())]
        yield Identity(), [TensorSpec(float32, (0,))]


@onnx_rule("ai.onnx::Shape", since=15)
def shape(net: Network, node: OnnxNode) -> Tensor:
    """From 15 on a part of the sizes."""
    end = node.integer("end") if node.has("end") else None
    return net.shape(node.input(0), start=node.integer("start", 0), end=end)


@onnx_rule("ai.onnx::Shape", since=1)
def shape_whole(net: Network, node: OnnxNode) -> Tensor:
    """All sizes."""
    return net.shape(node.input(0))


@onnx_rule("ai.onnx::Size", since=1)
def size(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.size(node.input(0))


@onnx_rule("ai.onnx::Reshape", since=5)
def reshape(net: Network, node: OnnxNode) -> Tensor:
    """The shape is an input; allowzero from 14 on."""
    return net.reshape(node.input(0), node.input(1), allowzero=bool(node.integer("allowzero", 0)))


@onnx_rule("ai.onnx::Reshape", since=1)
def reshape_attribute(net: Network, node: OnnxNode) -> Tensor:
    """The shape is an attribute."""
    return net.reshape(node.input(0), net.constant(np.array(node.integers("shape"), np.int64)))


@onnx_rule("ai.onnx::Flatten", since=1)
def flatten(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.flatten(node.input(0), axis=node.integer("axis", 1))


@onnx_rule("ai.onnx::Squeeze", since=13)
def squeeze(net: Network, node: OnnxNode) -> Tensor:
    """The axes are an input."""
    return net.squeeze(node.input(0), node.optional(1))


@onnx_rule("ai.onnx::Squeeze", since=1)
def squeeze_attribute(net: Network, node: OnnxNode) -> Tensor:
    """The axes are an attribute."""
    axes = net.constant(np.array(node.integers("axes"), np.int64)) if node.has("axes") else None
    return net.squeeze(node.input(0), axes)


@onnx_rule("ai.onnx::Unsqueeze", since=13)
def unsqueeze(net: Network, node: OnnxNode) -> Tensor:
    """The axes are an input."""
    return net.unsqueeze(node.input(0), node.input(1))


@onnx_rule("ai.onnx::Unsqueeze", since=1)
def unsqueeze_attribute(net: Network, node: OnnxNode) -> Tensor:
    """The axes are an attribute."""
    return net.unsqueeze(node.input(0), net.constant(np.array(node.integers("axes"), np.int64)))


@onnx_rule("ai.onnx::Identity", since=1)
def identity(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.identity(node.input(0))
