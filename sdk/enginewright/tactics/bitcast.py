"""Runs BitCast as a copy, where no view is possible."""

from __future__ import annotations

from enginewright.ops.bitcast import BitCast
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec


@tactic(BitCast, kernel="cpu_copy")
def copy(op: BitCast, x: TensorSpec) -> Launch | str:
    """The bytes as they are."""
    return Launch()
