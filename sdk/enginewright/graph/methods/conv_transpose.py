"""Transposed convolution: each input element adds its copy of the kernel to the output.

Methods of `Network`, written by ``make methods`` from ops/conv_transpose.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import conv_transpose as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _ConvTranspose(_Adder):
    """One method an operator of ops/conv_transpose.py."""

    def conv_transpose(
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
        output_padding: int | tuple[int, ...] = 0,
        output_shape: tuple[int, ...] = (),
        name: str = "",
    ) -> Tensor:
        """Transposed convolution of x [N, C, spatial] by w [C, M / group, kernel] plus bias b [M].

        Output size of an axis: (size - 1) * stride + dilation * (kernel - 1) + 1 + output_padding - padding. With
        `output_shape` (or automatic padding: size * stride) the padding follows from the output size instead.
        """
        return self.add(
            ops.ConvTranspose(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                group=group,
                output_padding=output_padding,
                output_shape=output_shape,
            ),
            x,
            w,
            b,
            name=name,
        )[0]
