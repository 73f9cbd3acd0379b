"""Runs Expand natively."""

from __future__ import annotations

from enginewright.ops.expand import Expand
from enginewright.registry.registry import Launch, tactic
from enginewright.tactics.element_widths import why_not_movable
from enginewright.tensors import TensorSpec


@tactic(Expand, kernel="cpu_expand")
def expand(op: Expand, x: TensorSpec, shape: TensorSpec) -> Launch | str:
    """Repeated axes are read again and again."""
    return why_not_movable(x) or Launch(inputs=(0,))
