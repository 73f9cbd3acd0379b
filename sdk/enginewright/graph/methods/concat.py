"""Concat: tensors one after another along one axis.

Methods of `Network`, written by ``make methods`` from ops/concat.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import concat as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Concat(_Adder):
    """One method an operator of ops/concat.py."""

    def concat(self, *inputs: Tensor | None, axis: int = 0, name: str = "") -> Tensor:
        """The inputs one after another along `axis`; all other sizes and the type must agree."""
        return self.add(ops.Concat(axis=axis), *inputs, name=name)[0]
