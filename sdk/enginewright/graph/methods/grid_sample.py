"""GridSample: a tensor looked up at places that another tensor gives.

Methods of `Network`, written by ``make methods`` from ops/grid_sample.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import grid_sample as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _GridSample(_Adder):
    """One method an operator of ops/grid_sample.py."""

    def grid_sample(
        self,
        x: Tensor,
        grid: Tensor,
        *,
        mode: str = "linear",
        padding_mode: str = "zeros",
        align_corners: bool = False,
        name: str = "",
    ) -> Tensor:
        """x [N, C, spatial] at the places grid [N, output, number of axes] names, in coordinates -1 to 1, last axis
        first.

        `mode`: nearest, linear or cubic. `padding_mode` outside of x: zeros, border or reflection. `align_corners`: -1
        and 1 are the centres of the outer elements, else their outer edges.
        """
        return self.add(
            ops.GridSample(mode=mode, padding_mode=padding_mode, align_corners=align_corners), x, grid, name=name
        )[0]
