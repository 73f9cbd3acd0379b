"""Chains of standard operators are replaced with replace="all", and compute the same as before."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import enginewright as ew
from enginewright.ops.activation import Gelu
from enginewright.ops.attention import Attention
from enginewright.ops.non_max_suppression import NonMaxSuppression
from tests.sdk.replacement.rules_for_tests import ALL, CONFIG, Array, make_model, node, run, unary

RNG = np.random.default_rng(0)


def original(model: onnx.ModelProto, **inputs: Any) -> list[Array]:
    """What ONNX Runtime gives."""
    return list(onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs))


def operators(network: ew.Network) -> list[str]:
    return [str(layer.key) for layer in network.layers]


# ---- GELU --------------------------------------------------------------------------------------------------------


def gelu_pattern(p: ew.Pattern, x: ew.Value) -> ew.Value:
    erf = p.add(p.erf(p.div(x, p.constant(1.4142135))), p.constant(1.0))
    return p.mul(p.mul(x, erf), p.constant(0.5))


def gelu_model() -> onnx.ModelProto:
    nodes = [
        node("Div", "x root", "a"),
        node("Erf", "a", "b"),
        node("Add", "one b", "c"),
        node("Mul", "c x", "d"),
        node("Mul", "d half", "y"),
    ]
    constants = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32([0.5])}
    return make_model(nodes, {"x": ["N", 8]}, ["y"], constants)


def declare_gelu(**options: Any) -> type[Any]:
    @ew.replaces(gelu_pattern, **options)
    @ew.operator("acme::Gelu")
    class AcmeGelu:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return ew.TensorSpec(x.dtype, x.shape)

        def reference(self, x: Array) -> Array:
            result: Array = Gelu().reference(x)
            return result

    return AcmeGelu


def test_a_decomposed_gelu() -> None:
    declare_gelu()
    model, x = gelu_model(), RNG.standard_normal((3, 8)).astype(np.float32)
    assert not ew.build(model, CONFIG).report.replacements
    plan = ew.build(model, ALL)
    (report,) = plan.report.replacements
    assert report.applied
    assert report.nodes == ("n_a", "n_b", "n_c", "n_d", "n_y")
    assert [record.key for record in plan.meta.operators] == ["acme::Gelu@1"]
    np.testing.assert_allclose(ew.load(plan).run({"x": x})["y"], original(model, x=x)[0], rtol=1e-5, atol=1e-6)


def test_a_list_of_keys_replaces_only_these() -> None:
    declare_gelu()
    config = ew.BuilderConfig(timing_cache="", level=1, replace=["acme::Gelu"])
    assert ew.build(gelu_model(), config).report.replacements[0].applied
    assert ew.build(gelu_model(), ew.BuilderConfig(timing_cache="", replace=["acme::Gelu@1"])).report.replacements
    with pytest.raises(ew.ConfigError, match="acme::Other") as caught:
        ew.build(gelu_model(), ew.BuilderConfig(timing_cache="", replace=["acme::Gelu", "acme::Other"]))
    assert "acme::Gelu@1" in str(caught.value)


def test_tanh_is_no_gelu_by_erf() -> None:
    @ew.replaces(gelu_pattern)
    @ew.operator("acme::Approximate")
    class Approximate:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return ew.TensorSpec(x.dtype, x.shape)

        def reference(self, x: Array) -> Array:
            return (x / 2 * (1 + np.tanh(0.7978846 * (x + 0.044715 * x**3)))).astype(x.dtype)

    (report,) = ew.build(gelu_model(), ALL).report.replacements
    assert report.status == "failed"
    assert not report.applied
    assert report.error is not None
    assert 2e-5 < report.error < 1e-2


# ---- attention ---------------------------------------------------------------------------------------------------


def attention_pattern(p: ew.Pattern, q: ew.Value, k: ew.Value, v: ew.Value) -> ew.Value:
    scores = p.mul(p.matmul(q, p.transpose(k, perm=(0, 1, 3, 2))), p.constant("scale", shape=()))
    return p.matmul(p.softmax(scores), v)


def test_decomposed_attention_with_several_inputs_and_a_folded_constant() -> None:
    @ew.replaces(attention_pattern)
    @ew.operator("acme::Attention")
    class AcmeAttention:
        scale: float

        def infer(self, q: ew.TensorSpec, k: ew.TensorSpec, v: ew.TensorSpec) -> ew.TensorSpec:
            return ew.TensorSpec(q.dtype, (*q.shape[:3], v.shape[3]))

        def reference(self, q: Array, k: Array, v: Array) -> Array:
            found: Any = Attention(scale=self.scale).reference(q, k, v)
            return found[0] if isinstance(found, tuple) else found

    nodes = [
        node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
        node("MatMul", "q kt", "s"),
        node("Reciprocal", "root", "scale"),
        node("Mul", "scale s", "t"),
        node("Softmax", "t", "w", axis=3),
        node("MatMul", "w v", "y"),
    ]
    shape = ["B", 2, "S", 16]
    model = make_model(nodes, {"q": shape, "k": shape, "v": shape}, ["y"], {"root": np.float32(4)})
    arrays = {name: RNG.standard_normal((2, 2, 5, 16)).astype(np.float32) for name in "qkv"}
    plan = ew.build(model, ALL)
    (report,) = plan.report.replacements
    assert report.applied, report
    np.testing.assert_allclose(ew.load(plan).run(arrays)["y"], original(model, **arrays)[0], rtol=1e-4, atol=1e-5)
    profile = ew.Profile(dict.fromkeys("qkv", ((1, 2, 1, 16), (2, 2, 9, 16), (3, 2, 40, 16))))
    config = ew.BuilderConfig(timing_cache="", level=1, replace="all", profiles=[profile])
    np.testing.assert_allclose(run(model, config, **arrays)["y"], original(model, **arrays)[0], rtol=1e-4, atol=1e-5)


# ---- non-maximum suppression -------------------------------------------------------------------------------------


def nms_pattern(p: ew.Pattern, boxes: ew.Value, scores: ew.Value) -> ew.Value:
    limits = p.constant("most"), p.constant("overlap", shape=()), p.constant("least", shape=())
    picked = p.non_max_suppression(boxes, p.transpose(scores, perm=(0, 2, 1)), *limits)
    return p.gather(picked, p.constant("column"), axis=1)


def nms_model() -> onnx.ModelProto:
    nodes = [
        node("Transpose", "scores", "t", perm=[0, 2, 1]),
        node("NonMaxSuppression", "boxes t most overlap least", "i"),
        node("Gather", "i column", "y", axis=1),
    ]
    limits = {"most": np.int64([4]), "overlap": np.float32([0.5]), "least": np.float32([0.1]), "column": np.int64(2)}
    return make_model(nodes, {"boxes": [1, 12, 4], "scores": [1, 12, 3]}, ["y"], limits)


def declare_nms() -> None:
    def build(captured: Any) -> Any:
        return AcmeNms(int(captured["most"][0]), float(captured["overlap"][0]), float(captured["least"][0]))

    @ew.replaces(nms_pattern, build=build, where=lambda captured: captured["column"] == 2 or "not the boxes")
    @ew.operator("acme::PickBoxes")
    class AcmeNms:
        most: int
        overlap: float
        least: float

        def infer(self, boxes: ew.TensorSpec, scores: ew.TensorSpec) -> ew.TensorSpec:
            return ew.TensorSpec(ew.int64, (ew.Dim.data(upper=scores.shape[2] * self.most),))

        def reference(self, boxes: Array, scores: Array) -> Array:
            limits = np.int64(self.most), np.float32(self.overlap), np.float32(self.least)
            found: Array = NonMaxSuppression().reference(boxes, scores.transpose(0, 2, 1), *limits)
            return found[:, 2]


def test_a_decomposed_nms_chain_with_an_output_of_unknown_size() -> None:
    declare_nms()
    model = nms_model()
    corner = RNG.random((1, 12, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + 0.3], axis=2)
    scores = RNG.random((1, 12, 3)).astype(np.float32)
    plan = ew.build(model, ALL)
    (report,) = plan.report.replacements
    assert report.applied, report
    expected = original(model, boxes=boxes, scores=scores)[0]
    assert 0 < expected.size <= 12
    np.testing.assert_array_equal(ew.load(plan).run({"boxes": boxes, "scores": scores})["y"], expected)


# ---- order, overlap, structure -----------------------------------------------------------------------------------


def _double(p: ew.Pattern, x: ew.Value) -> ew.Value:
    return p.add(x, x)


def test_priority_comes_before_size_and_overlaps_are_reported() -> None:
    def large(p: ew.Pattern, x: ew.Value) -> ew.Value:
        return p.relu(p.add(x, x))

    unary("acme::Large", large, lambda op, x: np.maximum(x + x, 0))
    unary("acme::Small", _double, lambda op, x: x + x)
    model = make_model([node("Add", "x x", "a"), node("Relu", "a", "y")], {"x": [4]}, ["y"])
    first, second = ew.build(model, ALL).report.replacements
    assert (first.operator, first.applied) == ("acme::Large@1", True)
    assert (second.operator, second.status) == ("acme::Small@1", "near miss")
    assert second.reason.startswith("overlap")
    unary("acme::Small", _double, lambda op, x: x + x, priority=1)
    first, second = ew.build(model, ALL).report.replacements
    assert (first.operator, first.applied) == ("acme::Small@1", True)
    assert second.reason.startswith("overlap")


def test_matches_behind_each_other_and_equal_plans() -> None:
    unary("acme::Double", _double, lambda op, x: x + x)
    nodes = [node("Add", "x x", "a"), node("Add", "a a", "b"), node("Add", "b b", "y")]
    model = make_model(nodes, {"x": ["N"]}, ["y"])
    x = np.float32([1, 2])
    assert run(model, ALL, x=x)["y"].tolist() == [8, 16]
    assert ew.build(model, ALL).meta == ew.build(model, ALL).meta
    assert sum(item.applied for item in ew.build(model, ALL).report.replacements) == 3


def test_inside_branches_and_networks_made_by_hand() -> None:
    unary("acme::Double", _double, lambda op, x: x + x)

    def branch(name: str, op: str) -> onnx.GraphProto:
        return helper.make_graph([node(op, "x x", name)], name, [], [helper.make_empty_tensor_value_info(name)])

    chosen = helper.make_node("If", ["flag"], ["y"], then_branch=branch("t", "Add"), else_branch=branch("e", "Mul"))
    model = make_model([chosen], {"x": [2]}, ["y"])
    model.graph.input.append(helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, []))
    found = ew.build(model, ALL)
    assert [item.nodes for item in found.report.replacements if item.applied] == [("n_t",)]
    assert ew.load(found).run({"x": np.float32([1, 3]), "flag": np.array(True)})["y"].tolist() == [2, 6]
    net = ew.Network()
    x = net.input("x", ew.float32, (2,))
    net.output("y", net.add(x, x))
    assert ew.build(net, ALL).report.replacements[0].applied
    assert operators(net) == ["ew::Add@1"]


def test_two_results_with_a_path_outside_between_them_are_no_match() -> None:
    def pattern(p: ew.Pattern, x: ew.Value, y: ew.Value) -> tuple[ew.Value, ew.Value]:
        return p.exp(x), p.neg(y)

    @ew.replaces(pattern)
    @ew.operator("acme::Pair")
    class Pair:
        def infer(self, x: ew.TensorSpec, y: ew.TensorSpec) -> tuple[ew.TensorSpec, ew.TensorSpec]:
            return ew.TensorSpec(x.dtype, x.shape), ew.TensorSpec(y.dtype, y.shape)

        def reference(self, x: Array, y: Array) -> tuple[Array, Array]:
            return np.exp(x), -y

    entangled = [node("Exp", "x", "a"), node("Sin", "a", "b"), node("Neg", "b", "y")]
    assert not any(r.applied for r in ew.build(make_model(entangled, {"x": [4]}, ["y"]), ALL).report.replacements)
    apart = [node("Exp", "x", "a"), node("Sin", "a", "c"), node("Cos", "x", "b"), node("Neg", "b", "y")]
    model = make_model(apart, {"x": [4]}, ["c", "y"])
    (report,) = ew.build(model, ALL).report.replacements
    assert report.applied
    x = RNG.standard_normal(4).astype(np.float32)
    found = run(model, ALL, x=x)
    np.testing.assert_allclose(found["c"], np.sin(np.exp(x)), rtol=1e-5)
    np.testing.assert_allclose(found["y"], -np.cos(x), rtol=1e-5)
