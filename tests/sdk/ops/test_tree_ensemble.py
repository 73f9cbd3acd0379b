"""Tests of TreeEnsemble, and of the operators of ai.onnx.ml that it stands for, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import enginewright as ew
from enginewright.errors import DataTypeError, ModelInvalid, NetworkError, ShapeError, UnsupportedModel
from enginewright.ops.tree_ensemble import MEMBER, MODES, TreeEnsemble
from enginewright.registry.registry import Operator
from enginewright.tensors import TensorSpec, float32, int32, int64
from tests.sdk.ops.examples import check_static, check_symbolic, examples_of
from tests.sdk.ops.test_classical import check_like_onnx_runtime

EXAMPLES = list(examples_of(TreeEnsemble))


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_shape_rule(op: Operator, inputs: list[Any]) -> None:
    check_static(op, inputs)
    check_symbolic(op, inputs)


def _walk(row: Any, place: int, nodes: Any, splits: Any, members: Any) -> int:
    """Follow one tree for one row; the leaf."""
    while place >= 0:
        column, mode, true, false, missing, begin, end = nodes[place].tolist()
        value, limit = row[column], splits[place]
        if mode == MEMBER:
            passes = value in members[begin:end].tolist()
        else:
            name = MODES[mode].removeprefix("BRANCH_")
            passes = {
                "LEQ": value <= limit,
                "LT": value < limit,
                "GTE": value >= limit,
                "GT": value > limit,
                "EQ": value == limit,
                "NEQ": value != limit,
            }[name]
        place = true if passes or (np.isnan(value) and missing) else false
    return ~place


@pytest.mark.parametrize(("op", "inputs"), EXAMPLES)
def test_reference_row_by_row(op: TreeEnsemble, inputs: list[Any]) -> None:
    x, nodes, splits, roots, leaves, weights = inputs[:6]
    members = inputs[6] if len(inputs) > 6 else np.zeros(0, np.float32)
    expected = np.zeros((len(x), op.n_targets), np.float32)
    for place, row in enumerate(x):
        for target in range(op.n_targets):
            reached = [_walk(row, int(root), nodes, splits, members) for root in roots]
            said = [
                w
                for leaf in reached
                for entry, w in zip(leaves.tolist(), weights, strict=True)
                if entry == [leaf, target]
            ]
            combine = {"SUM": sum, "MIN": min, "MAX": max, "AVERAGE": lambda items: sum(items) / len(roots)}[
                op.aggregate
            ]
            expected[place, target] = combine(said) if said else 0
    np.testing.assert_allclose(op.reference(*inputs), expected, rtol=1e-6)


def test_what_is_refused() -> None:
    inputs = [TensorSpec(ew.DataType.of(array), array.shape) for array in next(TreeEnsemble.examples())[1]]
    with pytest.raises(DataTypeError):
        TreeEnsemble(1).infer(TensorSpec(int32, (2, 2)), *inputs[1:])
    with pytest.raises(ShapeError):
        TreeEnsemble(1).infer(inputs[0], TensorSpec(int64, (4, 5)), *inputs[2:])
    with pytest.raises(NetworkError):
        TreeEnsemble(1, "MEDIAN").infer(*inputs)
    for place, shape in ((2, (3,)), (4, (5, 3)), (5, (4,)), (5, (5, 1)), (6, (2, 1))):
        wrong = TensorSpec(inputs[place].dtype, shape)
        with pytest.raises(ShapeError):
            TreeEnsemble(1).infer(*inputs[:place], wrong, *inputs[place + 1 :])
    assert TreeEnsemble(2).infer(*inputs) == TensorSpec(float32, (6, 2))


TREES: dict[str, Any] = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 1, 0, 0, 0, 2, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
    "nodes_values": [0.2, -0.3, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0],
    "nodes_truenodeids": [1, 2, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [4, 3, 0, 0, 0, 2, 0, 0],
}
REACHED = [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]


def _model(kind: str, outputs: int = 1, version: int = 3, **attributes: Any) -> onnx.ModelProto:
    names = ["y", "z"][:outputs]
    node = helper.make_node(kind, ["x"], names, domain="ai.onnx.ml", **attributes)
    infos = [helper.make_empty_tensor_value_info(name) for name in names]
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])], infos)
    if outputs == 2:
        dtype = TensorProto.STRING if "classlabels_strings" in attributes else TensorProto.INT64
        infos[0].CopyFrom(helper.make_tensor_value_info("y", dtype, ["N"]))
        infos[1].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", "K"]))
        graph = helper.make_graph([node], "g", list(graph.input), infos)
    else:
        graph = helper.make_graph(
            [node], "g", list(graph.input), [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "K"])]
        )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _agrees(model: onnx.ModelProto) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    check_like_onnx_runtime(model, x)


def _leaves(kind: str, targets: int) -> dict[str, Any]:
    """Each leaf speaks of every target: ONNX Runtime 1.32 leaves out base values and labels of which none speaks."""
    entries = [(tree, node, target) for tree, node in REACHED for target in range(targets)]
    columns = {
        f"{kind}_{name}": [entry[place] for entry in entries]
        for place, name in enumerate(("treeids", "nodeids", "ids"))
    }
    return columns | {f"{kind}_weights": np.random.default_rng(1).normal(size=len(entries)).tolist()}


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_regressor(aggregate: str) -> None:
    more = _leaves("target", 1)
    _agrees(_model("TreeEnsembleRegressor", n_targets=1, aggregate_function=aggregate, **TREES, **more))


def test_regressor_of_two_targets() -> None:
    more = _leaves("target", 2)
    _agrees(_model("TreeEnsembleRegressor", n_targets=2, base_values=[0.5, -1.0], **TREES, **more))


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX", "LOGISTIC"])
@pytest.mark.parametrize("labels", [{"classlabels_strings": ["a", "b", "c"]}, {"classlabels_int64s": [5, 6, 7]}])
def test_classifier(transform: str, labels: dict[str, Any]) -> None:
    more = _leaves("class", 3)
    _agrees(_model("TreeEnsembleClassifier", 2, post_transform=transform, **labels, **TREES, **more))


def test_wrong_trees() -> None:
    more = _leaves("target", 1)
    with pytest.raises(ModelInvalid, match="name what is not there"):
        ew.parse(_model("TreeEnsembleRegressor", **{**TREES, "nodes_truenodeids": [9] * 8}, **more))
    with pytest.raises(ModelInvalid, match="is there twice"):
        ew.parse(_model("TreeEnsembleRegressor", **{**TREES, "nodes_nodeids": [0] * 8}, **more))
    with pytest.raises(ModelInvalid, match="no leaf"):
        ew.parse(_model("TreeEnsembleRegressor", **TREES, **{**more, "target_nodeids": [1, 3, 4, 1, 2]}))


@pytest.mark.parametrize("name", ["nodes_treeids", "nodes_values", "nodes_featureids", "target_weights"])
def test_lists_of_other_lengths(name: str) -> None:
    given = {**TREES, **_leaves("target", 1)}
    with pytest.raises(ModelInvalid, match="do not fit|not there"):
        ew.parse(_model("TreeEnsembleRegressor", **{**given, name: given[name][:2]}))


STUMP: dict[str, Any] = {
    "nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, [1], [0]),
    "nodes_splits": helper.make_tensor("splits", TensorProto.FLOAT, [1], [0.5]),
    "nodes_featureids": [0],
    "nodes_truenodeids": [0],
    "nodes_trueleafs": [1],
    "nodes_falsenodeids": [1],
    "nodes_falseleafs": [1],
    "tree_roots": [0],
    "leaf_targetids": [0, 0],
    "leaf_weights": helper.make_tensor("weights", TensorProto.FLOAT, [2], [1.0, 2.0]),
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"aggregate_function": 9},
        {"aggregate_function": -1},
        {"post_transform": 5},
        {"nodes_featureids": [0, 0]},
        {"nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, [1], [7])},
        {"leaf_weights": helper.make_tensor("weights", TensorProto.FLOAT, [1], [1.0])},
    ],
)
def test_wrong_numbers(wrong: dict[str, Any]) -> None:
    assert ew.parse(_model("TreeEnsemble", version=5, **STUMP)).outputs
    with pytest.raises(ModelInvalid):
        ew.parse(_model("TreeEnsemble", version=5, **{**STUMP, **wrong}))


@pytest.mark.parametrize("level", [0, 1])
def test_a_mode_that_is_not_there(level: int) -> None:
    op, inputs = next(TreeEnsemble.examples())
    nodes = inputs[1].copy()
    nodes[0, 1] = len(MODES)
    net = ew.Network()
    given = [net.input(f"i{place}", ew.DataType.of(array), array.shape) for place, array in enumerate(inputs)]
    net.output("y", net.add(op, *given)[0])
    with ew.load(ew.build(net, ew.BuilderConfig(level=level, timing_cache=""))) as engine:
        arrays = {f"i{place}": array for place, array in enumerate(inputs)}
        assert engine.run(arrays)["y"].shape == (6, 3)
        with pytest.raises(ew.EnginewrightError, match="mode"):
            engine.run(arrays | {"i1": nodes})


def test_what_is_not_supported() -> None:
    more = _leaves("class", 1)
    with pytest.raises(UnsupportedModel) as caught:
        ew.parse(_model("TreeEnsembleClassifier", 2, classlabels_int64s=[0, 1], **TREES, **more))
    assert "one of two classes only" in str(caught.value)
