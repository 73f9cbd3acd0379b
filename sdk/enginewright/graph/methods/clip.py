"""Clip: numbers kept between two bounds.

Methods of `Network`, written by ``make methods`` from ops/clip.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import clip as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Clip(_Adder):
    """One method an operator of ops/clip.py."""

    def clip(self, x: Tensor, low: Tensor | None = None, high: Tensor | None = None, *, name: str = "") -> Tensor:
        """min(max(x, low), high); either bound, a scalar, may be left out."""
        return self.add(ops.Clip(), x, low, high, name=name)[0]
