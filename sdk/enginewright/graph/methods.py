"""The operators as methods of `Network`, written by ``make methods`` from the operator classes, not by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from enginewright.ops.matmul import Gemm as GemmOp, MatMul as MatMulOp, MatMulInteger as MatMulIntegerOp, QLinearMatMul as QLinearMatMulOp
from enginewright.ops.softmax import Softmax as SoftmaxOp
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.dims import Size
    from enginewright.graph.network import Network, Tensor

__all__ = ["OperatorMethods"]


class OperatorMethods:
    """One method an operator: tensors by position, attributes by name; returns the operator's outputs."""

    def add(self, op: Any, *inputs: Tensor | None, name: str = "") -> tuple[Tensor, ...]:
        """Add a layer; `Network` does it."""
        raise NotImplementedError

    def gemm(self, a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0, trans_a: bool = False, trans_b: bool = False, name: str = "") -> Tensor:
        """alpha * a' b' + beta * c for matrices a' [M, K] and b' [K, N] (transposed where asked), c repeated to [M, N]."""
        return self.add(GemmOp(alpha=alpha, beta=beta, trans_a=trans_a, trans_b=trans_b), a, b, c, name=name)[0]

    def matmul(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The matrix product of the last two axes of a [..., M, K] and b [..., K, N], other axes broadcast: [..., M, N]."""
        return self.add(MatMulOp(), a, b, name=name)[0]

    def mat_mul_integer(self, a: Tensor, b: Tensor, a_zero_point: Tensor | None = None, b_zero_point: Tensor | None = None, *, name: str = "") -> Tensor:
        """The product of 8-bit integer matrices less their zero points, summed in int32; shapes as for matmul."""
        return self.add(MatMulIntegerOp(), a, b, a_zero_point, b_zero_point, name=name)[0]

    def q_linear_mat_mul(self, a: Tensor, a_scale: Tensor, a_zero_point: Tensor, b: Tensor, b_scale: Tensor, b_zero_point: Tensor, y_scale: Tensor, y_zero_point: Tensor, *, name: str = "") -> Tensor:
        """The matrix product of quantized a and b, quantized again: y = saturate(round(a b / y_scale) + y_zero_point)."""
        return self.add(QLinearMatMulOp(), a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point, name=name)[0]

    def softmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """exp(x) / sum(exp(x)) along `axis`; output of the shape and type of x."""
        return self.add(SoftmaxOp(axis=axis), x, name=name)[0]
