"""Convolution over one, two or three spatial axes.

Methods of `Network`, written by ``make methods`` from ops/conv.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import conv as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Conv(_Adder):
    """One method an operator of ops/conv.py."""

    def conv(
        self,
        x: Tensor,
        w: Tensor,
        b: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Convolution of x [N, C, spatial] by w [M, C / group, kernel] plus bias b [M]: [N, M, positions].

        `stride`, `dilation`: one number for all spatial axes or one for each; `padding`: likewise, or all begins and
        then all ends. `auto_pad` SAME_UPPER or SAME_LOWER pads to ceil(size / stride) positions, VALID not at all.
        """
        return self.add(
            ops.Conv(stride=stride, padding=padding, dilation=dilation, auto_pad=auto_pad, group=group),
            x,
            w,
            b,
            name=name,
        )[0]
