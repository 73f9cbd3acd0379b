"""Imports decision trees of ai.onnx.ml: TreeEnsemble, TreeEnsembleRegressor and TreeEnsembleClassifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from enginewright.errors import ModelInvalid
from enginewright.ops.classical import column_of_labels, post_transform
from enginewright.ops.tree_ensemble import AGGREGATES, MEMBER, MODES
from enginewright.registry.onnx_node import NotSupported, OnnxNode
from enginewright.registry.registry import onnx_rule
from enginewright.tensors import float32, float64

if TYPE_CHECKING:
    from enginewright.graph.network import Network, Tensor

Array = np.ndarray[Any, Any]
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@onnx_rule("ai.onnx.ml::TreeEnsemble", since=5)
def tree_ensemble(net: Network, node: OnnxNode) -> Tensor:
    """Nodes and leaves are numbered apart already."""
    x, modes = node.input(0), node.tensor("nodes_modes").astype(np.int64)
    if modes.max(initial=0) >= len(MODES):
        raise ModelInvalid(f"nodes_modes has {modes.max()}", hint=f"Use 0 to {len(MODES) - 1}.")
    true = _next(node, "nodes_truenodeids", "nodes_trueleafs")
    false = _next(node, "nodes_falsenodeids", "nodes_falseleafs")
    given = node.tensor("membership_values") if node.has("membership_values") else np.zeros(0, x.dtype.numpy)
    begins, ends = _member_ranges(modes, given)
    missing = node.integers("nodes_missing_value_tracks_true", (0,) * len(modes))
    nodes = np.stack([node.integers("nodes_featureids"), modes, true, false, missing, begins, ends], axis=1)
    targets = np.array(node.integers("leaf_targetids"), np.int64)
    arrays = (
        nodes.astype(np.int64),
        node.tensor("nodes_splits"),
        np.array(node.integers("tree_roots"), np.int64),
        np.stack([np.arange(len(targets)), targets], axis=1),
        node.tensor("leaf_weights"),
        given[~np.isnan(given)],
    )
    n_targets, aggregate = node.integer("n_targets", 1), _named(AGGREGATES, node, "aggregate_function", 1)
    found: Tensor = net.tree_ensemble(x, *map(net.constant, arrays), n_targets=n_targets, aggregate=aggregate)
    return post_transform(found, _named(TRANSFORMS, node, "post_transform", 0), net)


def _named(names: tuple[str, ...], node: OnnxNode, attribute: str, default: int) -> str:
    """The name that an attribute gives by its place."""
    place = node.integer(attribute, default)
    if not 0 <= place < len(names):
        raise ModelInvalid(f"{attribute} is {place}", hint=f"Use 0 to {len(names) - 1}: {', '.join(names)}.")
    return names[place]


def _next(node: OnnxNode, numbers: str, leaf: str) -> Array:
    """Where a node leads: another one, or ~k for leaf k."""
    places, leaves = np.array(node.integers(numbers), np.int64), np.array(node.integers(leaf), np.int64)
    return np.where(leaves != 0, ~places, places)


def _member_ranges(modes: Array, given: Array) -> tuple[Array, Array]:
    """Where the members of each node that has some begin and end, once the NaN behind those of each are left out."""
    ends_given = np.cumsum(~np.isnan(given))[np.isnan(given)]
    members = np.nonzero(modes == MEMBER)[0]
    if len(ends_given) < len(members):
        raise ModelInvalid("membership_values has fewer lists than nodes need", hint="End each list with NaN.")
    begins, ends = np.zeros(len(modes), np.int64), np.zeros(len(modes), np.int64)
    ends[members] = ends_given[: len(members)]
    begins[members] = np.concatenate([[0], ends[members][:-1]])[: len(members)]
    return begins, ends


@dataclass(frozen=True)
class _Trees:
    """Trees as the older operators have them: nodes and leaves in one list, named by tree and number."""

    nodes: Array
    splits: Array
    roots: Array
    leaves: Array
    weights: Array


def _trees(node: OnnxNode, kind: str, ids: str) -> _Trees:
    """Number nodes and leaves apart; a node is found by its tree and number."""
    trees, numbers = node.integers("nodes_treeids"), node.integers("nodes_nodeids")
    modes = node.texts("nodes_modes")
    places: dict[tuple[int, int], int] = {}
    inner = leaf = 0
    for tree, number, mode in zip(trees, numbers, modes, strict=True):
        if (tree, number) in places:
            raise ModelInvalid(f"node {number} of tree {tree} is there twice", hint="Export the model again.")
        places[tree, number] = ~leaf if mode == "LEAF" else inner
        leaf, inner = leaf + (mode == "LEAF"), inner + (mode != "LEAF")
    branches = [index for index, mode in enumerate(modes) if mode != "LEAF"]
    missing = node.integers("nodes_missing_value_tracks_true", (0,) * len(modes))
    ways = [node.integers(name) for name in ("nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids")]
    try:
        rows = [
            (
                ways[0][i],
                MODES.index(modes[i]),
                places[trees[i], ways[1][i]],
                places[trees[i], ways[2][i]],
                missing[i],
                0,
                0,
            )
            for i in branches
        ]
        entries = zip(
            node.integers(f"{kind}_treeids"), node.integers(f"{kind}_nodeids"), node.integers(ids), strict=True
        )
        leaves = [(~places[tree, number], target) for tree, number, target in entries]
        if any(leaf < 0 for leaf, _ in leaves):
            raise ValueError("weights of a node that is no leaf")
    except (KeyError, ValueError) as error:
        raise ModelInvalid(f"its trees name what is not there: {error}", hint="Export the model again.") from None
    order = sorted(range(len(leaves)), key=lambda index: leaves[index][0])
    firsts = {tree: places[tree, number] for tree, number in zip(reversed(trees), reversed(numbers), strict=True)}
    return _Trees(
        np.array(rows, np.int64).reshape(-1, 7),
        _floats(node, "nodes_values")[branches],
        np.array(list(firsts.values()), np.int64),
        np.array(leaves, np.int64).reshape(-1, 2)[order],
        _floats(node, f"{kind}_weights")[order],
    )


def _floats(node: OnnxNode, name: str) -> Array:
    """A list of floats, or since version 3 a tensor of doubles."""
    if node.has(f"{name}_as_tensor"):
        return node.tensor(f"{name}_as_tensor").reshape(-1)
    return np.array(node.numbers(name, ()), np.float32)


def _scores(net: Network, node: OnnxNode, trees: _Trees, n_targets: int) -> Tensor:
    """What the trees say, with the base values, not transformed."""
    x = node.input(0)
    x = x if x.dtype in (float32, float64) else net.cast(x, to=float32)
    arrays = (trees.nodes, trees.splits, trees.roots, trees.leaves, trees.weights)
    aggregate = node.text("aggregate_function", "SUM")
    found: Tensor = net.tree_ensemble(x, *map(net.constant, arrays), n_targets=n_targets, aggregate=aggregate)
    base = _floats(node, "base_values")
    if base.size:
        found = net.add(found, net.constant(base.astype(found.dtype.numpy)))
    return found if found.dtype is float32 else net.cast(found, to=float32)


@onnx_rule("ai.onnx.ml::TreeEnsembleRegressor", since=1)
def tree_ensemble_regressor(net: Network, node: OnnxNode) -> Tensor:
    """The weights of the leaves that a row reaches."""
    scores = _scores(net, node, _trees(node, "target", "target_ids"), node.integer("n_targets", 1))
    return post_transform(scores, node.text("post_transform", "NONE"), net)


@onnx_rule("ai.onnx.ml::TreeEnsembleClassifier", since=1)
def tree_ensemble_classifier(net: Network, node: OnnxNode) -> tuple[Tensor, Tensor]:
    """The label of the highest score, and the scores of all classes."""
    trees = _trees(node, "class", "class_ids")
    labels = node.attributes.get("classlabels_strings") or node.attributes.get("classlabels_int64s") or []
    if len(labels) == 2 and len(set(trees.leaves[:, 1].tolist())) < 2:
        raise NotSupported("its trees speak of one of two classes only")
    scores = _scores(net, node, trees, len(labels))
    return column_of_labels(net, scores, labels), post_transform(scores, node.text("post_transform", "NONE"), net)
