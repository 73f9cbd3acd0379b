"""AppendRows: new keys or values behind those of earlier steps, each sequence at its own place, as a KV cache grows.

Methods of `Network`, written by ``make methods`` from ops/append_rows.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import append_rows as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _AppendRows(_Adder):
    """One method an operator of ops/append_rows.py."""

    def append_rows(self, past: Tensor, new: Tensor, lengths: Tensor, total: Tensor, *, name: str = "") -> Tensor:
        """`past` [B, G, P, D], of which each sequence keeps its first `lengths` [B] rows, then its rows of `new`.

        new is [B, G, S, D]; the result is [B, G, `total`, D], with zeros behind the new rows. total is one integer.
        """
        return self.add(ops.AppendRows(), past, new, lengths, total, name=name)[0]
