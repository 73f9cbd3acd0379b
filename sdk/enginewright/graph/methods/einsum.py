"""Einsum: sums of products of tensors, written as an equation of axis letters.

Methods of `Network`, written by ``make methods`` from ops/einsum.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import einsum as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Einsum(_Adder):
    """One method an operator of ops/einsum.py."""

    def einsum(self, *inputs: Tensor | None, equation: str, name: str = "") -> Tensor:
        """The sum of products that `equation` describes, such as "bik,bkj->bij"; letters, "..." and "->" as in
        NumPy.
        """
        return self.add(ops.Einsum(equation=equation), *inputs, name=name)[0]
