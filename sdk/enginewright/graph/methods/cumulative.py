"""CumSum and CumProd: running sums and products along an axis.

Methods of `Network`, written by ``make methods`` from ops/cumulative.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import cumulative as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Cumulative(_Adder):
    """One method an operator of ops/cumulative.py."""

    def cumprod(self, x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0, name: str = "") -> Tensor:
        """The product of all elements up to and with each one, along the axis that a scalar input gives.

        `exclusive`: without the element itself. `reverse`: from the end.
        """
        return self.add(ops.CumProd(exclusive=exclusive, reverse=reverse), x, axis, name=name)[0]

    def cumsum(self, x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0, name: str = "") -> Tensor:
        """The sum of all elements up to and with each one, along the axis that a scalar input gives.

        `exclusive`: without the element itself. `reverse`: from the end.
        """
        return self.add(ops.CumSum(exclusive=exclusive, reverse=reverse), x, axis, name=name)[0]
