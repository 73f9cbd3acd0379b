"""Nodes of a custom domain: the operator by key or by the ONNX name that a plugin gives, its version, near matches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

import enginewright as ew
from tests.sdk.registry.conftest import empty_registry, site
from tests.sdk.registry.distributions import Site
from tests.sdk.replacement.rules_for_tests import CONFIG, Array, make_model, node, run

__all__ = ["empty_registry", "site"]


def declare(key: str, factor: float, **options: Any) -> None:
    class Scale:
        extra: float = 0.0

        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Array) -> Array:
            return (x * factor + self.extra).astype(x.dtype)

    Scale.__qualname__ = key
    ew.operator(key, **options)(Scale)


def model(domain: str = "acme", version: int = 1, op: str = "Scale", **attributes: Any) -> Any:
    made = make_model([node(op, "x", "y", domain, **attributes)], {"x": [2]}, ["y"])
    made.opset_import[1].version = version
    return made


def result(proto: Any) -> float:
    return float(run(proto, x=np.float32([1, 1]))["y"][0])


def test_the_highest_version_that_is_not_above_the_domain() -> None:
    for version in (2, 3, 5):
        declare(f"acme::Scale@{version}", version)
    assert result(model(version=4, extra=0.5)) == 3.5
    assert result(model(version=9)) == 5
    assert result(model(version=1)) == 2
    assert result(model(version=1, plugin_version="3")) == 3
    assert ew.build(model(version=4), CONFIG).report.notes == ()
    (note,) = ew.build(model(version=1), CONFIG).report.notes
    assert "version 1 of acme, acme::Scale@2 was taken" in note


def test_other_onnx_names_and_namespaces() -> None:
    declare("acme::Scale", 2, onnx=["trt.plugins::Scale_TRT"])
    declare("other::Scale", 7)
    assert result(model("trt.plugins", op="Scale_TRT")) == 2
    assert result(model("trt.plugins", op="Scale_TRT", plugin_namespace="other")) == 7
    declare("third::Scale", 3, onnx=["trt.plugins::Scale_TRT"])
    with pytest.raises(ew.UnsupportedModel, match=r"acme::Scale and third::Scale both have this ONNX name"):
        ew.parse(model("trt.plugins", op="Scale_TRT"))


def test_other_onnx_names_of_installed_plugins(site: Site) -> None:
    text = """
import enginewright as ew

@ew.operator("acme.far::Scale", onnx=["trt.plugins::Far"])
class Scale:
    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        return x

    def reference(self, x):
        return x * 4
"""
    site.install("acme-far", {"acme_far": text}, plugins={"acme.far": "acme_far"})
    assert result(model("trt.plugins", op="Far")) == 4


def test_what_is_not_found_names_what_is_near() -> None:
    declare("acme::Scale@2", 2)
    with pytest.raises(ew.UnsupportedModel, match=r"did you mean acme::Scale\?"):
        ew.parse(model(op="Scales"))
    with pytest.raises(ew.UnsupportedModel, match="known are acme::Scale@2"):
        ew.parse(model(plugin_version="7"))
    with pytest.raises(ew.ModelInvalid, match="no number"):
        ew.parse(model(plugin_version="new"))
    with pytest.raises(ew.ModelInvalid, match="no field slope"):
        ew.parse(model(slope=1.0))


def test_the_note_of_a_branch_is_a_note_of_the_model() -> None:
    declare("acme::Scale@2", 2)

    def branch(name: str) -> Any:
        return helper.make_graph(
            [node("Scale", "x", name, "acme")], name, [], [helper.make_empty_tensor_value_info(name)]
        )

    chosen = helper.make_node("If", ["flag"], ["y"], then_branch=branch("t"), else_branch=branch("e"))
    proto = make_model([chosen], {"x": [2]}, ["y"])
    proto.graph.input.append(helper.make_tensor_value_info("flag", 9, []))
    proto.opset_import.append(helper.make_opsetid("acme", 1))
    assert len(ew.parse(proto).notes) == 2
