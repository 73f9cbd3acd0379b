"""Runs Concat natively, by runs."""

from __future__ import annotations

from enginewright.ops.concat import Concat
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec, normalize_axis


@tactic(Concat, kernel="cpu_concat")
def concat(op: Concat, *inputs: TensorSpec) -> Launch | str:
    """One run an input for each place before the axis."""
    return why_not_movable(*inputs) or Launch(params=(normalize_axis(op.axis, inputs[0].rank),))
