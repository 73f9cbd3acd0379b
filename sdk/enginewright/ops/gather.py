"""Elements picked by index: Gather, GatherElements, GatherND."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, product, require, same
from enginewright.errors import DataTypeError, InputError, ShapeError
from enginewright.ops.contents import is_index, moved
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, int64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


def check_indices(spec: TensorSpec) -> None:
    """Indices are int32 or int64."""
    if not is_index(spec):
        raise DataTypeError(f"indices are {spec.dtype}", hint="Convert them with cast to int64.")


def from_front(indices: Array, size: int) -> Array:
    """Indices counted from the front; `InputError` naming the first that is outside -size to size - 1."""
    wrong = (indices < -size) | (indices >= size)
    if wrong.any():
        raise InputError(
            f"index {indices[wrong].reshape(-1)[0]} is outside an axis of size {size}",
            hint=f"Allowed are {-size} to {size - 1}.",
        )
    return np.where(indices < 0, indices + size, indices)


@operator("ew::Gather")
class Gather:
    """The slices of `data` along `axis` that `indices` name; negative indices count from the end.

    The axis is replaced by the axes of `indices`.
    """

    axis: int = 0

    def infer(self, data: TensorSpec, indices: TensorSpec) -> TensorSpec:
        """The axis replaced by the shape of the indices."""
        check_indices(indices)
        if not data.rank:
            raise ShapeError("a scalar has no axis to gather from", hint="Reshape it to [1].")
        axis = normalize_axis(self.axis, data.rank)
        for index in indices.constants() or ():
            require("at_least", data.shape[axis], index + 1 if index >= 0 else -index)
        shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
        return moved(self.reference, TensorSpec(data.dtype, shape), data, indices=(indices,))

    def reference(self, data: Array, indices: Array) -> Array:
        """numpy.take, indices checked."""
        return np.asarray(np.take(data, from_front(indices, data.shape[self.axis]), axis=self.axis))

    def view(self, data: TensorSpec, indices: TensorSpec) -> Size | None:
        """The slice itself where it is one known one and all axes before have size 1."""
        axis, known = normalize_axis(self.axis, data.rank), indices.constants()
        whole = all(size == 1 for size in data.shape[:axis])
        if known is None or len(known) != 1 or not whole or data.dtype.bits % 8 or data.dtype is DataType.STRING:
            return None
        place = known[0] if known[0] >= 0 else data.shape[axis] + known[0]
        return place * product(data.shape[axis + 1 :]) * (data.dtype.bits // 8)

    @staticmethod
    def examples() -> Iterator[tuple[Gather, list[TensorSpec | Array]]]:
        """Rows, columns, scalars, many axes, negative, none, int32; every width of element."""
        for axis, shape, indices in [
            (0, (5, 7), [0, 4, -1, 2]),
            (1, (5, 7), [[6, 0], [1, 1]]),
            (-1, (2, 3, 5), 3),
            (0, (5,), -2),
            (0, (1, 7), [0]),
            (1, (1, 4, 6), [2]),
            (1, (3, 4, 33), [3, 3, 0]),
            (0, (30, 64), [[1, 29, 7], [0, 2, 3]]),
            (2, (3, 2, 4, 3), [0, 3]),
            (0, (5, 7), np.zeros((0,))),
            (0, (5, 0), [1]),
        ]:
            yield Gather(axis), [TensorSpec(float32, shape), np.array(indices, np.int64)]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield Gather(0), [TensorSpec(dtype, (4, 3)), np.array([2, -4], np.int32)]
            yield Gather(1), [TensorSpec(dtype, (4, 3)), np.array([2, -3], np.int32)]


@operator("ew::GatherElements")
class GatherElements:
    """For each index the element of `data` at the same place, but for `axis`, where the index says it."""

    axis: int = 0

    def infer(self, data: TensorSpec, indices: TensorSpec) -> TensorSpec:
        """The shape of the indices, which is nowhere larger than data except along the axis."""
        check_indices(indices)
        check_within(data, indices, self.axis)
        return moved(self.reference, TensorSpec(data.dtype, indices.shape), data, indices=(indices,))

    def reference(self, data: Array, indices: Array) -> Array:
        """numpy.take_along_axis on the part of data that the indices cover."""
        places = from_front(indices, data.shape[self.axis])
        return np.take_along_axis(covered(data, indices.shape, self.axis), places, axis=self.axis)

    @staticmethod
    def examples() -> Iterator[tuple[GatherElements, list[TensorSpec | Array]]]:
        """Each axis, fewer indices than data, negative ones, none; every width of element."""
        rng = np.random.default_rng(1)
        for axis, shape, places in [
            (0, (5, 7), (3, 7)),
            (1, (5, 7), (5, 9)),
            (-1, (4, 3, 6), (2, 3, 4)),
            (0, (9,), (4,)),
            (0, (3, 2), (0, 2)),
        ]:
            size = shape[axis]
            yield GatherElements(axis), [TensorSpec(float32, shape), rng.integers(-size, size, places)]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield GatherElements(1), [TensorSpec(dtype, (4, 3)), rng.integers(-3, 3, (4, 5)).astype(np.int32)]


def check_within(data: TensorSpec, indices: TensorSpec, axis: int) -> int:
    """Check that indices have as many axes as data and are nowhere larger but along `axis`; the axis from the front."""
    if data.rank != indices.rank or not data.rank:
        raise ShapeError(f"data has {data.rank} axes, indices {indices.rank}", hint="Give both the same, at least 1.")
    place = normalize_axis(axis, data.rank)
    for number, (size, count) in enumerate(zip(data.shape, indices.shape, strict=True)):
        if number != place:
            require("at_least", size, count)
    return place


def covered(data: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The part of data below `shape`, whole along `axis`."""
    place = axis % data.ndim
    return data[tuple(slice(None) if i == place else slice(0, size) for i, size in enumerate(shape))]


@operator("ew::GatherND")
class GatherND:
    """The slices of `data` whose places along its first axes stand in the last axis of `indices`.

    The first `batch_dims` axes are common to both: one set of indices for each of their elements.
    """

    batch_dims: int = 0

    def infer(self, data: TensorSpec, indices: TensorSpec) -> TensorSpec:
        """indices.shape[:-1] followed by the sizes of data that no index names."""
        check_indices(indices)
        depth = check_depth(data, indices, self.batch_dims)
        for axis in range(self.batch_dims):
            same(data.shape[axis], indices.shape[axis])
        shape = (*indices.shape[:-1], *data.shape[self.batch_dims + depth :])
        return moved(self.reference, TensorSpec(data.dtype, shape), data, indices=(indices,))

    def reference(self, data: Array, indices: Array) -> Array:
        """Indexing of NumPy with one array an axis."""
        batch, depth = self.batch_dims, indices.shape[-1]
        grid = np.indices(indices.shape[:-1], sparse=True)[:batch]
        places = [from_front(indices[..., k], data.shape[batch + k]) for k in range(depth)]
        index = (*grid, *places)
        return np.asarray(data[index]) if index else np.broadcast_to(data, (*indices.shape[:-1], *data.shape)).copy()

    @staticmethod
    def examples() -> Iterator[tuple[GatherND, list[TensorSpec | Array]]]:
        """Elements, rows, batches, negative, none; every width of element."""
        for batch, shape, indices in [
            (0, (2, 3), [[0, 0], [1, -1]]),
            (0, (2, 3), [[1], [0], [-2]]),
            (0, (4, 3, 5), [[[0, 1]], [[3, 2]]]),
            (1, (2, 3, 4), [[1], [-1]]),
            (1, (2, 3, 4), [[[1, 3]], [[2, 0]]]),
            (2, (2, 2, 6), [[[1], [2]], [[3], [4]]]),
            (0, (2, 3), np.zeros((0, 2))),
        ]:
            yield GatherND(batch), [TensorSpec(float32, shape), np.array(indices, np.int64)]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield GatherND(), [TensorSpec(dtype, (4, 3)), np.array([[2, 1], [0, 0]], np.int64)]


def check_depth(data: TensorSpec, indices: TensorSpec, batch: int) -> int:
    """The size of the last axis of indices: how many axes of data an index names; it must be known."""
    if not indices.rank or not data.rank:
        raise ShapeError("data and indices need at least one axis", hint="Reshape the scalar to [1].")
    depth = indices.shape[-1]
    if not isinstance(depth, int):
        raise ShapeError("the last size of indices is not known", hint="Give indices a known last size.")
    if not 0 <= batch < min(data.rank, indices.rank) or depth + batch > data.rank:
        raise ShapeError(
            f"{batch} batch axes and indices of {depth} numbers do not fit {data.rank} axes",
            hint="Name at most as many axes as data has.",
        )
    return depth


@onnx_rule("ai.onnx::Gather", since=1)
def gather(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.gather(node.input(0), node.input(1), axis=node.integer("axis", 0))


@onnx_rule("ai.onnx::GatherElements", since=11)
def gather_elements(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.gather_elements(node.input(0), node.input(1), axis=node.integer("axis", 0))


@onnx_rule("ai.onnx::GatherND", since=11)
def gather_nd(net: Network, node: OnnxNode) -> Tensor:
    """Batch axes from 12 on."""
    return net.gather_nd(node.input(0), node.input(1), batch_dims=node.integer("batch_dims", 0))
