"""Runs If and Loop natively: the executor itself runs their nested programs."""

from __future__ import annotations

from enginewright.ops.control import If, Loop
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec


@tactic(If, kernel="if")
def if_nested(op: If, *specs: TensorSpec | None) -> Launch | str:
    """Runs the branch that the condition names."""
    return Launch()


@tactic(Loop, kernel="loop")
def loop_nested(op: Loop, *specs: TensorSpec | None) -> Launch | str:
    """Runs the body until the trip count or the condition ends it."""
    return Launch(params=(op.n_carried, op.n_scan))
