"""Elements written to places given by index: ScatterElements, ScatterND, TensorScatter.

Methods of `Network`, written by ``make methods`` from ops/scatter.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import scatter as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Scatter(_Adder):
    """One method an operator of ops/scatter.py."""

    def scatter_elements(
        self, data: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none", name: str = ""
    ) -> Tensor:
        """`data` with each update written where its index says: its own place, but along `axis` that of the index.

        `reduction` add, mul, max or min combines the update with what is there; with "none" the last one stays.
        """
        return self.add(ops.ScatterElements(axis=axis, reduction=reduction), data, indices, updates, name=name)[0]

    def scatter_nd(
        self, data: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none", name: str = ""
    ) -> Tensor:
        """`data` with slices of `updates` written to the places that stand in the last axis of `indices`.

        `reduction` add, mul, max or min combines the update with what is there; with "none" the last one stays.
        """
        return self.add(ops.ScatterND(reduction=reduction), data, indices, updates, name=name)[0]

    def tensor_scatter(
        self,
        past_cache: Tensor,
        update: Tensor,
        write_indices: Tensor | None = None,
        *,
        axis: int = -2,
        mode: str = "linear",
        name: str = "",
    ) -> Tensor:
        """`past_cache` with `update` written along `axis` from place write_indices[b] on, for each b of the first axis.

        Places start at 0 where `write_indices` is left out; `mode` "circular" goes on at the beginning after the end.
        """
        return self.add(ops.TensorScatter(axis=axis, mode=mode), past_cache, update, write_indices, name=name)[0]
