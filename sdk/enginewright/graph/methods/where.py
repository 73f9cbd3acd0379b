"""Where: elements of one tensor or another, by a condition.

Methods of `Network`, written by ``make methods`` from ops/where.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import where as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Where(_Adder):
    """One method an operator of ops/where.py."""

    def where(self, condition: Tensor, x: Tensor, y: Tensor, *, name: str = "") -> Tensor:
        """x where the condition is true, else y, all broadcast."""
        return self.add(ops.Where(), condition, x, y, name=name)[0]
