"""Runs Gather, GatherElements and GatherND natively; every index is checked."""

from __future__ import annotations

from enginewright.ops.gather import Gather, GatherElements, GatherND
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec, normalize_axis


@tactic(Gather, kernel="cpu_gather")
def gather(op: Gather, data: TensorSpec, indices: TensorSpec) -> Launch | str:
    """Row by row."""
    return why_not_movable(data) or Launch(params=(normalize_axis(op.axis, data.rank),))


@tactic(GatherElements, kernel="cpu_gather_elements")
def gather_elements(op: GatherElements, data: TensorSpec, indices: TensorSpec) -> Launch | str:
    """Element by element."""
    return why_not_movable(data) or Launch(params=(normalize_axis(op.axis, data.rank),))


@tactic(GatherND, kernel="cpu_gather_nd")
def gather_nd(op: GatherND, data: TensorSpec, indices: TensorSpec) -> Launch | str:
    """Run by run."""
    return why_not_movable(data) or Launch(params=(op.batch_dims,))
