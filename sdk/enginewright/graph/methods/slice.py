"""Slice: a part of each axis, also in steps and backwards.

Methods of `Network`, written by ``make methods`` from ops/slice.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import slice as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Slice(_Adder):
    """One method an operator of ops/slice.py."""

    def slice(
        self,
        data: Tensor,
        starts: Tensor,
        ends: Tensor,
        axes: Tensor | None = None,
        steps: Tensor | None = None,
        *,
        name: str = "",
    ) -> Tensor:
        """`data` from `starts` to before `ends` along `axes` (all if left out), every `steps`-th.

        Negative starts and ends count from the end of the axis; both are clamped to it; negative steps go backwards. As
        Python slices, but that a backward one from before the first element begins at the first, as ONNX has it.
        """
        return self.add(ops.Slice(), data, starts, ends, axes, steps, name=name)[0]
