"""Runs ScatterElements, ScatterND and TensorScatter natively; every index is checked."""

from __future__ import annotations

from enginewright.ops.scatter import REDUCTIONS, ScatterElements, ScatterND, TensorScatter
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec, float32, float64, int32, int64, normalize_axis


def _why_not_reduced(reduction: str, data: TensorSpec) -> str:
    if reduction != "none" and data.dtype not in (float32, float64, int32, int64):
        return f"{data.dtype} is not reduced natively"
    return why_not_movable(data)


@tactic(ScatterElements, kernel="cpu_scatter_elements")
def scatter_elements(op: ScatterElements, data: TensorSpec, indices: TensorSpec, updates: TensorSpec) -> Launch | str:
    """Element by element, in order."""
    params = (normalize_axis(op.axis, data.rank), REDUCTIONS.index(op.reduction))
    return _why_not_reduced(op.reduction, data) or Launch(params=params, inplace=(0,))


@tactic(ScatterND, kernel="cpu_scatter_nd")
def scatter_nd(op: ScatterND, data: TensorSpec, indices: TensorSpec, updates: TensorSpec) -> Launch | str:
    """Run by run, in order."""
    return _why_not_reduced(op.reduction, data) or Launch(params=(REDUCTIONS.index(op.reduction),), inplace=(0,))


@tactic(TensorScatter, kernel="cpu_tensor_scatter")
def tensor_scatter(
    op: TensorScatter, past_cache: TensorSpec, update: TensorSpec, write_indices: TensorSpec | None = None
) -> Launch | str:
    """In place where nobody else reads the old cache."""
    params = (normalize_axis(op.axis, past_cache.rank), int(op.mode == "circular"))
    return why_not_movable(past_cache) or Launch(params=params, inplace=(0,))
