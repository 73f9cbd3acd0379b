"""TreeEnsemble: decision trees over the columns of a table, their leaves added up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from enginewright.dims import same
from enginewright.errors import NetworkError, RunError, ShapeError
from enginewright.ops.element_types import FLOATS, check_type
from enginewright.registry.registry import operator
from enginewright.tensors import TensorSpec, int64

Array = np.ndarray[Any, Any]
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
MEMBER = 6
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER")
COLUMNS = 7
"""Of the table of nodes: column of x, mode, where to go if true and if false, whether true if it is no number, and the
range of the members that a node of mode BRANCH_MEMBER compares with."""


@operator("ew::TreeEnsemble")
class TreeEnsemble:
    """What trees say of each row of `x` [N, F], as `n_targets` numbers: [N, n_targets].

    `nodes` [K, 7]: for each node the column of x, the mode (a place in MODES), the next node if it is true and if it is
    false (~k for leaf k), whether what is no number is true, and the range of its `members` [M]. `splits` [K]: what x
    is compared with. `roots` [T] begin the trees. `leaves` [E, 2], sorted: leaf and target of each `weights` [E].
    `aggregate`: how the weights of all trees become one number; a target that no leaf speaks of is 0.
    """

    n_targets: int
    aggregate: str = "SUM"

    def infer(
        self,
        x: TensorSpec,
        nodes: TensorSpec,
        splits: TensorSpec,
        roots: TensorSpec,
        leaves: TensorSpec,
        weights: TensorSpec,
        members: TensorSpec | None = None,
    ) -> TensorSpec:
        """[N, n_targets] of the type of the weights."""
        check_type(x, FLOATS, "input x")
        for spec, what in ((nodes, "nodes"), (roots, "roots"), (leaves, "leaves")):
            check_type(spec, (int64,), what)
        if x.rank != 2 or nodes.rank != 2 or nodes.shape[1] != COLUMNS or leaves.rank != 2 or roots.rank != 1:
            raise ShapeError(f"x {x}, nodes {nodes}, leaves {leaves}", hint="Give [N, F], [K, 7] and [E, 2].")
        if splits.rank != 1 or weights.rank != 1 or (members is not None and members.rank != 1):
            raise ShapeError(f"splits {splits}, weights {weights}, members {members}", hint="Give lists of numbers.")
        same(splits.shape[0], nodes.shape[0])
        same(weights.shape[0], leaves.shape[0])
        same(leaves.shape[1], 2)
        if self.aggregate not in AGGREGATES or self.n_targets < 1:
            raise NetworkError(
                f"{self.n_targets} targets, aggregate {self.aggregate!r}", hint=f"Use {', '.join(AGGREGATES)}."
            )
        return TensorSpec(weights.dtype, (x.shape[0], self.n_targets))

    def reference(
        self,
        x: Array,
        nodes: Array,
        splits: Array,
        roots: Array,
        leaves: Array,
        weights: Array,
        members: Array | None = None,
    ) -> Array:
        """All rows go down all trees at once, a node at each step."""
        at = np.tile(roots, (len(x), 1))
        rows = np.broadcast_to(np.arange(len(x))[:, None], at.shape)
        self._check(x, nodes, leaves, at, members)
        for _ in range(len(nodes)):
            inner = at >= 0
            if not inner.any():
                break
            here = at[inner]
            values = x[rows[inner], nodes[here, 0]]
            true = _compare(values, here, nodes, splits, members)
            at[inner] = np.where(true, nodes[here, 2], nodes[here, 3])
        if (at >= 0).any():
            raise RunError("a tree has no end", hint="Its nodes form a cycle; export the model again.")
        return self._add(~at, leaves, weights)

    def _check(self, x: Array, nodes: Array, leaves: Array, roots: Array, members: Array | None) -> None:
        """Raise `RunError` for what names a column, mode, node, target or member that is not there."""
        n_members = 0 if members is None else len(members)
        limits = (
            (nodes[:, 0], x.shape[1]),
            (nodes[:, 1], len(MODES)),
            (leaves[:, 1], self.n_targets),
            (nodes[:, 5:], n_members + 1),
        )
        wrong = any(part.size and not 0 <= part.min() <= part.max() < limit for part, limit in limits)
        if wrong or max(nodes[:, 2:4].max(initial=-1), roots.max(initial=-1)) >= len(nodes):
            raise RunError(
                "a tree names a column, mode, node or target that is not there",
                hint=f"Give x all columns that the trees compare; it has {x.shape[1]}.",
            )

    def _add(self, reached: Array, leaves: Array, weights: Array) -> Array:
        """Sum up what the leaves [N, T] that the rows reached say of each target."""
        first, last = (np.searchsorted(leaves[:, 0], reached, side) for side in ("left", "right"))
        shape = (len(reached), self.n_targets)
        found, seen = np.zeros(shape, weights.dtype), np.zeros(shape, bool)
        combine = {"MIN": np.minimum, "MAX": np.maximum}.get(self.aggregate, np.add)
        for tree in range(reached.shape[1]):
            for step in range(int((last - first)[:, tree].max(initial=0))):
                rows = np.nonzero(first[:, tree] + step < last[:, tree])[0]
                entry = first[rows, tree] + step
                target = leaves[entry, 1]
                old = np.where(seen[rows, target], found[rows, target], weights[entry] if combine is not np.add else 0)
                found[rows, target], seen[rows, target] = combine(old, weights[entry]), True
        return found / max(reached.shape[1], 1) if self.aggregate == "AVERAGE" else found

    @staticmethod
    def examples() -> Iterator[tuple[TreeEnsemble, list[Array]]]:
        """Each aggregate; each mode; members; what is no number."""
        nodes = np.array(
            [[0, 0, 1, 2, 0, 0, 0], [1, 3, ~0, ~1, 1, 0, 0], [1, 6, ~2, ~3, 0, 0, 2], [0, 5, ~0, ~3, 0, 0, 0]], np.int64
        )
        splits = np.array([0.5, -1, 0, 0.25], np.float32)
        leaves = np.array([[0, 0], [1, 1], [2, 0], [2, 1], [3, 1]], np.int64)
        weights = np.array([1, -2, 3, 4, 0.5], np.float32)
        x = np.array([[0, 1], [0.25, -1], [1, 2], [1, 3], [np.nan, np.nan], [0, np.nan]], np.float32)
        roots, members = np.array([0, 3], np.int64), np.array([2, 5], np.float32)
        for aggregate in AGGREGATES:
            yield TreeEnsemble(3, aggregate), [x, nodes, splits, roots, leaves, weights, members]
        for mode in range(len(MODES) - 1):
            stump = np.array([[1, mode, ~0, ~1, 0, 0, 0]], np.int64)
            yield TreeEnsemble(2), [x, stump, np.ones(1, np.float32), roots[:1], leaves, weights]
        yield TreeEnsemble(1), [x, nodes[:0], splits[:0], np.array([~0], np.int64), leaves[:1], weights[:1]]


def _compare(values: Array, here: Array, nodes: Array, splits: Array, members: Array | None) -> Array:
    """Whether each value passes at its node."""
    limit, mode = splits[here], nodes[here, 1]
    found = np.select(
        [mode == index for index in range(MEMBER)],
        [values <= limit, values < limit, values >= limit, values > limit, values == limit, values != limit],
        False,
    )
    for node in np.unique(here[mode == MEMBER]):
        begin, end = nodes[node, 5:7]
        chosen = here == node
        found[chosen] = np.isin(values[chosen], [] if members is None else members[begin:end])
    return np.where(np.isnan(values), found | (nodes[here, 4] != 0), found)
