"""What inspect reports: matches that nobody asked for, near misses with the first reason, rules that can't work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import enginewright as ew
from enginewright.cli._group import group
from enginewright.cli._running import run as run_command
from tests.sdk.replacement.rules_for_tests import (
    ALL,
    CONFIG,
    Array,
    declare_gate,
    gate_reference,
    make_model,
    node,
    unary,
)

VENDOR = "com.vendor"


def soft(p: ew.Pattern, x: ew.Value) -> ew.Value:
    return p.mul(p.softmax(p.exp(x), axis=1), p.constant("alpha", shape=()))


def declare_soft(**options: Any) -> None:
    def function(op: Any, x: Array) -> Array:
        e = np.exp(np.exp(x) - np.exp(x).max(1, keepdims=True))
        return (e / e.sum(1, keepdims=True) * np.float32(op.alpha)).astype(x.dtype)

    unary("acme::Soft", soft, function, **options)


def chain(*, axis: int = 1, factor: str = "k", op: str = "Mul", more: tuple[Any, ...] = ()) -> onnx.ModelProto:
    nodes = [node("Exp", "x", "a"), node("Softmax", "a", "b", axis=axis), node(op, f"b {factor}", "y"), *more]
    outputs = ["y", *(name for extra in more for name in extra.output)]
    return make_model(nodes, {"x": [3, 4], "z": [3, 4]}, outputs, {"k": np.float32(2)})


def test_a_match_that_nobody_asked_for_is_verified_and_left() -> None:
    declare_soft()
    found = ew.replacements(chain(), config=CONFIG)
    (report,) = found.replacements
    assert (report.status, report.applied) == ("verified", False)
    assert report.reason.startswith("not asked for")
    assert report.error is not None
    assert found.layers
    (report,) = ew.replacements(chain(), config=ALL).replacements
    assert report.applied
    assert "verified, worst error" in str(report)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (chain(axis=0), "attribute: it is 0, the pattern has 1"),
        (chain(factor="z"), 'constant expected: "z" is computed'),
        (chain(op="Add"), 'other operator: Add reads "b", the pattern has Mul'),
        (chain(more=(node("Relu", "b", "r"),)), 'extra consumer: "b" is also read by "n_r"'),
    ],
)
def test_near_misses_name_the_first_reason(model: onnx.ModelProto, reason: str) -> None:
    declare_soft()
    (report,) = ew.replacements(model, config=ALL).replacements
    assert report.status == "near miss"
    assert report.reason.startswith(reason)
    assert set(report.nodes) <= {"n_a", "n_b", "n_y"}


def test_conditions_see_what_was_captured() -> None:
    seen: dict[str, Any] = {}

    def where(captured: Any) -> str:
        seen.update(captured)
        return "only small factors"

    declare_soft(where=where)
    (report,) = ew.replacements(chain(), config=ALL).replacements
    assert (report.status, report.reason) == ("near miss", "condition: only small factors")
    assert seen["x"].shape == (3, 4)
    assert seen["alpha"] == 2
    declare_soft(where=lambda captured: False)
    assert "where= says no" in ew.replacements(chain(), config=ALL).replacements[0].reason


def test_an_attribute_that_the_pattern_does_not_name_is_a_near_miss() -> None:
    declare_gate()
    model = make_model([node("Gate", "x", "y", VENDOR, alpha=0.5, mode="odd")], {"x": [4]}, ["y"])
    found = ew.replacements(model)
    assert [item.name for item in found.unsupported] == ["n_y"]
    assert found.replacements[0].reason.startswith("attribute: the pattern does not name mode")
    named = make_model([node("Gate", "x", "y", VENDOR, plugin_version="1")], {"x": [4]}, ["y"])
    assert ew.replacements(named).replacements[0].applied


def test_failures_of_the_plugin_are_reported_with_their_text() -> None:
    def broken(op: Any, x: Array) -> Array:
        raise RuntimeError("no such thing")

    unary("acme::Broken", lambda p, x: p.exp(x), broken)
    (report,) = ew.replacements(chain(), config=ALL).replacements
    assert (report.status, report.applied) == ("failed", False)
    assert "RuntimeError: no such thing" in report.reason
    unary("acme::Wide", lambda p, x: p.exp(x), lambda op, x: np.exp(x).astype(np.float64))
    report = next(r for r in ew.replacements(chain(), config=ALL).replacements if r.operator == "acme::Wide@1")
    assert "float64[3, 4], the original float32[3, 4]" in report.reason


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (lambda p, x: p.mul(x, p.constant("gamma")), "captures gamma, no field"),
        (lambda p, x: p.mul(x, 2.0), "a float is no value of this pattern"),
        (lambda p, x: x, "a result without a layer"),
        (lambda p, x: (p.exp(x), p.neg(x))[0], "do not lead to its results"),
        (lambda p, x, y: p.mul(x, y), "has 2 values, the operator takes 1 to 1"),
        (lambda p, x: p.node("Gate", x), "names no domain"),
        (lambda p, x: p.nothing(x), "AttributeError"),
        (lambda p, x: p.add(p.value("x"), x), "captured twice"),
    ],
)
def test_a_rule_that_cannot_work_is_reported_and_the_others_go_on(pattern: Any, text: str) -> None:
    declare_soft()
    unary("acme::Bad", pattern, lambda op, x: x)
    good, bad = sorted(ew.replacements(chain(), config=ALL).replacements, key=lambda item: item.operator, reverse=True)
    assert good.applied
    assert (bad.operator, bad.status) == ("acme::Bad@1", "failed")
    assert text in bad.reason


def test_a_rule_stands_above_an_operator() -> None:
    with pytest.raises(ew.PluginInvalid, match="no operator"):
        ew.replaces(soft)(dict)


def test_a_plan_has_no_replacements_left() -> None:
    with pytest.raises(ew.UsageError, match="plan"):
        ew.replacements(ew.build(chain(), CONFIG))


def test_the_command_shows_the_same_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare_gate()
    declare_soft()
    model = make_model([node("Gate", "x", "y", VENDOR)], {"x": [4]}, ["y"])
    onnx.save(model, tmp_path / "gate.onnx")
    onnx.save(chain(axis=0), tmp_path / "chain.onnx")
    assert run_command(group, ["inspect", str(tmp_path / "gate.onnx"), "--replacements"]) == 0
    shown = capsys.readouterr().out
    assert "acme::Gate@1" in shown
    assert "1 replaced, 0 left" in shown
    assert run_command(group, ["inspect", str(tmp_path / "chain.onnx"), "--replacements", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["replacements"]
    assert report["status"] == "near miss"
    assert report["nodes"]
    plan = str(tmp_path / "a.plan")
    options = ["--timing-cache", "", "--level", "1"]
    assert run_command(group, ["build", str(tmp_path / "gate.onnx"), "-o", plan, *options]) == 0
    assert "replaced    acme::Gate@1 for n_y: verified" in capsys.readouterr().out
    assert run_command(group, ["build", str(tmp_path / "gate.onnx"), "-o", plan, *options, "--replace", "none"]) == 7
    assert "n_y" in capsys.readouterr().err
    found = run_command(group, ["inspect", str(tmp_path / "gate.onnx"), "--replacements", "--replace", "acme::Soft"])
    assert found == 7
    assert "not asked for" in capsys.readouterr().out


def test_verification_takes_inputs_of_all_kinds() -> None:
    def pattern(p: ew.Pattern, x: ew.Value, i: ew.Value, flag: ew.Value) -> ew.Value:
        return p.where(flag, p.gather(x, i, axis=0), p.constant("alpha", shape=()))

    @ew.replaces(pattern)
    @ew.operator("acme::Pick")
    class Pick:
        alpha: float

        def infer(self, x: ew.TensorSpec, i: ew.TensorSpec, flag: ew.TensorSpec) -> ew.TensorSpec:
            return ew.TensorSpec(x.dtype, (*i.shape, *x.shape[1:]))

        def reference(self, x: Array, i: Array, flag: Array) -> Array:
            return np.where(flag, x[i], np.float32(self.alpha))

    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 2))
    i, flag = net.input("i", ew.int64, ("K",)), net.input("flag", ew.bool_, ("K", 2))
    net.output("y", net.where(flag, net.gather(x, i, axis=0), net.constant(np.float32(3))))
    (report,) = ew.build(net, ALL).report.replacements
    assert report.applied, report
    assert gate_reference(np.zeros(1, np.float32)) == 0
