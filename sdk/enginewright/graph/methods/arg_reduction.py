"""ArgMax and ArgMin: where along an axis the largest or smallest element is.

Methods of `Network`, written by ``make methods`` from ops/arg_reduction.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import arg_reduction as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _ArgReduction(_Adder):
    """One method an operator of ops/arg_reduction.py."""

    def argmax(
        self, x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0, name: str = ""
    ) -> Tensor:
        """The index of the largest element along `axis`, int64."""
        return self.add(ops.ArgMax(axis=axis, keepdims=keepdims, select_last_index=select_last_index), x, name=name)[0]

    def argmin(
        self, x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0, name: str = ""
    ) -> Tensor:
        """The index of the smallest element along `axis`, int64."""
        return self.add(ops.ArgMin(axis=axis, keepdims=keepdims, select_last_index=select_last_index), x, name=name)[0]
