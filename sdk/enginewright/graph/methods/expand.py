"""Expand: axes repeated up to a shape, as in NumPy's broadcasting.

Methods of `Network`, written by ``make methods`` from ops/expand.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import expand as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Expand(_Adder):
    """One method an operator of ops/expand.py."""

    def expand(self, x: Tensor, shape: Tensor, *, name: str = "") -> Tensor:
        """`x` broadcast with `shape`: axes of size 1 are repeated; where `shape` has 1, the axis keeps its size."""
        return self.add(ops.Expand(), x, shape, name=name)[0]
