"""Logic of bool tensors, and of the bits of integers.

Methods of `Network`, written by ``make methods`` from ops/logical.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import logical as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Logical(_Adder):
    """One method an operator of ops/logical.py."""

    def and_(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether both are true, broadcast."""
        return self.add(ops.And(), a, b, name=name)[0]

    def bit_shift(self, a: Tensor, b: Tensor, *, direction: str, name: str = "") -> Tensor:
        """a shifted by b bits, LEFT or RIGHT (by copies of the sign), broadcast.

        Where b is negative or not below the width only the sign is left of a right shift, nothing of a left one.
        """
        return self.add(ops.BitShift(direction=direction), a, b, name=name)[0]

    def bitwise_and(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The bits that both have, broadcast."""
        return self.add(ops.BitwiseAnd(), a, b, name=name)[0]

    def bitwise_not(self, x: Tensor, *, name: str = "") -> Tensor:
        """The bits that x has not."""
        return self.add(ops.BitwiseNot(), x, name=name)[0]

    def bitwise_or(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The bits that one has, broadcast."""
        return self.add(ops.BitwiseOr(), a, b, name=name)[0]

    def bitwise_xor(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The bits that just one has, broadcast."""
        return self.add(ops.BitwiseXor(), a, b, name=name)[0]

    def not_(self, x: Tensor, *, name: str = "") -> Tensor:
        """Whether x is false."""
        return self.add(ops.Not(), x, name=name)[0]

    def or_(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether one is true, broadcast."""
        return self.add(ops.Or(), a, b, name=name)[0]

    def xor(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """Whether just one is true, broadcast."""
        return self.add(ops.Xor(), a, b, name=name)[0]
