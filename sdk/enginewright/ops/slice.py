"""Slice: a part of each axis, also in steps and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import (
    MAX_DIM,
    Dim,
    Size,
    ceil_div,
    dim_less,
    dim_max,
    dim_min,
    dim_select,
    lower_bound,
    product,
    upper_bound,
)
from enginewright.errors import ShapeError
from enginewright.ops.contents import constants_of, dense, is_unknown, moved, sizes_of
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, int64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
FAR = 2**40
"""Beyond every axis: starts and ends further out mean the same."""


@operator("ew::Slice")
class Slice:
    """`data` from `starts` to before `ends` along `axes` (all if left out), every `steps`-th.

    Negative starts and ends count from the end of the axis; both are clamped to it; negative steps go backwards. As
    Python slices, but that a backward one from before the first element begins at the first, as ONNX has it.
    """

    def infer(
        self,
        data: TensorSpec,
        starts: TensorSpec,
        ends: TensorSpec,
        axes: TensorSpec | None = None,
        steps: TensorSpec | None = None,
    ) -> TensorSpec:
        """Exact sizes for symbolic axes, starts and ends; found at run time where axes or steps are."""
        if is_unknown(axes) or is_unknown(steps):
            return TensorSpec(data.dtype, tuple(Dim.data(size) for size in data.shape))
        sizes = list(data.shape)
        for axis, (_, size, _) in self.ranges(data, starts, ends, axes, steps).items():
            sizes[axis] = size
        return moved(self.reference, TensorSpec(data.dtype, tuple(sizes)), data, indices=(starts, ends, axes, steps))

    def ranges(self, data: TensorSpec, *bounds: TensorSpec | None) -> dict[int, tuple[Size, Size, int]]:
        """For each sliced axis the place of its first element, the number of elements and the step."""
        starts, ends, axes, steps = (*bounds, None, None)[:4]
        assert starts is not None
        assert ends is not None
        firsts, lasts = sizes_of(starts, "starts"), sizes_of(ends, "ends")
        which = range(len(firsts)) if axes is None else constants_of(axes, "axes")
        strides = (1,) * len(firsts) if steps is None else constants_of(steps, "steps")
        if not len(firsts) == len(lasts) == len(which) == len(strides):
            raise ShapeError("starts, ends, axes and steps have different lengths", hint="Give one number an axis.")
        found = {}
        for start, end, axis, step in zip(firsts, lasts, which, strides, strict=True):
            place = normalize_axis(axis, data.rank)
            if place in found or step == 0:
                raise ShapeError(f"axis {place} is sliced twice or by step 0", hint="Give each axis once, steps not 0.")
            found[place] = _range(data.shape[place], start, end, step)
        return found

    def reference(
        self, data: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None
    ) -> Array:
        """Basic indexing of NumPy, whose backward slices from before the first element are empty."""
        index = [slice(None)] * data.ndim
        which = range(len(starts)) if axes is None else axes
        strides = np.ones(len(starts), np.int64) if steps is None else steps
        for start, end, axis, step in zip(starts, ends, which, strides, strict=True):
            # Python would read an end of -1 as the last element: ONNX's "before the first" is anything below -size.
            begin = max(int(start), -data.shape[int(axis)]) if step < 0 else int(start)
            index[int(axis)] = slice(begin, int(end), int(step))
        return dense(data[tuple(index)])

    def view(self, data: TensorSpec, *bounds: TensorSpec | None) -> Size | None:
        """The bytes from the first element on, where one axis is cut and all before it have size 1."""
        if any(is_unknown(bound) for bound in bounds[2:]):
            return None
        cut = {
            axis: (first, step)
            for axis, (first, size, step) in self.ranges(data, *bounds).items()
            if size != data.shape[axis] or first != 0 or (step < 0 and data.shape[axis] != 1)
        }
        if not cut:
            return 0
        axis, (first, step) = next(iter(cut.items()))
        if len(cut) > 1 or step != 1 or any(size != 1 for size in data.shape[:axis]) or data.dtype.bits % 8:
            return None
        return first * product(data.shape[axis + 1 :]) * (data.dtype.bits // 8)

    @staticmethod
    def examples() -> Iterator[tuple[Slice, list[TensorSpec | Array | None]]]:
        """Each way to write bounds, steps both ways, clamped and empty ranges; every width of element."""
        for shape, starts, ends, axes, steps in [
            ((5, 7), [1, 0], [3, 9], None, None),
            ((5, 7), [-2], [2**63 - 1], [-1], None),
            ((5, 7), [0, 1], [5, -1], [0, 1], [2, 3]),
            ((5, 7), [-1, 5], [-(2**63), 0], [0, 1], [-1, -2]),
            ((5, 7), [3], [3], [0], [1]),
            ((5, 7), [9], [20], [1], [1]),
            ((5, 7), [20], [-20], [1], [-3]),
            ((4, 33, 65), [1], [30], [1], [1]),
            ((4, 33, 65), [0, 1, 2], [4, 33, 65], [0, 1, 2], [2, 2, 1]),
            ((1, 9, 16), [3], [7], [1], None),
            ((3, 1, 40, 50), [2, 7], [39, 44], [2, 3], [1, 1]),
            ((0, 3), [0], [1], [1], None),
            ((5, 1), [-9, -3], [-(2**63), -(2**31)], [0, 1], [-2, -1]),
            ((0, 3), [-4, -4], [-9, -9], [0, 1], [-1, -1]),
        ]:
            lists = [None if item is None else np.array(item, np.int64) for item in (starts, ends, axes, steps)]
            yield Slice(), [TensorSpec(float32, shape), *lists]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield Slice(), [TensorSpec(dtype, (6, 9)), np.array([1, -1]), np.array([5, -9]), None, np.array([1, -2])]
        yield Slice(), [TensorSpec(float32, (6, 9)), np.array([1], np.int32), np.array([5], np.int32), None, None]


def _range(size: Size, start: Size, end: Size, step: int) -> tuple[Size, Size, int]:
    """Place of the first element, number of elements and step of one sliced axis.

    Forwards the range is the common part of [start, end) and [0, size); backwards of [start, end) and [size - 1, -1),
    with a start before the first element moved there.
    """
    first, last = _from_front(size, start), _from_front(size, end)
    if step > 0:
        span = _smallest(last - first, last, size - first, size)
        return dim_max(first, 0), ceil_div(_count(span, size), step), step
    if not isinstance(start, int) or start < -1:  # -1 is the last element, and no place is before an axis without any
        first = dim_max(first, 0)
    span = _smallest(first - last, first + 1, size - 1 - last, size)
    return dim_min(first, size - 1), ceil_div(_count(span, size), -step), step


def _count(span: Size, size: Size) -> Size:
    """The elements of a span that may be negative; a whole axis never is."""
    return size if span == size else dim_max(span, 0)


def _from_front(size: Size, index: Size) -> Size:
    """A start or end counted from the front, not clamped; one that may have either sign is decided at run time."""
    if isinstance(index, int):
        index = max(-FAR, min(FAR, index))
        return index if index >= 0 else size + index
    if lower_bound(index) >= 0 or upper_bound(index) < 0:
        return index if lower_bound(index) >= 0 else size + index
    near = dim_max(-MAX_DIM, dim_min(MAX_DIM, index))
    return dim_select(dim_less(near, 0), size + near, near)


def _smallest(*sizes: Size) -> Size:
    smallest = sizes[0]
    for size in sizes[1:]:
        smallest = dim_min(smallest, size)
    return smallest


def _constants(net: Network, *lists: tuple[int, ...]) -> list[Tensor]:
    return [net.constant(np.array(numbers, np.int64)) for numbers in lists]


@onnx_rule("ai.onnx::Slice", since=10)
def slice_inputs(net: Network, node: OnnxNode) -> Tensor:
    """Starts, ends, axes and steps are inputs."""
    return net.slice(node.input(0), node.input(1), node.input(2), node.optional(3), node.optional(4))


@onnx_rule("ai.onnx::Slice", since=1)
def slice_attributes(net: Network, node: OnnxNode) -> Tensor:
    """Starts, ends and axes are attributes."""
    starts, ends = node.integers("starts"), node.integers("ends")
    axes = node.integers("axes", tuple(range(len(starts))))
    return net.slice(node.input(0), *_constants(net, starts, ends, axes))
