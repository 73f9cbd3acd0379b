"""Cast and CastLike: elements in another type.

Methods of `Network`, written by ``make methods`` from ops/cast.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import cast as ops
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Cast(_Adder):
    """One method an operator of ops/cast.py."""

    def cast(self, x: Tensor, *, to: DataType, saturate: bool = True, round_mode: str = "up", name: str = "") -> Tensor:
        """x in type `to`.

        Floats lose their fraction when they become integers. A number that is out of range becomes the nearest of the
        type, NaN becomes 0; integers wrap, and so does everything that becomes 2 or 4 bits wide. With `saturate`
        numbers too large for a float8 become its largest, else NaN or infinity. float8e8m0 holds powers of two:
        `round_mode` ("up", "down", "nearest" with ties up) says which one. Strings are read and written as decimal
        numbers.
        """
        return self.add(ops.Cast(to=to, saturate=saturate, round_mode=round_mode), x, name=name)[0]
