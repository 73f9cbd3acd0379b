"""Functions of one number: roots, exponentials, logarithms, rounding, trigonometry.

Methods of `Network`, written by ``make methods`` from ops/math.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import math as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Math(_Adder):
    """One method an operator of ops/math.py."""

    def acos(self, x: Tensor, *, name: str = "") -> Tensor:
        """The angle with this cosine, in radians."""
        return self.add(ops.Acos(), x, name=name)[0]

    def acosh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The inverse of the hyperbolic cosine; NaN below 1."""
        return self.add(ops.Acosh(), x, name=name)[0]

    def asin(self, x: Tensor, *, name: str = "") -> Tensor:
        """The angle with this sine, in radians."""
        return self.add(ops.Asin(), x, name=name)[0]

    def asinh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The inverse of the hyperbolic sine."""
        return self.add(ops.Asinh(), x, name=name)[0]

    def atan(self, x: Tensor, *, name: str = "") -> Tensor:
        """The angle with this tangent, in radians."""
        return self.add(ops.Atan(), x, name=name)[0]

    def atanh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The inverse of the hyperbolic tangent; NaN outside [-1, 1]."""
        return self.add(ops.Atanh(), x, name=name)[0]

    def ceil(self, x: Tensor, *, name: str = "") -> Tensor:
        """The smallest integer that is not below x."""
        return self.add(ops.Ceil(), x, name=name)[0]

    def cos(self, x: Tensor, *, name: str = "") -> Tensor:
        """The cosine; x in radians."""
        return self.add(ops.Cos(), x, name=name)[0]

    def cosh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The hyperbolic cosine."""
        return self.add(ops.Cosh(), x, name=name)[0]

    def erf(self, x: Tensor, *, name: str = "") -> Tensor:
        """The error function."""
        return self.add(ops.Erf(), x, name=name)[0]

    def exp(self, x: Tensor, *, name: str = "") -> Tensor:
        """e to the power of x."""
        return self.add(ops.Exp(), x, name=name)[0]

    def floor(self, x: Tensor, *, name: str = "") -> Tensor:
        """The largest integer that is not above x."""
        return self.add(ops.Floor(), x, name=name)[0]

    def log(self, x: Tensor, *, name: str = "") -> Tensor:
        """The natural logarithm; NaN below 0, -inf at 0."""
        return self.add(ops.Log(), x, name=name)[0]

    def reciprocal(self, x: Tensor, *, name: str = "") -> Tensor:
        """1 / x."""
        return self.add(ops.Reciprocal(), x, name=name)[0]

    def round(self, x: Tensor, *, name: str = "") -> Tensor:
        """The nearest integer; the even one of two."""
        return self.add(ops.Round(), x, name=name)[0]

    def sin(self, x: Tensor, *, name: str = "") -> Tensor:
        """The sine; x in radians."""
        return self.add(ops.Sin(), x, name=name)[0]

    def sinh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The hyperbolic sine."""
        return self.add(ops.Sinh(), x, name=name)[0]

    def sqrt(self, x: Tensor, *, name: str = "") -> Tensor:
        """The square root; NaN below 0."""
        return self.add(ops.Sqrt(), x, name=name)[0]

    def tan(self, x: Tensor, *, name: str = "") -> Tensor:
        """The tangent; x in radians."""
        return self.add(ops.Tan(), x, name=name)[0]

    def tanh(self, x: Tensor, *, name: str = "") -> Tensor:
        """The hyperbolic tangent."""
        return self.add(ops.Tanh(), x, name=name)[0]
