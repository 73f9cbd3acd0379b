"""Transposes on CUDA, for elements of every width."""

from __future__ import annotations

from enginewright.ops.transpose import Transpose
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(Transpose, kernel="cuda_transpose")
def transpose_cuda(op: Transpose, data: TensorSpec) -> Launch | str:
    """Tiles through shared memory where the last axis moves."""
    reason = why_not_movable(data) or ("has no axes" if not data.rank else "")
    return reason or Launch((data.rank, *data.shape, *op.order(data.rank)))
