"""Elements picked by index: Gather, GatherElements, GatherND.

Methods of `Network`, written by ``make methods`` from ops/gather.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import gather as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Gather(_Adder):
    """One method an operator of ops/gather.py."""

    def gather(self, data: Tensor, indices: Tensor, *, axis: int = 0, name: str = "") -> Tensor:
        """The slices of `data` along `axis` that `indices` name; negative indices count from the end.

        The axis is replaced by the axes of `indices`.
        """
        return self.add(ops.Gather(axis=axis), data, indices, name=name)[0]

    def gather_elements(self, data: Tensor, indices: Tensor, *, axis: int = 0, name: str = "") -> Tensor:
        """For each index the element of `data` at the same place, but for `axis`, where the index says it."""
        return self.add(ops.GatherElements(axis=axis), data, indices, name=name)[0]

    def gather_nd(self, data: Tensor, indices: Tensor, *, batch_dims: int = 0, name: str = "") -> Tensor:
        """The slices of `data` whose places along its first axes stand in the last axis of `indices`.

        The first `batch_dims` axes are common to both: one set of indices for each of their elements.
        """
        return self.add(ops.GatherND(batch_dims=batch_dims), data, indices, name=name)[0]
