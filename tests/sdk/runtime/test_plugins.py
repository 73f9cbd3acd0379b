"""Plans with plugins: all that is missing in one error, faults attributed to layer and method, no growth of memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.registry.registry import registry
from enginewright.verdict import plan_info
from tests.sdk.registry.distributions import C_SOURCE, SWISH, Site, forget

QUIET = ew.BuilderConfig(timing_cache="", threads=1, level=1)
X = np.ones((2, 4), np.float32)
# In a process of its own: that of the tests has a large and fragmented heap, whose pages come and go for other reasons.
LOADS = """
import ctypes, gc, sys
import numpy as np
import psutil
import enginewright as ew

def held():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the system
    return psutil.Process().memory_info().rss

before = 0
for index in range(1000):
    with ew.load(sys.argv[1]) as engine:
        engine.run({"x": np.ones((2, 4), np.float32)})
    del engine
    if index == 99:
        before = held()
print(held() - before)
"""


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    """What a test declares is forgotten after it."""
    before = set(sys.modules)
    with registry.isolated():
        yield
    forget(before)


def plan_of(*keys: str) -> ew.Plan:
    """A plan of a chain of operators."""
    net = ew.Network()
    x = net.input("x", ew.float32, ("N", 4))
    for key in keys:
        x = net.op(key, x)
    net.output("y", x)
    return ew.build(net, QUIET)


def two_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan that needs two distributions, saved; they are gone again when this returns."""
    with monkeypatch.context() as patch:
        site = Site(tmp_path / "site", patch)
        site.install("acme-plugins", {"acme_plugins": SWISH}, version="1.3.0", plugins={"acme": "acme_plugins"})
        gate = SWISH.replace("acme::Swish", "other::Gate")
        site.install("other-plugins", {"other_plugins": gate}, version="0.9.2", plugins={"other": "other_plugins"})
        plan_of("acme::Swish", "other::Gate", "acme::Swish").save(tmp_path / "a.plan")
    return tmp_path / "a.plan"


def test_all_that_is_missing_in_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = two_plugins(tmp_path, monkeypatch)
    with registry.isolated(), pytest.raises(ew.PluginNotFound) as caught:
        ew.load(path)
    assert [plugin.namespace for plugin in caught.value.plugins] == ["acme::Swish@1", "other::Gate@1"]
    text = str(caught.value)
    assert 'acme::Swish@1  layer "Swish" and 1 more' in text
    assert 'pip install "acme-plugins==1.3.0" (the plan says so, not verified)' in text
    assert 'pip install "other-plugins==0.9.2"' in text
    assert "enginewright plugin doctor acme::Swish" in caught.value.hint


def test_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = two_plugins(tmp_path, monkeypatch)
    with registry.isolated():
        site = Site(tmp_path / "other site", monkeypatch)
        newer = SWISH.replace("version=1", "version=2")
        site.install("acme-plugins", {"acme_plugins": newer}, version="2.1.0", plugins={"acme": "acme_plugins"})
        with pytest.raises(ew.PluginNotFound) as caught:
            ew.load(path)
    assert "installed: acme-plugins 2.1.0; known are acme::Swish@2" in caught.value.plugins[0].found
    assert "acme-plugins 1.3.0" in caught.value.plugins[0].requirement


def test_rebuilding_needs_the_operator_and_not_only_its_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = two_plugins(tmp_path, monkeypatch)
    with registry.isolated():
        site = Site(tmp_path / "other site", monkeypatch)
        site.install("acme-more", {"acme_more": SWISH.replace("Swish", "Swash")}, plugins={"acme": "acme_more"})
        with pytest.raises(ew.PluginNotFound) as caught:
            ew.rebuild(path)
    assert [plugin.namespace for plugin in caught.value.plugins] == ["acme::Swish@1", "other::Gate@1"]


def test_plan_check_judges_from_metadata_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = two_plugins(tmp_path, monkeypatch)
    with registry.isolated():
        assert [reason.field for reason in plan_info(path).reasons if reason.code] == ["acme::Swish@1", "other::Gate@1"]
        assert plan_info(path).exit_code() == 5
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        for module in ("acme_plugins", "other_plugins"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        assert [reason for reason in plan_info(path).reasons if reason.code] == []
        assert "acme_plugins" not in sys.modules


@pytest.mark.parametrize(
    ("name", "version"),
    [("acme; rm -rf /", "1"), ("acme", "1; x"), ("acme\nevil", "1"), ("-e.", "1"), ("acme", "$(x)")],
)
def test_names_that_are_no_names_are_in_no_command(tmp_path: Path, name: str, version: str) -> None:
    declare(lambda x: x)
    plan = plan_of("acme::Op")
    (use,) = plan.passport.plugins
    made = replace(plan, passport=replace(plan.passport, plugins=(replace(use, distribution=name, version=version),)))
    try:
        made.save(tmp_path / "a.plan")
    except ew.PlanError:
        return  # the passport refuses control characters
    with pytest.raises(ew.PluginNotFound) as caught:
        ew.load(tmp_path / "a.plan")
    assert "pip install" not in str(caught.value)


@pytest.mark.needs_cc
def test_a_kernel_whose_source_changed_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path / "site", monkeypatch)
    site.install("acme-plugins", {"acme_plugins": SWISH + C_SOURCE}, plugins={"acme": "acme_plugins"})
    plan_of("acme::Swish").save(tmp_path / "a.plan")
    path = tmp_path / "site" / "acme_plugins.py"
    path.write_text(path.read_text(encoding="utf-8").replace("1.0f +", "1.00f +"), encoding="utf-8")
    monkeypatch.delitem(sys.modules, "acme_plugins")
    with registry.isolated(), pytest.raises(ew.PluginError, match="another one than the plan was built with"):
        ew.load(tmp_path / "a.plan")


@pytest.mark.needs_cc
def test_a_tactic_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path / "site", monkeypatch)
    site.install("acme-plugins", {"acme_plugins": SWISH + C_SOURCE}, plugins={"acme": "acme_plugins"})
    plan_of("acme::Swish").save(tmp_path / "a.plan")
    (tmp_path / "site" / "acme_plugins.py").write_text(SWISH, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "acme_plugins")
    with registry.isolated(), pytest.raises(ew.PluginNotFound, match="1 plugin") as caught:
        ew.load(tmp_path / "a.plan")
    assert "has no tactic swish_c" in str(caught.value)


def declare(reference: Any, infer: Any = None) -> None:
    """Declare acme::Op with these methods."""
    members = {"infer": lambda self, x: infer(x) if infer else x, "reference": lambda self, x: reference(x)}
    ew.operator("acme::Op")(type("Op", (), {**members, "__module__": __name__}))


class Failing:
    """A function that gives back what it gets, and raises while `error` is set."""

    error: BaseException | None = None

    def __call__(self, x: Any) -> Any:
        if self.error is not None:
            raise self.error
        return x


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), MemoryError(), GeneratorExit()])
def test_a_reference_that_raises(error: BaseException) -> None:
    function = Failing()
    declare(function)
    with ew.load(plan_of("acme::Op")) as engine:
        function.error = error
        with pytest.raises(ew.PluginError, match=f"acme::Op@1: reference raised {type(error).__name__}") as caught:
            engine.run({"x": X})
        details: Any = caught.value.details
        assert (details.plugin, details.method, details.layer) == ("acme::Op@1", "reference", "Op")
        assert caught.value.__cause__ is error
        function.error = None
        np.testing.assert_array_equal(engine.run({"x": X})["y"], X)


def test_ctrl_c_passes() -> None:
    function = Failing()
    declare(function)
    with ew.load(plan_of("acme::Op")) as engine:
        function.error = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            engine.run({"x": X})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda x: x.astype(np.float64), "output 0 is float64 of rank 2"),
        (lambda x: x[0], "of rank 1"),
        (lambda x: x[:1], r"has the shape \(1, 4\)"),
        (lambda x: (x, x), "2 results for 1 outputs|output 0"),
        (lambda x: None, "output 0"),
    ],
)
def test_what_a_reference_returns_is_checked(made: Any, message: str) -> None:
    declare(made)
    with ew.load(plan_of("acme::Op")) as engine:
        with pytest.raises(ew.PluginInvalid, match=message) as caught:
            engine.run({"x": X})
        details: Any = caught.value.details
        assert (details.plugin, details.method, details.layer) == ("acme::Op@1", "reference", "Op")


@pytest.mark.parametrize(
    ("infer", "message"),
    [
        (lambda x: None, "returned NoneType"),
        (lambda x: (x, 3), "returned int for output 1"),
        (lambda x: ew.TensorSpec("float32", x.shape), "the data type 'float32'"),  # type: ignore[arg-type]
        (lambda x: ew.TensorSpec(x.dtype, list(x.shape)), "which is no tuple"),  # type: ignore[arg-type]
        (lambda x: ew.TensorSpec(x.dtype, (1.5,)), "the size 1.5"),  # type: ignore[arg-type]
    ],
)
def test_what_infer_returns_is_checked(infer: Any, message: str) -> None:
    declare(lambda x: x, infer)
    with pytest.raises(ew.PluginInvalid, match=message) as caught:
        plan_of("acme::Op")
    details: Any = caught.value.details
    assert (details.plugin, details.method, details.layer) == ("acme::Op@1", "infer", "Op")


def test_an_infer_that_raises() -> None:
    function = Failing()
    function.error = RuntimeError("no")
    declare(lambda x: x, function)
    with pytest.raises(ew.PluginError, match="acme::Op@1: infer raised RuntimeError: no"):
        plan_of("acme::Op")
    declare(lambda x: x, lambda x: x.with_shape(x.shape[0] if x.shape[0] > 3 else 1))
    with pytest.raises(ew.SymbolicShapeError, match="not known before run time"):
        plan_of("acme::Op")


def test_wrong_numbers_of_inputs_are_the_callers_mistake() -> None:
    declare(lambda x: x)
    net = ew.Network()
    x = net.input("x", ew.float32, (4,))
    with pytest.raises(ew.NetworkError, match="too many positional arguments"):
        net.op("acme::Op", x, x)
    with pytest.raises(ew.NetworkError, match="required"):
        net.op("acme::Op", None)


def test_a_reference_of_constants_that_raises_while_building() -> None:
    function = Failing()
    function.error = ValueError("bad")
    declare(function)
    net = ew.Network()
    net.output("y", net.op("acme::Op", net.constant(X)))
    with pytest.raises(ew.PluginError, match="reference raised ValueError"):
        ew.build(net, QUIET)


@pytest.mark.needs_cc
def test_a_thousand_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first hundred, memory grows by less than 1 MB."""
    site = Site(tmp_path / "site", monkeypatch)
    site.install("acme-plugins", {"acme_plugins": SWISH + C_SOURCE}, plugins={"acme": "acme_plugins"})
    gate = SWISH.replace("acme::Swish", "other::Gate")
    site.install("other-plugins", {"other_plugins": gate}, plugins={"other": "other_plugins"})
    plan_of("acme::Swish", "other::Gate").save(tmp_path / "a.plan")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", LOADS, str(tmp_path / "a.plan")]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 1_000_000
