"""Reductions of floats on CUDA along one axis, or neighbouring axes seen as one."""

from __future__ import annotations

from typing import Any

from enginewright.ops.reduction import REDUCTIONS
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.reduction import axis_groups
from enginewright.tactics.rows import is_narrow
from enginewright.tensors import TensorSpec

KINDS = {
    "ReduceSum": 0, "ReduceMean": 1, "ReduceMax": 2, "ReduceMin": 3, "ReduceProd": 4, "ReduceL1": 5, "ReduceL2": 6,
    "ReduceSumSquare": 7, "ReduceLogSum": 8,
}  # fmt: skip
"""The kernel's numbers of the reductions."""


def reduction_cuda(op: Any, x: TensorSpec, axes: TensorSpec | None = None) -> Launch | str:
    """A warp or block a row, or vectors of columns side by side."""
    chosen = op.axes_of(x, axes)
    if chosen is None:
        return "the axes are not known before run time"
    if not is_narrow(x):
        return f"no kernel for {x.dtype}"
    groups = axis_groups(x, chosen)
    if sum(kind for _, kind in groups) != 1:
        return "reduces axes that are no neighbours, or none"
    at = next(index for index, (_, kind) in enumerate(groups) if kind)
    outer = groups[at - 1][0] if at else 1
    inner = groups[at + 1][0] if at + 1 < len(groups) else 1
    return Launch((outer, groups[at][0], inner, KINDS[op.KEY.name]), inputs=(0,))


for _cls in REDUCTIONS:
    if _cls.KEY.name in KINDS:
        tactic(_cls, kernel="cuda_reduction")(reduction_cuda)
