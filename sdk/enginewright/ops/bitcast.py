"""BitCast: the same bits read as another type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import DataTypeError
from enginewright.registry.onnx_node import OnnxNode
from enginewright.registry.registry import onnx_rule, operator
from enginewright.tensors import DataType, TensorSpec, bool_, float16, float32, float64, int32, int64, uint8, uint16

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]


@operator("ew::BitCast")
class BitCast:
    """The bits of `x` as elements of type `to`, which must be as wide."""

    to: DataType

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The same shape."""
        if DataType.STRING in (x.dtype, self.to) or x.dtype.bits != self.to.bits:
            raise DataTypeError(f"{x.dtype} is not as wide as {self.to}", hint="Use cast to change numbers.")
        return TensorSpec(self.to, x.shape)

    def reference(self, x: Array) -> Array:
        """A view of NumPy."""
        return x.view(self.to.numpy)

    def view(self, x: TensorSpec) -> int:
        """The same bytes."""
        return 0

    @staticmethod
    def examples() -> Iterator[tuple[BitCast, list[TensorSpec]]]:
        """Each width."""
        for dtype, to in [(float32, int32), (int64, float64), (float16, uint16), (bool_, uint8), (int32, float32)]:
            yield BitCast(to), [TensorSpec(dtype, (3, 5))]
        yield BitCast(int32), [TensorSpec(float32, ())]


@onnx_rule("ai.onnx::BitCast", since=26)
def bit_cast(net: Network, node: OnnxNode) -> Tensor:
    """All versions alike."""
    return net.bit_cast(node.input(0), to=DataType(node.integer("to")))
