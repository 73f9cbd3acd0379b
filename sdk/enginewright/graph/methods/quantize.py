"""Quantization: numbers as small integers (or float8) with a scale and a zero point, and back.

Methods of `Network`, written by ``make methods`` from ops/quantize.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import quantize as ops
from enginewright.tensors import DataType

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Quantize(_Adder):
    """One method an operator of ops/quantize.py."""

    def dequantize_linear(
        self,
        x: Tensor,
        x_scale: Tensor,
        x_zero_point: Tensor | None = None,
        *,
        axis: int = 1,
        block_size: int = 0,
        output_dtype: DataType | None = None,
        name: str = "",
    ) -> Tensor:
        """(x - x_zero_point) * x_scale, in the type of x_scale unless `output_dtype` says another.

        The scale is one number, one for each index of `axis`, or one for each block of `block_size` along it.
        """
        return self.add(
            ops.DequantizeLinear(axis=axis, block_size=block_size, output_dtype=output_dtype),
            x,
            x_scale,
            x_zero_point,
            name=name,
        )[0]

    def dynamic_quantize_linear(self, x: Tensor, *, name: str = "") -> tuple[Tensor, Tensor, Tensor]:
        """x as uint8 with the scale and zero point that fit its range (widened to hold 0): y, y_scale, y_zero_point."""
        return cast("tuple[Tensor, Tensor, Tensor]", self.add(ops.DynamicQuantizeLinear(), x, name=name))

    def quantize_linear(
        self,
        x: Tensor,
        y_scale: Tensor,
        y_zero_point: Tensor | None = None,
        *,
        axis: int = 1,
        block_size: int = 0,
        output_dtype: DataType = DataType.UINT8,
        saturate: bool = True,
        name: str = "",
    ) -> Tensor:
        """saturate(round(x / y_scale) + y_zero_point), ties to even.

        The scale is one number, one for each index of `axis`, or one for each block of `block_size` along it. The type
        is that of y_zero_point, else `output_dtype`. `saturate` False lets float8 overflow to infinity or NaN.
        """
        return self.add(
            ops.QuantizeLinear(axis=axis, block_size=block_size, output_dtype=output_dtype, saturate=saturate),
            x,
            y_scale,
            y_zero_point,
            name=name,
        )[0]
