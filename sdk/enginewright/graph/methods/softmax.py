"""Softmax, LogSoftmax and Hardmax along one axis.

Methods of `Network`, written by ``make methods`` from ops/softmax.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import softmax as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Softmax(_Adder):
    """One method an operator of ops/softmax.py."""

    def hardmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """1 at the first largest element along `axis`, 0 elsewhere."""
        return self.add(ops.Hardmax(axis=axis), x, name=name)[0]

    def log_softmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """x - log(sum(exp(x))) along `axis`."""
        return self.add(ops.LogSoftmax(axis=axis), x, name=name)[0]

    def softmax(self, x: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """exp(x) / sum(exp(x)) along `axis`."""
        return self.add(ops.Softmax(axis=axis), x, name=name)[0]
