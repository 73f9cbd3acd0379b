"""Convolution of 8-bit integers: ConvInteger and QLinearConv.

Methods of `Network`, written by ``make methods`` from ops/conv_integer.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import conv_integer as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _ConvInteger(_Adder):
    """One method an operator of ops/conv_integer.py."""

    def conv_integer(
        self,
        x: Tensor,
        w: Tensor,
        x_zero_point: Tensor | None = None,
        w_zero_point: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Convolution of 8-bit x and w less their zero points, summed in int32; padding stands for zero. See conv."""
        return self.add(
            ops.ConvInteger(stride=stride, padding=padding, dilation=dilation, auto_pad=auto_pad, group=group),
            x,
            w,
            x_zero_point,
            w_zero_point,
            name=name,
        )[0]

    def q_linear_conv(
        self,
        x: Tensor,
        x_scale: Tensor,
        x_zero_point: Tensor,
        w: Tensor,
        w_scale: Tensor,
        w_zero_point: Tensor,
        y_scale: Tensor,
        y_zero_point: Tensor,
        b: Tensor | None = None,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        group: int = 1,
        name: str = "",
    ) -> Tensor:
        """Convolution of quantized x and w plus int32 bias b (in steps of x_scale * w_scale), quantized again; see
        conv.
        """
        return self.add(
            ops.QLinearConv(stride=stride, padding=padding, dilation=dilation, auto_pad=auto_pad, group=group),
            x,
            x_scale,
            x_zero_point,
            w,
            w_scale,
            w_zero_point,
            y_scale,
            y_zero_point,
            b,
            name=name,
        )[0]
