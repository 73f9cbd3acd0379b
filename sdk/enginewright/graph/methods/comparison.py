"""Comparisons, which give bool: equal, less, greater, and tests for NaN and infinity.

Methods of `Network`, written by ``make methods`` from ops/comparison.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import comparison as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Comparison(_Adder):
    """One method an operator of ops/comparison.py."""

    def equal(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a is b, broadcast; strings too."""
        return self.add(ops.Equal(), a, b, name=name)[0]

    def greater(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a > b, broadcast."""
        return self.add(ops.Greater(), a, b, name=name)[0]

    def greater_or_equal(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a >= b, broadcast."""
        return self.add(ops.GreaterOrEqual(), a, b, name=name)[0]

    def isinf(self, x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1, name: str = "") -> Tensor:
        """Whether x is infinite, of the signs that are asked for."""
        return self.add(ops.IsInf(detect_negative=detect_negative, detect_positive=detect_positive), x, name=name)[0]

    def isnan(self, x: Tensor, *, name: str = "") -> Tensor:
        """Whether x is not a number."""
        return self.add(ops.IsNaN(), x, name=name)[0]

    def less(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a < b, broadcast."""
        return self.add(ops.Less(), a, b, name=name)[0]

    def less_or_equal(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether a <= b, broadcast."""
        return self.add(ops.LessOrEqual(), a, b, name=name)[0]
