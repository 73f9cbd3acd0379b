"""Split: one tensor as several along one axis.

Methods of `Network`, written by ``make methods`` from ops/split.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import split as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Split(_Adder):
    """One method an operator of ops/split.py."""

    def split(
        self, x: Tensor, split: Tensor | None = None, *, axis: int = 0, num_outputs: int = 0, name: str = ""
    ) -> tuple[Tensor, ...]:
        """`x` cut along `axis` into parts of the sizes `split`, or into `num_outputs` equal ones, the last may be
        smaller.

        With `split` the number of outputs is its length, or `num_outputs` where that is not known.
        """
        return self.add(ops.Split(axis=axis, num_outputs=num_outputs), x, split, name=name)
