"""Matrix products: MatMul, Gemm and their 8-bit integer forms.

Methods of `Network`, written by ``make methods`` from ops/matmul.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import matmul as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Matmul(_Adder):
    """One method an operator of ops/matmul.py."""

    def gemm(
        self,
        a: Tensor,
        b: Tensor,
        c: Tensor | None = None,
        *,
        alpha: float = 1.0,
        beta: float = 1.0,
        trans_a: bool = False,
        trans_b: bool = False,
        name: str = "",
    ) -> Tensor:
        """alpha * a' b' + beta * c for matrices a' [M, K] and b' [K, N] (transposed where asked), c repeated to [M,
        N].
        """
        return self.add(ops.Gemm(alpha=alpha, beta=beta, trans_a=trans_a, trans_b=trans_b), a, b, c, name=name)[0]

    def matmul(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The matrix product of the last two axes of a [..., M, K] and b [..., K, N], other axes broadcast: [..., M,
        N].
        """
        return self.add(ops.MatMul(), a, b, name=name)[0]

    def mat_mul_integer(
        self,
        a: Tensor,
        b: Tensor,
        a_zero_point: Tensor | None = None,
        b_zero_point: Tensor | None = None,
        *,
        name: str = "",
    ) -> Tensor:
        """The product of 8-bit integer matrices less their zero points, summed in int32; shapes as for matmul."""
        return self.add(ops.MatMulInteger(), a, b, a_zero_point, b_zero_point, name=name)[0]

    def q_linear_mat_mul(
        self,
        a: Tensor,
        a_scale: Tensor,
        a_zero_point: Tensor,
        b: Tensor,
        b_scale: Tensor,
        b_zero_point: Tensor,
        y_scale: Tensor,
        y_zero_point: Tensor,
        *,
        name: str = "",
    ) -> Tensor:
        """The matrix product of quantized a and b, quantized again: y = saturate(round(a b / y_scale) +
        y_zero_point).
        """
        return self.add(
            ops.QLinearMatMul(), a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point, name=name
        )[0]
