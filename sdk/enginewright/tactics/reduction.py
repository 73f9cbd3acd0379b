"""Reductions, ArgMax, ArgMin and CumSum on the CPU: all number types, any axes."""

from __future__ import annotations

from typing import Any

from enginewright.dims import Size
from enginewright.ops.arg_reduction import ArgMax, ArgMin
from enginewright.ops.cumulative import CumProd, CumSum
from enginewright.ops.reduction import REDUCTIONS, ReduceLogSum, ReduceLogSumExp
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.rows import HALVES, around, wide_bytes
from enginewright.tensors import DataType, TensorSpec


def reduction(op: Any, x: TensorSpec, axes: TensorSpec | None = None) -> Launch | str:
    """Neighbouring axes of one kind are one; the kernel takes whole lines, or columns side by side."""
    chosen = op.axes_of(x, axes)
    if chosen is None:
        return "the axes are not known before run time"
    if isinstance(op, ReduceLogSum | ReduceLogSumExp) and not x.dtype.is_float:
        return f"no kernel for {x.dtype}"
    groups = axis_groups(x, chosen)
    sizes = [number for group in groups for number in group]
    return Launch(params=(REDUCTIONS.index(type(op)), len(groups), *sizes), inputs=(0,))


def axis_groups(x: TensorSpec, axes: tuple[int, ...]) -> list[tuple[Size, int]]:
    """Size of each group of neighbouring axes, and 1 if it is reduced; axes of size 1 belong to any group."""
    groups: list[tuple[Size, int]] = []
    for axis, size in enumerate(x.shape):
        kind = int(axis in axes)
        if size == 1:
            continue
        if groups and groups[-1][1] == kind:
            groups[-1] = (groups[-1][0] * size, kind)
        else:
            groups.append((size, kind))
    return groups


for _cls in REDUCTIONS:
    tactic(_cls, kernel="cpu_reduction")(reduction)


@tactic(ArgMax, kernel="cpu_reduction_index")
def argmax(op: ArgMax, x: TensorSpec) -> Launch | str:
    """A line searched in pieces, or columns side by side."""
    return Launch(params=(*(around(x, op.axis) if x.rank else (1, 1, 1)), 0, op.select_last_index))


@tactic(ArgMin, kernel="cpu_reduction_index")
def argmin(op: ArgMin, x: TensorSpec) -> Launch | str:
    """As argmax."""
    return Launch(params=(*(around(x, op.axis) if x.rank else (1, 1, 1)), 1, op.select_last_index))


@tactic(CumSum, kernel="cpu_cumsum")
def cumsum(op: CumSum, x: TensorSpec, axis: TensorSpec) -> Launch | str:
    """One pass along a known axis."""
    return _running(op, x, axis)


@tactic(CumProd, kernel="cpu_cumprod")
def cumprod(op: CumProd, x: TensorSpec, axis: TensorSpec) -> Launch | str:
    """One pass along a known axis."""
    return _running(op, x, axis)


def _running(op: CumSum | CumProd, x: TensorSpec, axis: TensorSpec) -> Launch | str:
    known = axis.constants()
    if known is None:
        return "the axis is not known before run time"
    allowed = (*HALVES, DataType.FLOAT32, DataType.FLOAT64, DataType.INT32, DataType.INT64)
    if x.dtype not in (*allowed, DataType.UINT32, DataType.UINT64):
        return f"no kernel for {x.dtype}"
    sizes = around(x, known[0])
    return Launch(params=(*sizes, op.exclusive, op.reverse), workspace=wide_bytes(x, x), inputs=(0,))
