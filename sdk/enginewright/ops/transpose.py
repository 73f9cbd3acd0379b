"""Transpose: the axes in another order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import ShapeError
from enginewright.ops.contents import dense, moved
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, int64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Transpose")
class Transpose:
    """`data` with its axes in the order `perm`: output axis i is input axis perm[i]; reversed if `perm` is left out."""

    perm: tuple[int, ...] | None = None

    def order(self, rank: int) -> tuple[int, ...]:
        """The permutation for a tensor of this rank; `ShapeError` where it is none."""
        if self.perm is None:
            return tuple(reversed(range(rank)))
        if sorted(self.perm) != list(range(rank)):
            raise ShapeError(f"perm {self.perm} does not order {rank} axes", hint=f"Name each of 0 to {rank - 1} once.")
        return self.perm

    def infer(self, data: TensorSpec) -> TensorSpec:
        """The sizes in that order."""
        sizes = tuple(data.shape[axis] for axis in self.order(data.rank))
        return moved(self.reference, TensorSpec(data.dtype, sizes), data)

    def reference(self, data: Array) -> Array:
        """numpy.transpose."""
        return dense(np.transpose(data, self.order(data.ndim)))

    def view(self, data: TensorSpec) -> int | None:
        """The same bytes where only axes of size 1 change places."""
        wide = [axis for axis in self.order(data.rank) if data.shape[axis] != 1]
        return 0 if wide == sorted(wide) else None

    @staticmethod
    def examples() -> Iterator[tuple[Transpose, list[TensorSpec]]]:
        """Matrices, heads, channels, pictures, odd and large sizes, every width of element."""
        for shape, perm in [
            ((3, 5), None),
            ((33, 65), (1, 0)),
            ((2, 7, 4, 16), (0, 2, 1, 3)),
            ((2, 7, 4, 16), (0, 2, 3, 1)),
            ((2, 19, 9, 11), (0, 3, 1, 2)),
            ((1, 5, 1, 7), (2, 1, 0, 3)),
            ((5, 4, 3, 2), (3, 2, 1, 0)),
            ((2, 3, 2, 3, 2), (4, 0, 3, 1, 2)),
            ((130, 257), (1, 0)),
            ((64, 3, 67), (2, 0, 1)),
            ((0, 3), (1, 0)),
            ((7,), (0,)),
            ((), None),
        ]:
            yield Transpose(perm), [TensorSpec(float32, shape)]
        for dtype in (bool_, float16, int64, DataType.COMPLEX128, DataType.INT4):
            yield Transpose((2, 0, 1)), [TensorSpec(dtype, (17, 5, 35))]
            yield Transpose((1, 0, 2)), [TensorSpec(dtype, (17, 5, 35))]
        for dtype in (float32, float16, bool_):
            for channels in (2, 3, 4, 5):
                yield Transpose((0, 2, 3, 1)), [TensorSpec(dtype, (2, channels, 31, 45))]


@onnx_rule("ai.onnx::Transpose", since=1)
def transpose(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.transpose(node.input(0), perm=node.integers("perm") if node.has("perm") else None)
