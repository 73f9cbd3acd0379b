"""Transpose: the axes in another order.

Methods of `Network`, written by ``make methods`` from ops/transpose.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import transpose as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Transpose(_Adder):
    """One method an operator of ops/transpose.py."""

    def transpose(self, data: Tensor, *, perm: tuple[int, ...] | None = None, name: str = "") -> Tensor:
        """`data` with its axes in the order `perm`: output axis i is input axis perm[i]; reversed if `perm` is left
        out.
        """
        return self.add(ops.Transpose(perm=perm), data, name=name)[0]
