"""Tile: the whole tensor several times along each axis.

Methods of `Network`, written by ``make methods`` from ops/tile.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import tile as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Tile(_Adder):
    """One method an operator of ops/tile.py."""

    def tile(self, x: Tensor, repeats: Tensor, *, name: str = "") -> Tensor:
        """`x` set side by side `repeats[i]` times along each axis i."""
        return self.add(ops.Tile(), x, repeats, name=name)[0]
