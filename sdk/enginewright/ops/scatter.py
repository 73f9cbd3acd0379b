"""Elements written to places given by index: ScatterElements, ScatterND, TensorScatter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import require, same
from enginewright.errors import DataTypeError, InputError, NetworkError, ShapeError
from enginewright.ops.contents import moved
from enginewright.ops.element_types import check_same_type, widen
from enginewright.ops.gather import check_depth, check_indices, check_within, from_front
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, float64, int32, int64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
REDUCTIONS = ("none", "add", "mul", "max", "min")
_UFUNCS: dict[str, Callable[..., Any]] = {
    "add": np.add.at,
    "mul": np.multiply.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


def check_reduction(reduction: str, data: TensorSpec) -> None:
    """The reduction is known, and the type can be reduced."""
    if reduction not in REDUCTIONS:
        raise NetworkError(f"reduction is {reduction!r}", hint=f"Use one of {', '.join(REDUCTIONS)}.")
    if reduction != "none" and data.dtype is DataType.STRING:
        raise DataTypeError("strings are not reduced", hint='Use the reduction "none".')


def write(data: Array, index: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    """A copy of data with updates written, or reduced into it in order; 16-bit floats in float32."""
    if reduction == "none":
        written = data.copy()
        written[index] = updates
        return written
    total = widen(data).copy()
    _UFUNCS[reduction](total, index, widen(updates))
    return total.astype(data.dtype)


@operator("ew::ScatterElements")
class ScatterElements:
    """`data` with each update written where its index says: its own place, but along `axis` that of the index.

    `reduction` add, mul, max or min combines the update with what is there; with "none" the last one stays.
    """

    axis: int = 0
    reduction: str = "none"

    def infer(self, data: TensorSpec, indices: TensorSpec, updates: TensorSpec) -> TensorSpec:
        """The shape and type of data."""
        check_indices(indices)
        check_same_type(data, updates)
        check_reduction(self.reduction, data)
        check_within(data, indices, self.axis)
        if updates.rank != indices.rank:
            raise ShapeError("updates and indices have different ranks", hint="Give each index one update.")
        for count, size in zip(indices.shape, updates.shape, strict=True):
            same(count, size)
        return TensorSpec(data.dtype, data.shape)

    def reference(self, data: Array, indices: Array, updates: Array) -> Array:
        """Indexing of NumPy, in order."""
        index: list[Array] = list(np.indices(indices.shape, sparse=True))
        index[self.axis] = from_front(indices, data.shape[self.axis])
        return write(data, tuple(index), updates, self.reduction)

    @staticmethod
    def examples() -> Iterator[tuple[ScatterElements, list[TensorSpec | Array]]]:
        """Each axis, fewer indices than data, repeated ones with each reduction; every width of element."""
        rng = np.random.default_rng(1)
        for axis, shape, places in [
            (0, (5, 7), (3, 7)),
            (1, (5, 7), (5, 4)),
            (2, (4, 3, 6), (2, 3, 4)),
            (0, (9,), (4,)),
        ]:
            once = rng.random([shape[i] if i == axis else size for i, size in enumerate(places)]).argsort(axis)
            index = np.take(once, np.arange(places[axis]), axis) - shape[axis]
            yield ScatterElements(axis), [TensorSpec(float32, shape), index, TensorSpec(float32, places)]
        repeated = rng.integers(-5, 5, (5, 3))
        for reduction in REDUCTIONS[1:]:
            for dtype in (float32, float64, int32, int64, float16, bool_):
                yield (
                    ScatterElements(0, reduction),
                    [TensorSpec(dtype, (5, 3)), repeated, TensorSpec(dtype, (5, 3))],
                )
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield (
                ScatterElements(1),
                [TensorSpec(dtype, (2, 3)), np.array([[1], [-1]], np.int32), TensorSpec(dtype, (2, 1))],
            )
        yield ScatterElements(), [TensorSpec(float32, (2, 3)), np.zeros((0, 3), np.int64), TensorSpec(float32, (0, 3))]


@operator("ew::ScatterND")
class ScatterND:
    """`data` with slices of `updates` written to the places that stand in the last axis of `indices`.

    `reduction` add, mul, max or min combines the update with what is there; with "none" the last one stays.
    """

    reduction: str = "none"

    def infer(self, data: TensorSpec, indices: TensorSpec, updates: TensorSpec) -> TensorSpec:
        """The shape and type of data; updates are indices.shape[:-1] followed by the sizes that no index names."""
        check_indices(indices)
        check_same_type(data, updates)
        check_reduction(self.reduction, data)
        depth = check_depth(data, indices, 0)
        wanted = (*indices.shape[:-1], *data.shape[depth:])
        if len(wanted) != updates.rank:
            raise ShapeError(f"updates have {updates.rank} axes, not {len(wanted)}", hint="Give each index its slice.")
        for size, found in zip(wanted, updates.shape, strict=True):
            same(size, found)
        result = TensorSpec(data.dtype, data.shape)
        if self.reduction == "none" and isinstance(indices.size, int) and isinstance(updates.size, int):
            return self._known(result, data, indices, updates)
        return result

    def _known(self, result: TensorSpec, data: TensorSpec, indices: TensorSpec, updates: TensorSpec) -> TensorSpec:
        def scatter(array: Array, new: Array, places: Array) -> Array:
            return self.reference(array, places, new)

        return moved(scatter, result, data, updates, indices=(indices,))

    def reference(self, data: Array, indices: Array, updates: Array) -> Array:
        """Indexing of NumPy with one array an axis, in order."""
        depth = indices.shape[-1]
        index = tuple(from_front(indices[..., k], data.shape[k]) for k in range(depth))
        if depth:
            return write(data, index, updates, self.reduction)
        whole = data
        for update in updates.reshape(-1, *data.shape):
            whole = write(whole[None], (np.zeros(1, np.int64),), update[None], self.reduction)[0]
        return whole.copy()

    @staticmethod
    def examples() -> Iterator[tuple[ScatterND, list[TensorSpec | Array]]]:
        """Elements, rows, planes, negative, none, repeated with each reduction; every width of element."""
        for shape, indices, updates in [
            ((8,), [[4], [3], [-1], [1]], (4,)),
            ((4, 3), [[2], [0]], (2, 3)),
            ((4, 3), [[2, 1], [0, -1]], (2,)),
            ((3, 4, 5), [[[0, 1]], [[2, 2]]], (2, 1, 5)),
            ((3, 4), np.zeros((0, 1)), (0, 4)),
        ]:
            yield ScatterND(), [TensorSpec(float32, shape), np.array(indices, np.int64), TensorSpec(float32, updates)]
        repeated = np.array([[1], [0], [-2], [1]], np.int64)
        for reduction in REDUCTIONS[1:]:
            for dtype in (float32, float64, int32, int64, float16):
                yield ScatterND(reduction), [TensorSpec(dtype, (3, 5)), repeated, TensorSpec(dtype, (4, 5))]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield ScatterND(), [TensorSpec(dtype, (4, 3)), np.array([[2], [0]], np.int64), TensorSpec(dtype, (2, 3))]


@operator("ew::TensorScatter")
class TensorScatter:
    """`past_cache` with `update` written along `axis` from place write_indices[b] on, for each b of the first axis.

    Places start at 0 where `write_indices` is left out; `mode` "circular" goes on at the beginning after the end.
    """

    axis: int = -2
    mode: str = "linear"

    def infer(self, past_cache: TensorSpec, update: TensorSpec, write_indices: TensorSpec | None = None) -> TensorSpec:
        """The shape and type of the cache; the update has the same sizes but along the axis."""
        check_same_type(past_cache, update)
        axis = normalize_axis(self.axis, past_cache.rank)
        if self.mode not in ("linear", "circular") or axis == 0 or update.rank != past_cache.rank:
            raise NetworkError(
                f"mode {self.mode!r} and axis {axis} do not fit ranks {past_cache.rank} and {update.rank}",
                hint='Use mode "linear" or "circular", and an axis after the first.',
            )
        for place, (size, found) in enumerate(zip(past_cache.shape, update.shape, strict=True)):
            require("at_least" if place == axis else "equal", size, found)
        if write_indices is not None:
            check_indices(write_indices)
            same(write_indices.size, past_cache.shape[0])
        return TensorSpec(past_cache.dtype, past_cache.shape)

    def reference(self, past_cache: Array, update: Array, write_indices: Array | None = None) -> Array:
        """Batch by batch."""
        axis = self.axis % past_cache.ndim
        size, count = past_cache.shape[axis], update.shape[axis]
        starts = np.zeros(len(past_cache), np.int64) if write_indices is None else write_indices
        present = past_cache.copy()
        for batch, start in enumerate(starts.astype(np.int64)):
            if start < 0 or (self.mode == "linear" and start + count > size):
                raise InputError(f"place {start} for {count} rows", hint=f"The cache has {size} rows.")
            places = (start + np.arange(count)) % max(size, 1)
            present[batch][(*[slice(None)] * (axis - 1), places)] = update[batch]
        return present

    @staticmethod
    def examples() -> Iterator[tuple[TensorScatter, list[TensorSpec | Array | None]]]:
        """Both modes, from the start and from elsewhere, three and four axes."""
        for shape, new, starts, mode in [
            ((2, 3, 8, 5), (2, 3, 2, 5), [6, 1], "linear"),
            ((2, 3, 8, 5), (2, 3, 4, 5), [6, 1], "circular"),
            ((3, 4, 5), (3, 1, 5), [0, 3, 1], "linear"),
            ((3, 4, 5), (3, 4, 5), None, "linear"),
        ]:
            places = None if starts is None else np.array(starts, np.int64)
            yield TensorScatter(mode=mode), [TensorSpec(float32, shape), TensorSpec(float32, new), places]
        yield TensorScatter(axis=1), [TensorSpec(float16, (1, 6, 3)), TensorSpec(float16, (1, 2, 3)), np.array([4])]


@onnx_rule("ai.onnx::ScatterElements", since=11)
@onnx_rule("ai.onnx::Scatter", since=9)
def scatter_elements(net: Network, node: OnnxNode) -> Tensor:
    """Reductions from 16 on; Scatter is the old name."""
    return net.scatter_elements(
        *(node.input(index) for index in range(3)),
        axis=node.integer("axis", 0),
        reduction=node.text("reduction", "none"),
    )


@onnx_rule("ai.onnx::ScatterND", since=11)
def scatter_nd(net: Network, node: OnnxNode) -> Tensor:
    """Reductions from 16 on."""
    return net.scatter_nd(*(node.input(index) for index in range(3)), reduction=node.text("reduction", "none"))


@onnx_rule("ai.onnx::TensorScatter", since=24)
def tensor_scatter(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    axis, mode = node.integer("axis", -2), node.text("mode", "linear")
    return net.tensor_scatter(node.input(0), node.input(1), node.optional(2), axis=axis, mode=mode)
