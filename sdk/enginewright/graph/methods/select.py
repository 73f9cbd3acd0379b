"""Elements chosen by what they contain: NonZero, Compress, Unique, TopK, OneHot.

Methods of `Network`, written by ``make methods`` from ops/select.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import select as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Select(_Adder):
    """One method an operator of ops/select.py."""

    def compress(self, x: Tensor, condition: Tensor, *, axis: int | None = None, name: str = "") -> Tensor:
        """The slices of `x` along `axis` for which `condition` holds; of x as one list if `axis` is left out."""
        return self.add(ops.Compress(axis=axis), x, condition, name=name)[0]

    def nonzero(self, x: Tensor, *, name: str = "") -> Tensor:
        """The places of all elements of `x` that are not zero, in row-major order: int64 [rank, count]."""
        return self.add(ops.NonZero(), x, name=name)[0]

    def one_hot(self, indices: Tensor, depth: Tensor, values: Tensor, *, axis: int = -1, name: str = "") -> Tensor:
        """For each index a list of `depth` elements along a new `axis`: values[1] at the index, values[0] elsewhere.

        Negative indices count from the end; an index outside gives no values[1] at all.
        """
        return self.add(ops.OneHot(axis=axis), indices, depth, values, name=name)[0]

    def topk(
        self, x: Tensor, k: Tensor, *, axis: int = -1, largest: bool = True, sorted: bool = True, name: str = ""
    ) -> tuple[Tensor, Tensor]:
        """The `k` largest elements of `x` along `axis`, or the smallest, and their places (int64); equal ones by place.

        They come in order; `sorted` false leaves the order open.
        """
        return cast(
            "tuple[Tensor, Tensor]", self.add(ops.TopK(axis=axis, largest=largest, sorted=sorted), x, k, name=name)
        )

    def unique(
        self, x: Tensor, *, axis: int | None = None, sorted: bool = True, name: str = ""
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The different elements of `x`, or its different slices along `axis`, ascending or (not `sorted`) by first
        place.

        Further outputs, all int64: the first place of each, the number of each element's equal, how often each occurs.
        """
        return cast(
            "tuple[Tensor, Tensor, Tensor, Tensor]", self.add(ops.Unique(axis=axis, sorted=sorted), x, name=name)
        )
