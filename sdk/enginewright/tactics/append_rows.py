"""Runs AppendRows natively."""

from __future__ import annotations

from enginewright.ops.append_rows import AppendRows
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(AppendRows, kernel="cpu_append_rows")
def append_rows(
    op: AppendRows, past: TensorSpec, new: TensorSpec, lengths: TensorSpec, total: TensorSpec
) -> Launch | str:
    """Two copies for each head of each sequence."""
    return why_not_movable(past) or Launch(inputs=(0, 1, 2))
