"""Runs TreeEnsemble natively."""

from __future__ import annotations

from enginewright.ops.tree_ensemble import AGGREGATES, TreeEnsemble
from enginewright.registry.registry import Launch, tactic
from enginewright.tensors import TensorSpec, float32


@tactic(TreeEnsemble, kernel="cpu_tree_ensemble_f32")
def tree_ensemble_f32(op: TreeEnsemble, *specs: TensorSpec | None) -> Launch | str:
    """Row by row, tree by tree."""
    x, _, splits, _, _, weights = specs[:6]
    for spec in (x, splits, weights, *specs[6:]):
        if spec is not None and spec.dtype != float32:
            return f"not for {spec.dtype}"
    return Launch(params=(AGGREGATES.index(op.aggregate),))
