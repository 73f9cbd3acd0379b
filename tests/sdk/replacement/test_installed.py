"""A model with unsupported nodes fails with all of them, and builds once the plugin package is installed."""

from __future__ import annotations

import numpy as np
import pytest

import enginewright as ew
from tests.sdk.registry.distributions import Site
from tests.sdk.replacement.rules_for_tests import CONFIG, gate_reference, make_model, node

OPERATORS = """
import numpy as np
import enginewright as ew


@ew.operator("acme.gates::Gate")
class Gate:
    alpha: float = 1.0

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        return x

    def reference(self, x):
        return np.tanh(np.float32(self.alpha) * x)


@ew.operator("acme.gates::Unit")
class Unit:
    alpha: float = 1.0

    def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
        return x

    def reference(self, x):
        return np.maximum(x * np.tanh(np.float32(self.alpha) * x), 0)
"""
RULES = """
import numpy as np
import enginewright as ew
from acme_gates import Gate, Unit


def gate(p, x):
    return p.node("com.vendor::Gate", x, alpha=p.attribute("alpha", default=1.0))


def unit(p, x):
    return p.relu(p.mul(x, p.node("com.vendor::Gate", x, alpha=p.attribute("alpha", default=1.0))))


def in_numpy(x, alpha=1.0):
    return np.tanh(np.float32(alpha) * x)


ew.replaces(gate, reference=in_numpy)(Gate)
ew.replaces(unit, reference=in_numpy)(Unit)
"""


def test_without_a_change_of_code(site: Site) -> None:
    nodes = [
        node("Gate", "x", "a", "com.vendor", alpha=0.5),
        node("Exp", "a", "b"),
        node("Gate", "b", "c", "com.vendor"),
        node("Mul", "c b", "d"),
        node("Relu", "d", "e"),
        node("Gate", "e", "f", "acme.gates", alpha=2.0),
        node("Neg", "f", "y"),
    ]
    model = make_model(nodes, {"x": ["N", 3]}, ["y"])
    with pytest.raises(ew.UnsupportedModel) as caught:
        ew.build(model, CONFIG)
    assert [found.name for found in caught.value.nodes] == ["n_a", "n_c", "n_f"]

    modules = {"acme_gates": OPERATORS, "acme_rules": RULES}
    site.install("acme-gates", modules, plugins={"acme.gates": "acme_gates"}, extensions={"acme.gates": "acme_rules"})
    plan = ew.build(model, CONFIG)
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    b = np.exp(gate_reference(x, 0.5))
    expected = -gate_reference(np.maximum(b * gate_reference(b), 0), 2.0)
    np.testing.assert_allclose(ew.load(plan).run({"x": x})["y"], expected, rtol=1e-5)
    uses = {use.key: use for use in plan.passport.plugins}
    assert uses["acme.gates::Unit@1"].nodes == ("n_c", "n_d", "n_e")
    assert uses["acme.gates::Unit@1"].distribution == "acme-gates"
    assert set(uses["acme.gates::Gate@1"].nodes) == {"n_a", "n_f"}


def test_a_rule_module_that_breaks_does_not_stop_others(site: Site) -> None:
    site.install("bad", {"bad_rules": RULES + "\nraise ImportError('half done')"}, extensions={"bad": "bad_rules"})
    site.install("acme-gates", {"acme_gates": OPERATORS}, plugins={"acme.gates": "acme_gates"})
    model = make_model([node("Gate", "x", "y", "com.vendor")], {"x": [3]}, ["y"])
    with pytest.raises(ew.UnsupportedModel):
        ew.build(model, CONFIG)
    site.install("good", {"acme_rules": RULES}, extensions={"acme": "acme_rules"})
    assert ew.build(model, CONFIG).report.replacements[0].applied
