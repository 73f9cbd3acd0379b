"""MaxUnpool: elements go back to where max_pool_with_indices found them.

Methods of `Network`, written by ``make methods`` from ops/max_unpool.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import max_unpool as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _MaxUnpool(_Adder):
    """One method an operator of ops/max_unpool.py."""

    def max_unpool(
        self,
        x: Tensor,
        indices: Tensor,
        output_shape: Tensor | None = None,
        *,
        kernel_shape: tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        name: str = "",
    ) -> Tensor:
        """x [N, C, spatial] scattered to `indices` of a tensor of zeros, the input of the pool that is undone.

        Its size is (size - 1) * stride + kernel - padding on each axis; `output_shape` (int64, all axes) cuts or fills
        up at the ends.
        """
        return self.add(
            ops.MaxUnpool(kernel_shape=kernel_shape, stride=stride, padding=padding),
            x,
            indices,
            output_shape,
            name=name,
        )[0]
