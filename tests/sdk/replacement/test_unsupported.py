"""Unsupported nodes become opaque layers, rules replace them, import goes on; what is left is one full list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import enginewright as ew
from tests.sdk.replacement.rules_for_tests import (
    CONFIG,
    FLOAT,
    Array,
    declare_gate,
    gate_reference,
    make_model,
    node,
    run,
    unary,
)

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)
VENDOR = "com.vendor"


def test_a_node_alone_is_listed_and_then_replaced_with_its_attributes() -> None:
    model = make_model([node("Gate", "x", "y", VENDOR, alpha=0.5)], {"x": ["N", 4]}, ["y"])
    with pytest.raises(ew.UnsupportedModel, match="n_y"):
        ew.build(model, CONFIG)
    declare_gate()
    np.testing.assert_allclose(run(model, x=X)["y"], gate_reference(X, 0.5), rtol=1e-6)
    (report,) = ew.build(model, CONFIG).report.replacements
    assert (report.operator, report.status, report.nodes) == ("acme::Gate@1", "verified", ("n_y",))
    assert report.applied
    assert report.cases == 8


def test_nodes_behind_wait_and_are_imported_once_it_is_replaced() -> None:
    nodes = [
        node("Exp", "x", "a"),
        node("Gate", "a", "b", VENDOR),
        node("Add", "b w", "c"),
        node("Gate", "c", "d", VENDOR, alpha=2.0),
        node("Relu", "d", "y"),
    ]
    model = make_model(nodes, {"x": ["N", 4]}, ["y"], {"w": np.float32([1, -1, 2, -2])})
    with pytest.raises(ew.UnsupportedModel) as caught:
        ew.parse(model)
    assert [found.name for found in caught.value.nodes] == ["n_b", "n_d"]
    declare_gate()
    inner = gate_reference(np.exp(X)) + np.float32([1, -1, 2, -2])
    np.testing.assert_allclose(run(model, x=X)["y"], np.maximum(gate_reference(inner, 2.0), 0), rtol=1e-5)


def test_what_no_rule_replaces_stays_in_the_one_list() -> None:
    nodes = [
        node("Gate", "x", "a", VENDOR),
        node("Strange", "a", "b", VENDOR),
        node("Relu", "b", "c"),
        node("Stranger", "c", "y", VENDOR),
    ]
    declare_gate()
    with pytest.raises(ew.UnsupportedModel) as caught:
        ew.parse(make_model(nodes, {"x": [2]}, ["y"]))
    assert [(n.name, n.op_type, n.domain, n.version) for n in caught.value.nodes] == [
        ("n_b", "Strange", VENDOR, 1),
        ("n_y", "Stranger", VENDOR, 1),
    ]


def chain_pattern(p: ew.Pattern, x: ew.Value) -> ew.Value:
    gate = p.node("com.vendor::Gate", p.mul(x, p.constant("alpha", shape=())))
    return p.mul(gate, p.sigmoid(gate))


def chain_original(x: Array, alpha: float) -> Array:
    gate = gate_reference(alpha * x)
    return gate / (1 + np.exp(-gate))


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_chain_with_standard_nodes_before_and_behind(stated: bool, swapped: bool) -> None:
    unary("acme::Chain", chain_pattern, lambda op, x: chain_original(x, np.float32(op.alpha)), reference=gate_reference)
    nodes = [
        node("Mul", "k x" if swapped else "x k", "a"),
        node("Gate", "a", "b", VENDOR),
        node("Sigmoid", "b", "c"),
        node("Mul", "c b" if swapped else "b c", "d"),
        node("Neg", "d", "y"),
    ]
    info = [helper.make_tensor_value_info("b", FLOAT, ["N", 4])] if stated else []
    model = make_model(nodes, {"x": ["N", 4]}, ["y"], {"k": np.float32(0.75)}, value_info=info)
    plan = ew.build(model, CONFIG)
    (report,) = plan.report.replacements
    assert report.nodes == ("n_a", "n_b", "n_c", "n_d")
    np.testing.assert_allclose(ew.load(plan).run({"x": X})["y"], -chain_original(X, np.float32(0.75)), rtol=1e-5)
    sources = {name for program in plan.meta.programs for step in program.steps for name in step.sources}
    assert set(report.nodes) <= sources


def test_attributes_of_standard_nodes_that_wait_must_agree() -> None:
    def pattern(p: ew.Pattern, x: ew.Value) -> ew.Value:
        return p.softmax(p.node("com.vendor::Gate", x), axis=1)

    unary("acme::Soft", pattern, lambda op, x: _softmax(gate_reference(x)), reference=gate_reference)

    def model(**attributes: Any) -> Any:
        nodes = [node("Gate", "x", "a", VENDOR), node("Softmax", "a", "y", **attributes)]
        return make_model(nodes, {"x": [3, 4]}, ["y"])

    np.testing.assert_allclose(run(model(axis=1), x=X)["y"], _softmax(gate_reference(X)), rtol=1e-5)
    with pytest.raises(ew.UnsupportedModel):
        ew.parse(model(axis=0))


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_a_wrong_operator_is_not_applied_and_the_list_says_why() -> None:
    def pattern(p: ew.Pattern, x: ew.Value) -> ew.Value:
        return p.node("com.vendor::Gate", x)

    unary("acme::Wrong", pattern, lambda op, x: x, reference=gate_reference)
    with pytest.raises(ew.UnsupportedModel, match=r"not replaced by acme::Wrong@1: .*error is") as caught:
        ew.parse(make_model([node("Gate", "x", "y", VENDOR)], {"x": [4]}, ["y"]))
    assert len(caught.value.nodes) == 1


def test_without_a_reference_it_is_unverified_and_applied_only_if_allowed() -> None:
    declare_gate(reference=None)
    model = make_model([node("Gate", "x", "y", VENDOR)], {"x": [3, 4]}, ["y"])
    with pytest.raises(ew.UnsupportedModel, match="no reference="):
        ew.build(model, CONFIG)
    allowed = ew.BuilderConfig(timing_cache="", level=1, allow_unverified=True)
    np.testing.assert_allclose(run(model, allowed, x=X)["y"], gate_reference(X), rtol=1e-6)
    (report,) = ew.build(model, allowed).report.replacements
    assert (report.status, report.applied) == ("unverified", True)


def test_none_replaces_nothing() -> None:
    declare_gate()
    model = make_model([node("Gate", "x", "y", VENDOR)], {"x": [4]}, ["y"])
    with pytest.raises(ew.UnsupportedModel):
        ew.build(model, ew.BuilderConfig(timing_cache="", replace="none"))
    with pytest.raises(ew.ConfigError, match="replace"):
        ew.BuilderConfig(replace="some")


def test_what_the_file_states_wrongly_is_left_aside() -> None:
    declare_gate()
    nodes = [node("Gate", "x", "a", VENDOR), node("Relu", "a", "y")]
    info = [helper.make_tensor_value_info("a", FLOAT, [7])]
    model = make_model(nodes, {"x": [3, 4]}, ["y"], value_info=info)
    np.testing.assert_allclose(run(model, x=X)["y"], np.maximum(gate_reference(X), 0), rtol=1e-6)


def test_a_result_that_others_need_prevents_the_match() -> None:
    unary("acme::Chain", chain_pattern, lambda op, x: chain_original(x, op.alpha), reference=gate_reference)
    nodes = [
        node("Mul", "x k", "a"),
        node("Gate", "a", "b", VENDOR),
        node("Sigmoid", "b", "c"),
        node("Mul", "b c", "y"),
        node("Relu", "b", "z"),
    ]
    constants = {"k": np.float32(0.75)}
    with pytest.raises(ew.UnsupportedModel):
        ew.parse(make_model(nodes, {"x": [4]}, ["y", "z"], constants))
    with pytest.raises(ew.UnsupportedModel):
        ew.parse(make_model(nodes[:4], {"x": [4]}, ["y", "c"], constants))


def test_inside_functions_of_the_model_and_across_their_borders() -> None:
    unary("acme::Chain", chain_pattern, lambda op, x: chain_original(x, np.float32(op.alpha)), reference=gate_reference)
    body = [node("Mul", "a k", "m"), node("Gate", "m", "b", VENDOR)]
    body[0].name = body[1].name = ""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(VENDOR, 1)]
    function = helper.make_function("local", "Inner", ["a", "k"], ["b"], body, imports)
    nodes = [node("Inner", "x k", "b", "local"), node("Sigmoid", "b", "c"), node("Mul", "b c", "y")]
    model = make_model(nodes, {"x": ["N", 4]}, ["y"], {"k": np.float32(0.75)})
    model.functions.append(function)
    np.testing.assert_allclose(run(model, x=X)["y"], chain_original(X, np.float32(0.75)), rtol=1e-5)


def test_inside_branches() -> None:
    def branch(name: str, alpha: float) -> Any:
        inner = [node("Gate", "x", f"{name}_g", VENDOR, alpha=alpha), node("Neg", f"{name}_g", name)]
        return helper.make_graph(inner, name, [], [helper.make_empty_tensor_value_info(name)])

    chosen = helper.make_node(
        "If", ["flag"], ["y"], name="if", then_branch=branch("t", 1.0), else_branch=branch("e", 2.0)
    )
    model = make_model([chosen], {"x": [3, 4]}, ["y"])
    model.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    model.opset_import.append(helper.make_opsetid(VENDOR, 1))
    with pytest.raises(ew.UnsupportedModel) as caught:
        ew.parse(model)
    assert [found.name for found in caught.value.nodes] == ["n_e_g", "n_t_g"]
    declare_gate()
    for flag, alpha in ((True, 1.0), (False, 2.0)):
        found = run(model, x=X, flag=np.array(flag))["y"]
        np.testing.assert_allclose(found, -gate_reference(X, alpha), rtol=1e-6)


def test_a_branch_that_reads_an_unsupported_result_waits_for_it() -> None:
    declare_gate()
    inner = helper.make_graph([node("Neg", "g", "r")], "b", [], [helper.make_empty_tensor_value_info("r")])
    other = helper.make_graph([node("Exp", "g", "s")], "e", [], [helper.make_empty_tensor_value_info("s")])
    chosen = helper.make_node("If", ["flag"], ["y"], name="if", then_branch=inner, else_branch=other)
    model = make_model([node("Gate", "x", "g", VENDOR), chosen], {"x": [3, 4]}, ["y"])
    model.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    np.testing.assert_allclose(run(model, x=X, flag=np.array(True))["y"], -gate_reference(X), rtol=1e-6)


def test_several_outputs_and_other_inputs() -> None:
    def pattern(p: ew.Pattern, x: ew.Value, y: ew.Value) -> tuple[ew.Value, ew.Value]:
        low, high = p.node("com.vendor::Sort", x, y, outputs=2)
        return low, p.neg(high)

    @ew.replaces(pattern, reference=lambda x, y: (np.minimum(x, y), np.maximum(x, y)))
    @ew.operator("acme::Sort")
    class Sort:
        def infer(self, x: ew.TensorSpec, y: ew.TensorSpec) -> tuple[ew.TensorSpec, ew.TensorSpec]:
            return ew.TensorSpec(x.dtype, x.shape), ew.TensorSpec(x.dtype, x.shape)

        def reference(self, x: Array, y: Array) -> tuple[Array, Array]:
            return np.minimum(x, y), -np.maximum(x, y)

    nodes = [node("Sort", "x k", "low high", VENDOR), node("Neg", "high", "h"), node("Exp", "low", "y")]
    model = make_model(nodes, {"x": ["N", 4]}, ["h", "y"], {"k": np.zeros((1, 4), np.float32)})
    found = run(model, x=X[:1])
    np.testing.assert_allclose(found["h"], -np.maximum(X[:1], 0))
    np.testing.assert_allclose(found["y"], np.exp(np.minimum(X[:1], 0)), rtol=1e-6)
