"""Det: the determinant of square matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import ShapeError
from enginewright.ops.element_types import FLOATS, check_type, widen
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import TensorSpec, float32

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::Det")
class Det:
    """The determinant of each matrix of x [..., M, M]: [...]."""

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The last two axes vanish."""
        check_type(x, FLOATS, "input x")
        if x.rank < 2:
            raise ShapeError(f"x has {x.rank} axes", hint="A matrix has 2.")
        same(x.shape[-1], x.shape[-2])
        return TensorSpec(x.dtype, x.shape[:-2])

    def reference(self, x: Array) -> Array:
        """By LU decomposition (LAPACK)."""
        return np.asarray(np.linalg.det(widen(x))).astype(x.dtype)

    @staticmethod
    def examples() -> Iterator[tuple[Det, list[TensorSpec]]]:
        """One matrix, several, the smallest."""
        for shape in ((3, 3), (2, 5, 4, 4), (1, 1)):
            yield Det(), [TensorSpec(float32, shape)]


@onnx_rule("ai.onnx::Det", since=11)
def det(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.det(node.input(0))
