"""Keys and conflicts: never the first by chance, redefinition, reserved namespaces, overrides, versions."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.registry.registry import Key, registry
from tests.sdk.registry.distributions import SWISH, Site

QUIET = ew.BuilderConfig(timing_cache="", threads=1)


def declare(key: str, *, factor: float = 2, module: str = __name__, version: int | None = None) -> type[Any]:
    """An operator that multiplies by a constant."""

    class Op:
        def infer(self, x: ew.TensorSpec) -> ew.TensorSpec:
            return x

        def reference(self, x: Any) -> Any:
            return x * np.float32(factor)

    Op.__module__ = module
    return ew.operator(key, version=version)(Op)


def apply(key: str) -> float:
    """What an engine with this operator makes of 1."""
    net = ew.Network()
    net.output("y", net.op(key, net.input("x", ew.float32, (1,))))
    with ew.load(ew.build(net, QUIET)) as engine:
        return float(engine.run({"x": np.ones(1, np.float32)})["y"][0])


@pytest.mark.parametrize(
    "text",
    ["Swish", "acme:Swish", "Acme::Swish", "acme::", "::Swish", "acme::1a", "acme..b::C", ".a::B", "a::B@0", "a::B@01",
     "a::B@x", "a::B C", "a-b::C", f"a::{'b' * 253}"],
)  # fmt: skip
def test_texts_that_are_no_keys(text: str) -> None:
    with pytest.raises(ew.PluginInvalid, match="no operator key"):
        Key.parse(text)


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0])
def test_versions_that_are_no_positive_integers(version: Any) -> None:
    with pytest.raises(ew.PluginInvalid, match="no positive integer"):
        ew.operator("acme::Op", version=version)


def test_keys() -> None:
    assert str(Key.parse("com.acme.x::Swish_2@12")) == "com.acme.x::Swish_2@12"
    with pytest.raises(ew.PluginInvalid, match="another version"):
        Key.parse("acme::Op@2", 3)


@pytest.mark.parametrize("namespace", ["ew", "ai.onnx", "ai.onnx.ml", "ai.onnxish"])
def test_reserved_namespaces(namespace: str) -> None:
    with pytest.raises(ew.PluginInvalid, match="reserved"):
        declare(f"{namespace}::Op")


def test_rules_of_reserved_domains() -> None:
    with pytest.raises(ew.PluginInvalid, match="reserved"):
        ew.onnx_rule("ai.onnx::Relu", since=1)(lambda net, node: None)


def test_methods_that_are_missing() -> None:
    with pytest.raises(ew.PluginInvalid, match="no method infer"):
        ew.operator("acme::Op")(type("Op", (), {"reference": lambda self, x: x}))
    with pytest.raises(ew.PluginInvalid, match="no method reference"):
        ew.operator("acme::Op")(type("Op", (), {"infer": lambda self, x: x}))


def test_the_newest_version_is_taken() -> None:
    for version in (1, 10, 2):
        cls = declare("acme::Scale", factor=version, module=f"late{version}", version=version)
        assert cls.KEY.version == version
    assert apply("acme::Scale") == 10
    assert apply("acme::Scale@2") == 2


def test_redefinition(caplog: pytest.LogCaptureFixture) -> None:
    declare("acme::Op", factor=2)
    with caplog.at_level(logging.INFO, "enginewright.plugins"):
        declare("acme::Op", factor=3)
    assert [record.message for record in caplog.records] == [f"acme::Op@1 is redefined by {__name__}"]
    assert apply("acme::Op") == 3


def test_redefinition_is_refused_while_an_engine_uses_the_old_one() -> None:
    declare("acme::Op")
    net = ew.Network()
    net.output("y", net.op("acme::Op", net.input("x", ew.float32, (1,))))
    engine = ew.load(ew.build(net, QUIET))
    with pytest.raises(ew.PluginConflict, match="while an engine uses it"):
        declare("acme::Op", factor=3)
    engine.close()
    declare("acme::Op", factor=3)


def test_two_modules_of_no_distribution() -> None:
    declare("acme::Op", module="late_a")
    with pytest.raises(ew.PluginConflict, match="late_a and by late_b"):
        declare("acme::Op", module="late_b")


def test_two_distributions_with_one_key(site: Site) -> None:
    for name in ("acme", "other"):
        text = SWISH.replace("return x / ", f"return {len(name)} * x / ")
        site.install(f"{name}-plugins", {f"{name}_plugins": text}, plugins={"acme": f"{name}_plugins"})
    with pytest.raises(ew.PluginConflict) as caught:
        apply("acme::Swish")
    assert caught.value.code == "EW-G003"
    for name in ("acme", "other"):
        assert f"{name}-plugins 1.0" in caught.value.message
        assert f'ew.registry.prefer("acme::Swish", distribution="{name}-plugins")' in caught.value.hint
    half = float(1 / (1 + np.exp(-1)))
    ew.registry.prefer("acme::Swish", distribution="other-plugins")
    assert apply("acme::Swish") == pytest.approx(5 * half)
    ew.registry.prefer("acme::Swish", distribution="acme-plugins")
    assert apply("acme::Swish") == pytest.approx(4 * half)


def test_a_namespace_may_be_split_between_distributions(site: Site) -> None:
    site.install("acme-plugins", {"acme_plugins": SWISH}, plugins={"acme": "acme_plugins"})
    text = SWISH.replace("acme::Swish", "acme::Gate")
    site.install("other-plugins", {"other_plugins": text}, plugins={"acme": "other_plugins"})
    assert apply("acme::Gate") == apply("acme::Swish")


def test_override() -> None:
    declare("acme::Op", factor=2)
    with registry.isolated():
        special = declare("acme::Op", factor=7, module="late_special")
    with ew.registry.override(special):
        assert apply("acme::Op") == 7
    assert apply("acme::Op") == 2


def test_names_of_builtin_operators_are_free_in_other_namespaces() -> None:
    """No pass takes acme::Transpose for the built-in one."""
    for name in ("Transpose", "Mul", "Conv", "Reshape", "Cast", "BatchNormalization", "Identity"):
        declare(f"acme::{name}", factor=3)
        assert apply(f"acme::{name}") == 3


def test_tactics_of_one_name_from_two_modules() -> None:
    cls = declare("acme::Op")
    for module in ("late_a", "late_b"):

        def fast(op: Any, x: ew.TensorSpec) -> str:
            return "never"

        fast.__module__ = module
        if module == "late_a":
            ew.tactic(cls, kernel="cpu_copy")(fast)
        else:
            with pytest.raises(ew.PluginConflict, match="both give a tactic fast"):
                ew.tactic(cls, kernel="cpu_copy")(fast)


def test_what_is_declared_wrongly_is_refused() -> None:
    cls = declare("acme::Op")
    with pytest.raises(ew.PluginInvalid, match="no operator class"):
        ew.tactic(int, kernel="k")
    with pytest.raises(ew.PluginInvalid, match="kernel is a int"):
        ew.tactic(cls, kernel=3)  # type: ignore[arg-type]
    with pytest.raises(ew.PluginInvalid, match="no memory format"):
        ew.tactic(cls, kernel="k", formats=["chwn"])
    with pytest.raises(ew.PluginInvalid, match="inplace"):
        ew.tactic(cls, kernel="k", inplace={0: "z"})
    with pytest.raises(ew.PluginInvalid, match="alias"):
        ew.operator("acme::B", alias={1: "x"})(type("B", (), {"infer": lambda self, x: x, "reference": print}))
    with pytest.raises(ew.PluginInvalid, match="no ONNX name"):
        ew.operator("acme::B", onnx=["Swish"])(type("B", (), {"infer": lambda self, x: x, "reference": print}))
