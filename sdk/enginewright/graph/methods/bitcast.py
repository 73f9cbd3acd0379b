"""BitCast: the same bits read as another type.

Methods of `Network`, written by ``make methods`` from ops/bitcast.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import bitcast as ops
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Bitcast(_Adder):
    """One method an operator of ops/bitcast.py."""

    def bit_cast(self, x: Tensor, *, to: DataType, name: str = "") -> Tensor:
        """The bits of `x` as elements of type `to`, which must be as wide."""
        return self.add(ops.BitCast(to=to), x, name=name)[0]
