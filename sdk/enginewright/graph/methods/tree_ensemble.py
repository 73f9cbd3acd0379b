"""TreeEnsemble: decision trees over the columns of a table, their leaves added up.

Methods of `Network`, written by ``make methods`` from ops/tree_ensemble.py, not by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enginewright.graph.methods._adder import _Adder
from enginewright.ops import tree_ensemble as ops

if TYPE_CHECKING:
    from enginewright.graph.network import Tensor


class _TreeEnsemble(_Adder):
    """One method an operator of ops/tree_ensemble.py."""

    def tree_ensemble(
        self,
        x: Tensor,
        nodes: Tensor,
        splits: Tensor,
        roots: Tensor,
        leaves: Tensor,
        weights: Tensor,
        members: Tensor | None = None,
        *,
        n_targets: int,
        aggregate: str = "SUM",
        name: str = "",
    ) -> Tensor:
        """What trees say of each row of `x` [N, F], as `n_targets` numbers: [N, n_targets].

        `nodes` [K, 7]: for each node the column of x, the mode (a place in MODES), the next node if it is true and if
        it is false (~k for leaf k), whether what is no number is true, and the range of its `members` [M]. `splits`
        [K]: what x is compared with. `roots` [T] begin the trees. `leaves` [E, 2], sorted: leaf and target of each
        `weights` [E]. `aggregate`: how the weights of all trees become one number; a target that no leaf speaks of is
        0.
        """
        return self.add(
            ops.TreeEnsemble(n_targets=n_targets, aggregate=aggregate),
            x,
            nodes,
            splits,
            roots,
            leaves,
            weights,
            members,
            name=name,
        )[0]
