"""Det: the determinant of square matrices.

Methods of `Network`, written by ``make methods`` from ops/determinant.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import determinant as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Determinant(_Adder):
    """One method an operator of ops/determinant.py."""

    def det(self, x: Tensor, *, name: str = "") -> Tensor:
        """The determinant of each matrix of x [..., M, M]: [...]."""
        return self.add(ops.Det(), x, name=name)[0]
