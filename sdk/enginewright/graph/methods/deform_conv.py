"""Deformable convolution: each element of the window looks at a place shifted by an offset of its own.

Methods of `Network`, written by ``make methods`` from ops/deform_conv.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import deform_conv as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _DeformConv(_Adder):
    """One method an operator of ops/deform_conv.py."""

    def deform_conv(
        self,
        x: Tensor,
        w: Tensor,
        offset: Tensor,
        b: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        offset_group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Deformable 2-D convolution of x [N, C, H, W] by w [M, C / group, kh, kw] plus bias b [M] (see conv).

        offset [N, offset_group * kh * kw * 2, oh, ow] holds the shift (y, x) of each element of the window; mask [N,
        offset_group * kh * kw, oh, ow] multiplies it. Between pixels the value is linear, outside of x it is 0.
        """
        return self.add(
            ops.DeformConv(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                group=group,
                offset_group=offset_group,
            ),
            x,
            w,
            offset,
            b,
            mask,
            name=name,
        )[0]
