"""Runs Transpose natively, for elements of every width."""

from __future__ import annotations

from enginewright.ops.transpose import Transpose
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(Transpose, kernel="cpu_transpose")
def transpose(op: Transpose, data: TensorSpec) -> Launch | str:
    """Long runs are copied, planes are transposed in registers."""
    return why_not_movable(data) or Launch(params=op.order(data.rank))
