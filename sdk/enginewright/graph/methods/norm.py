"""Normalization by norms: LpNormalization, LRN over channels, and MeanVarianceNormalization.

Methods of `Network`, written by ``make methods`` from ops/norm.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import norm as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Norm(_Adder):
    """One method an operator of ops/norm.py."""

    def lrn(
        self, x: Tensor, *, size: int, alpha: float = 0.0001, beta: float = 0.75, bias: float = 1.0, name: str = ""
    ) -> Tensor:
        """x / (bias + alpha / size * s) ** beta, where s sums the squares of the `size` channels around each one."""
        return self.add(ops.LRN(size=size, alpha=alpha, beta=beta, bias=bias), x, name=name)[0]

    def lp_normalization(self, x: Tensor, *, axis: int = -1, p: int = 2, name: str = "") -> Tensor:
        """x divided by its norm along `axis`: p = 1, the sum of magnitudes, or 2, the root of the sum of squares.

        0 where the norm is 0.
        """
        return self.add(ops.LpNormalization(axis=axis, p=p), x, name=name)[0]
