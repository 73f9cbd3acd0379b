"""Gather on CUDA; an index that is out of range gives zeros, as a kernel there can refuse nothing."""

from __future__ import annotations

from enginewright.ops.gather import Gather
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tactics.rows import around
from enginewright.tensors import TensorSpec


@tactic(Gather, kernel="cuda_gather")
def gather_cuda(op: Gather, data: TensorSpec, indices: TensorSpec) -> Launch | str:
    """Rows, in vectors."""
    return why_not_movable(data) or Launch((*around(data, op.axis), indices.size))
