"""Expand: axes repeated up to a shape, as in NumPy's broadcasting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.ops.contents import dense, moved, sizes_of
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, broadcast_shapes, float16, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Expand")
class Expand:
    """`x` broadcast with `shape`: axes of size 1 are repeated; where `shape` has 1, the axis keeps its size."""

    def infer(self, x: TensorSpec, shape: TensorSpec) -> TensorSpec:
        """The shapes broadcast together."""
        sizes = broadcast_shapes(x.shape, sizes_of(shape, "shape"))
        return moved(self.reference, TensorSpec(x.dtype, sizes), x, indices=(shape,))

    def reference(self, x: Array, shape: Array) -> Array:
        """numpy.broadcast_to."""
        return dense(np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(int(size) for size in shape))))

    def view(self, x: TensorSpec, shape: TensorSpec) -> int | None:
        """The same bytes where nothing is repeated."""
        return 0 if self.infer(x, shape).size == x.size else None

    @staticmethod
    def examples() -> Iterator[tuple[Expand, list[TensorSpec | Array]]]:
        """First, middle and last axes, more axes, no change, scalars, empty; every width of element."""
        for shape, wanted in [
            ((3, 1), (2, 1, 6)),
            ((1, 5), (4, 5)),
            ((2, 1, 3), (2, 4, 3)),
            ((3, 1, 1), (3, 33, 65)),
            ((2, 3), (1,)),
            ((), (2, 3)),
            ((1,), (0,)),
            ((2, 1, 5, 1), (2, 3, 1, 7)),
        ]:
            yield Expand(), [TensorSpec(float32, shape), np.array(wanted, np.int64)]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128):
            yield Expand(), [TensorSpec(dtype, (3, 1, 2)), np.array([2, 1, 5, 1], np.int64)]


@onnx_rule("ai.onnx::Expand", since=8)
def expand(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.expand(node.input(0), node.input(1))
