"""Reductions: sums, means, norms, products, smallest and largest elements over some axes.

Methods of `Network`, written by ``make methods`` from ops/reduction.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import reduction as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Reduction(_Adder):
    """One method an operator of ops/reduction.py."""

    def reduce_l1(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The sum of magnitudes over `axes`."""
        return self.add(ops.ReduceL1(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[
            0
        ]

    def reduce_l2(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The root of the sum of squares over `axes`; integers lose the fraction."""
        return self.add(ops.ReduceL2(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name)[
            0
        ]

    def reduce_log_sum(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The logarithm of the sum over `axes`; integers lose the fraction."""
        return self.add(
            ops.ReduceLogSum(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_log_sum_exp(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The logarithm of the sum of exponentials over `axes`, without overflow; integers lose the fraction."""
        return self.add(
            ops.ReduceLogSumExp(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_max(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The largest element over `axes`; of no elements the smallest number of the type; NaN where one is NaN."""
        return self.add(
            ops.ReduceMax(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_mean(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The mean over `axes`; of integers rounded toward zero."""
        return self.add(
            ops.ReduceMean(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_min(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The smallest element over `axes`; of no elements the largest number of the type; NaN where one is NaN."""
        return self.add(
            ops.ReduceMin(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_prod(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The product over `axes`; integers wrap."""
        return self.add(
            ops.ReduceProd(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_sum(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The sum over `axes`; integers wrap."""
        return self.add(
            ops.ReduceSum(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]

    def reduce_sum_square(
        self, x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, name: str = ""
    ) -> Tensor:
        """The sum of squares over `axes`; integers wrap."""
        return self.add(
            ops.ReduceSumSquare(keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes), x, axes, name=name
        )[0]
