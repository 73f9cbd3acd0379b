"""Runs Split natively, by runs."""

from __future__ import annotations

from enginewright.ops.split import Split
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec, normalize_axis


@tactic(Split, kernel="cpu_split")
def split(op: Split, x: TensorSpec, split: TensorSpec | None = None) -> Launch | str:
    """One run an output for each place before the axis."""
    return why_not_movable(x) or Launch(params=(normalize_axis(op.axis, x.rank),), inputs=(0,))
