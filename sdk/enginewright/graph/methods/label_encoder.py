"""LabelEncoder: numbers or texts exchanged for others by a table; it runs in Python.

Methods of `Network`, written by ``make methods`` from ops/label_encoder.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import label_encoder as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _LabelEncoder(_Adder):
    """One method an operator of ops/label_encoder.py."""

    def label_encoder(self, x: Tensor, keys: Tensor, values: Tensor, default: Tensor, *, name: str = "") -> Tensor:
        """Each element of `x` that is among `keys` [K] as the value at its place in `values` [K], others as `default`
        [1].

        A key that is no number stands for all that are none; of equal keys the last counts.
        """
        return self.add(ops.LabelEncoder(), x, keys, values, default, name=name)[0]
