"""Pooling: the largest element, the mean or the p-norm in each window, or over all spatial axes.

Methods of `Network`, written by ``make methods`` from ops/pool.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import pool as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _Pool(_Adder):
    """One method an operator of ops/pool.py."""

    def average_pool(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        count_include_pad: bool = False,
        name: str = "",
    ) -> Tensor:
        """The mean of each window over the spatial axes of x [N, C, spatial].

        Padding counts as zeros with `count_include_pad`, else not at all; what `ceil_mode` adds behind never counts.
        """
        return self.add(
            ops.AveragePool(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                kernel_shape=kernel_shape,
                ceil_mode=ceil_mode,
                count_include_pad=count_include_pad,
            ),
            x,
            name=name,
        )[0]

    def global_average_pool(self, x: Tensor, *, name: str = "") -> Tensor:
        """The mean of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""
        return self.add(ops.GlobalAveragePool(), x, name=name)[0]

    def global_lp_pool(self, x: Tensor, *, p: int = 2, name: str = "") -> Tensor:
        """The p-norm of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""
        return self.add(ops.GlobalLpPool(p=p), x, name=name)[0]

    def global_max_pool(self, x: Tensor, *, name: str = "") -> Tensor:
        """The largest element of each channel: x [N, C, spatial] gives [N, C, 1, ...]."""
        return self.add(ops.GlobalMaxPool(), x, name=name)[0]

    def lp_pool(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        p: int = 2,
        name: str = "",
    ) -> Tensor:
        """The p-norm of each window over the spatial axes of x [N, C, spatial]."""
        return self.add(
            ops.LpPool(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                kernel_shape=kernel_shape,
                ceil_mode=ceil_mode,
                p=p,
            ),
            x,
            name=name,
        )[0]

    def max_pool(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        name: str = "",
    ) -> Tensor:
        """The largest element in each window over the spatial axes of x [N, C, spatial]; padding never wins.

        `ceil_mode` keeps a last window that reaches beyond the padded data. See conv for stride, padding and dilation.
        """
        return self.add(
            ops.MaxPool(
                stride=stride,
                padding=padding,
                dilation=dilation,
                auto_pad=auto_pad,
                kernel_shape=kernel_shape,
                ceil_mode=ceil_mode,
            ),
            x,
            name=name,
        )[0]

    def max_pool_with_indices(
        self,
        x: Tensor,
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        auto_pad: str = "NOTSET",
        kernel_shape: tuple[int, ...] = (),
        ceil_mode: bool = False,
        storage_order: int = 0,
        name: str = "",
    ) -> tuple[Tensor, Tensor]:
        """As max_pool, and where each largest element stands in x seen as one list (int64).

        `storage_order` 1 counts the spatial axes column by column instead of row by row.
        """
        return cast(
            "tuple[Tensor, Tensor]",
            self.add(
                ops.MaxPoolWithIndices(
                    stride=stride,
                    padding=padding,
                    dilation=dilation,
                    auto_pad=auto_pad,
                    kernel_shape=kernel_shape,
                    ceil_mode=ceil_mode,
                    storage_order=storage_order,
                ),
                x,
                name=name,
            ),
        )
