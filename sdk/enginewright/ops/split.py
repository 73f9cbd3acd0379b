"""Split: one tensor as several along one axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import Size, ceil_div, require, same
from enginewright.errors import ShapeError
from enginewright.ops.contents import dense, objects, sizes_of, with_contents
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, int64, normalize_axis

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Split")
class Split:
    """`x` cut along `axis` into parts of the sizes `split`, or into `num_outputs` equal ones, the last may be smaller.

    With `split` the number of outputs is its length, or `num_outputs` where that is not known.
    """

    axis: int = 0
    num_outputs: int = 0

    def infer(self, x: TensorSpec, split: TensorSpec | None = None) -> tuple[TensorSpec, ...]:
        """The sizes along the axis add up to that of x."""
        axis = normalize_axis(self.axis, x.rank)
        parts = self._equal(x.shape[axis]) if split is None else sizes_of(split, "split")
        if not parts or (split is not None and self.num_outputs not in (0, len(parts))):
            raise ShapeError(f"{len(parts)} sizes for {self.num_outputs} outputs", hint="Give one size an output.")
        for part in parts:
            require("at_least", part, 0)
        same(sum(parts[1:], parts[0]), x.shape[axis])
        specs = tuple(TensorSpec(x.dtype, (*x.shape[:axis], part, *x.shape[axis + 1 :])) for part in parts)
        array = objects(x)
        if array is None or not all(isinstance(part, int) for part in parts):
            return specs
        return tuple(with_contents(*pair) for pair in zip(specs, _cut(array, parts, axis), strict=True))

    def _equal(self, size: Size) -> tuple[Size, ...]:
        if self.num_outputs < 1:
            raise ShapeError("neither split nor num_outputs is given", hint="Give one of them.")
        part = ceil_div(size, self.num_outputs)
        sizes = [part] * (self.num_outputs - 1)
        return (*sizes, size - part * len(sizes))

    def reference(self, x: Array, split: Array | None = None) -> tuple[Array, ...]:
        """numpy.split."""
        sizes = self._equal(x.shape[self.axis]) if split is None else tuple(int(size) for size in split)
        return tuple(_cut(x, sizes, self.axis))

    @staticmethod
    def examples() -> Iterator[tuple[Split, list[TensorSpec | Array | None]]]:
        """Equal and unequal parts, empty ones, each axis, every width of element."""
        yield Split(0, 2), [TensorSpec(float32, (6, 5)), None]
        yield Split(-1, 3), [TensorSpec(float32, (2, 3, 8)), None]
        yield Split(1, 1), [TensorSpec(float32, (2, 3)), None]
        for axis, sizes in [(0, [2, 4]), (1, [1, 0, 4]), (1, [5])]:
            yield Split(axis), [TensorSpec(float32, (6, 5)), np.array(sizes, np.int64)]
        yield Split(2, 3), [TensorSpec(float32, (1, 7, 192)), None]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield Split(1), [TensorSpec(dtype, (3, 7)), np.array([3, 4], np.int64)]


def _cut(array: Array, sizes: tuple[Size, ...], axis: int) -> Iterator[Array]:
    places = np.cumsum(np.array(sizes[:-1], np.int64))
    return (dense(part) for part in np.split(array, places, axis=axis))


def _count(node: OnnxNode) -> int:
    return len(node.outputs)


@onnx_rule("ai.onnx::Split", since=13)
def split(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """The sizes are an input; num_outputs is the number of outputs, from 18 on also an attribute."""
    return net.split(node.input(0), node.optional(1), axis=node.integer("axis", 0), num_outputs=_count(node))


@onnx_rule("ai.onnx::Split", since=2)
def split_attribute(net: Network, node: OnnxNode) -> tuple[Tensor, ...]:
    """The sizes are an attribute."""
    sizes = net.constant(np.array(node.integers("split"), np.int64)) if node.has("split") else None
    return net.split(node.input(0), sizes, axis=node.integer("axis", 0), num_outputs=_count(node))
