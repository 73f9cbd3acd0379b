"""Pad: each axis made longer, or shorter, at both ends.

Methods of `Network`, written by ``make methods`` from ops/pad.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import pad as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Pad(_Adder):
    """One method an operator of ops/pad.py."""

    def pad(
        self,
        data: Tensor,
        pads: Tensor,
        constant_value: Tensor | None = None,
        axes: Tensor | None = None,
        *,
        mode: str = "constant",
        name: str = "",
    ) -> Tensor:
        """`data` with `pads` elements added at the beginning and end of each of `axes` (all if left out).

        `pads` holds all beginnings, then all ends; negative numbers take elements away. What is added is
        `constant_value` (0), or by `mode` "reflect" what lies beyond the edge mirrored, "edge" the edge itself, "wrap"
        the other end.
        """
        return self.add(ops.Pad(mode=mode), data, pads, constant_value, axes, name=name)[0]
