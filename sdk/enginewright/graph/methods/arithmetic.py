"""Arithmetic with broadcasting: sums, products, quotients, powers, smallest and largest.

Methods of `Network`, written by ``make methods`` from ops/arithmetic.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import arithmetic as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Arithmetic(_Adder):
    """One method an operator of ops/arithmetic.py."""

    def abs(self, x: Tensor, *, name: str = "") -> Tensor:
        """The magnitude of x."""
        return self.add(ops.Abs(), x, name=name)[0]

    def div(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a / b, broadcast; integers are rounded toward zero, and give 0 where b is 0."""
        return self.add(ops.Div(), a, b, name=name)[0]

    def max(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The largest of all inputs, broadcast; NaN where one is NaN."""
        return self.add(ops.Max(), *xs, name=name)[0]

    def mean(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The mean of all inputs, broadcast."""
        return self.add(ops.Mean(), *xs, name=name)[0]

    def min(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The smallest of all inputs, broadcast; NaN where one is NaN."""
        return self.add(ops.Min(), *xs, name=name)[0]

    def mod(self, a: Tensor, b: Tensor, *, fmod: int = 0, name: str = "") -> Tensor:
        """The remainder of a / b, broadcast: with the sign of b, or with `fmod` that of a; 0 where an integer b is
        0.
        """
        return self.add(ops.Mod(fmod=fmod), a, b, name=name)[0]

    def mul(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a * b, broadcast; integers wrap."""
        return self.add(ops.Mul(), a, b, name=name)[0]

    def neg(self, x: Tensor, *, name: str = "") -> Tensor:
        """-x."""
        return self.add(ops.Neg(), x, name=name)[0]

    def pow(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a to the power of b, broadcast, in the type of a; b may have any other type of numbers."""
        return self.add(ops.Pow(), a, b, name=name)[0]

    def sign(self, x: Tensor, *, name: str = "") -> Tensor:
        """-1, 0 or 1; NaN for NaN."""
        return self.add(ops.Sign(), x, name=name)[0]

    def sub(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """a - b, broadcast; integers wrap."""
        return self.add(ops.Sub(), a, b, name=name)[0]

    def sum(self, *xs: Tensor | None, name: str = "") -> Tensor:
        """The sum of all inputs, broadcast, added from left to right."""
        return self.add(ops.Sum(), *xs, name=name)[0]
