"""Tile: the whole tensor several times along each axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.contents import dense, moved, sizes_of
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Tile")
class Tile:
    """`x` set side by side `repeats[i]` times along each axis i."""

    def infer(self, x: TensorSpec, repeats: TensorSpec) -> TensorSpec:
        """Each size times its number of repeats."""
        times = sizes_of(repeats, "repeats")
        if len(times) != x.rank:
            raise ShapeError(f"{len(times)} repeats for {x.rank} axes", hint="Give one number an axis.")
        sizes = tuple(size * count for size, count in zip(x.shape, times, strict=True))
        return moved(self.reference, TensorSpec(x.dtype, sizes), x, indices=(repeats,))

    def reference(self, x: Array, repeats: Array) -> Array:
        """numpy.tile."""
        return dense(np.tile(x, tuple(int(count) for count in repeats)))

    def view(self, x: TensorSpec, repeats: TensorSpec) -> int | None:
        """The same bytes where nothing is repeated."""
        return 0 if repeats.value is not None and all(count == 1 for count in repeats.value) else None

    @staticmethod
    def examples() -> Iterator[tuple[Tile, list[TensorSpec | Array]]]:
        """Each axis, once, never, scalars; every width of element."""
        for shape, repeats in [
            ((2, 3), [1, 2]),
            ((2, 3), [3, 1]),
            ((2, 1, 3), [2, 4, 3]),
            ((3, 1), [1, 65]),
            ((2, 3), [1, 1]),
            ((2, 3), [0, 2]),
            ((0, 3), [2, 2]),
            ((), []),
        ]:
            yield Tile(), [TensorSpec(float32, shape), np.array(repeats, np.int64)]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield Tile(), [TensorSpec(dtype, (3, 2)), np.array([2, 3], np.int64)]


@onnx_rule("ai.onnx::Tile", since=6)
def tile(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.tile(node.input(0), node.input(1))
