"""inspect, coverage and doctor: what they find in models, plans and this installation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
from enginewright.optimize.autocast import FOR_ENDS
from enginewright.registry.registry import registry
from enginewright.tools import diagnosis
from enginewright.tools.subject import is_plan, open_subject
from enginewright_compat.gpu import Gpu, Gpus
from tests.sdk.registry.distributions import Site
from tests.sdk.tools.small_models import branches, chain, save, unsupported


def test_model() -> None:
    found = ew.inspect(chain())
    assert found.subject == "chain"
    assert found.inputs == ("x float32[n, 8]",)
    assert found.outputs == ("y float32[n, 3]",)
    assert "fold_constants" in {record.name for record in found.passes}
    assert {source for step in found.steps for source in step.sources} == {"first", "middle", "second", "last"}
    assert {choice.layer for choice in found.choices} == {step.layer for step in found.steps}
    assert all(choice.candidates for choice in found.choices)
    assert found.memory is not None
    assert found.memory.weights >= 4 * (8 * 16 + 16 * 3)
    assert found.memory.peak is None  # n is not known


def test_steps_of_branches_and_bodies_stand_behind_theirs() -> None:
    found = [(step.within, step.layer) for step in ew.inspect(branches()).steps]
    assert found == [
        ((), "outer"),
        (("outer.then",), "inner"),
        (("outer.then", "inner.then"), "Relu"),
        (("outer.then", "inner.else"), "Tanh"),
        (("outer.else",), "Sigmoid"),
    ]
    net, body = ew.Network("net"), ew.Network("body")
    x = net.input("x", ew.float32, (4,))
    body.input("i", ew.int64, ())
    body.output("go", body.identity(body.input("go_in", ew.bool_, ())))
    body.output("y", body.relu(body.input("x_in", ew.float32, (4,))))
    net.output("y", net.loop(net.constant(np.array(3)), None, x, body=body, n_carried=1, name="times")[0])
    steps = ew.inspect(net).steps
    assert {step.within for step in steps} == {(), ("times.body",)}


def test_fixed_sizes_have_a_peak() -> None:
    config = ew.BuilderConfig(profiles=(ew.Profile({"x": (4, 8)}),))
    memory = ew.inspect(chain(), config=config).memory
    assert memory is not None
    assert memory.peak is not None
    assert 0 < memory.peak < 4096


def test_passes_only() -> None:
    found = ew.inspect(chain(), tune=False)
    assert found.passes
    assert found.layers
    assert found.choices == ()
    assert found.steps == ()
    assert found.nodes == 4


def test_what_stays_in_float32_on_a_gpu_has_reasons() -> None:
    config = ew.BuilderConfig(target="cuda", precision="fp16")
    (item,) = ew.inspect(chain(), tune=False, config=config).wide
    assert (item.layer, item.operator, item.sources, item.reason) == ("last", "Sigmoid", ("last",), FOR_ENDS)
    assert ew.inspect(chain(), tune=False).wide == ()


def test_a_network_is_left_as_it_is() -> None:
    net = ew.Network()
    net.output("y", net.relu(net.relu(net.input("x", ew.float32, (2, 3)))))
    before = list(net.layers)
    ew.inspect(net, tune=False)
    assert net.layers == before


def test_layers_have_attributes_and_constants() -> None:
    (product,) = [layer for layer in ew.check_support(chain()).layers if layer.name == "first"]
    assert product.operator == "MatMul"
    assert product.inputs[1] == "w1 float32[8, 16] constant"
    net = ew.Network()
    net.output("y", net.softmax(net.input("x", ew.float32, (2, 3)), axis=0))
    assert ew.inspect(net, tune=False).layers[0].attributes == (("axis", "0"),)


def test_plan(tmp_path: Path) -> None:
    path = tmp_path / "chain.plan"
    ew.build(chain()).save(path)
    found = ew.inspect(str(path))
    assert found.steps
    assert found.choices == ()
    assert found.outputs == ("y float32['n', 3]",)


def test_coverage_lists_all_nodes_at_once() -> None:
    found = ew.check_support(unsupported())
    assert [node.name for node in found.unsupported] == ["frob", "nicate"]
    assert ew.check_support(chain()).unsupported == ()
    with pytest.raises(ew.UsageError, match="a plan has no nodes"):
        ew.check_support(ew.build(chain()))


def test_what_is_a_plan(tmp_path: Path) -> None:
    plan = ew.build(chain())
    plan.save(tmp_path / "a.plan")
    assert is_plan(plan)
    assert is_plan(tmp_path / "a.plan")
    assert is_plan(plan.to_bytes())
    assert not is_plan(save(chain(), tmp_path))
    assert not is_plan(tmp_path / "missing")
    assert not is_plan(chain())
    assert open_subject(plan.to_bytes()).name == "the model"
    assert open_subject(tmp_path / "a.plan").seconds_build == 0.0


def test_doctor_finds_no_problem_here() -> None:
    found = ew.diagnose()
    assert found.problems == ()
    topics = list(dict.fromkeys(finding.topic for finding in found.findings))
    assert topics[:4] == ["enginewright", "machine", "native library", "packages"]
    assert topics[-1] == "engine"


def test_doctor_tells_of_a_broken_plugin_and_what_plugins_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watcher:
        @ew.hookimpl
        def enginewright_doctor(self) -> list[str]:
            return ["all is well"]

    with registry.isolated():
        site = Site(tmp_path, monkeypatch)
        site.install("broken-plugins", {}, plugins={"broken": "no_such_module_at_all"})
        ew.registry.add_hooks(Watcher(), "watcher")
        found = ew.diagnose()
    (problem,) = found.problems
    assert (problem.topic, problem.name) == ("plugins", "broken")
    assert "no_such_module_at_all" in problem.problem
    assert ("watcher", "all is well") in {(finding.name, finding.value) for finding in found.findings}


def test_doctor_tells_of_wrong_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ew.Engine, "run", lambda self, inputs: {"y": inputs["x"]})
    assert [problem.topic for problem in ew.diagnose().problems] == ["engine"]


def test_doctor_tells_of_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis.os, "access", lambda path, mode: False)
    assert [problem.topic for problem in ew.diagnose().problems] == ["caches"]


def test_doctor_tells_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Gpus("580.82.07", "13.0", (Gpu("NVIDIA H100 MIG 1g.10gb", "sm_90", 10 << 30, "MIG-1"),))
    monkeypatch.setattr(diagnosis, "find_gpus", lambda: here)
    found = {finding.name: finding.value for finding in ew.diagnose().findings if finding.topic == "gpus"}
    assert found["driver"] == "580.82.07, runs CUDA 13.0"
    assert found["gpu 0"] == "NVIDIA H100 MIG 1g.10gb, sm_90, 10.0 GiB, MIG-1"
    assert {"kernels", "libcublasLt.so", "libnvrtc.so", "libcudnn.so"} < set(found)


def test_doctor_without_gpus_or_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "find_gpus", Gpus)
    monkeypatch.setattr(diagnosis, "library_file", lambda name, versions: "")
    found = ew.diagnose()
    facts = {finding.name: finding.value for finding in found.findings if finding.topic == "gpus"}
    assert (facts["driver"], facts["libcudnn.so"]) == ("none", "not found")
    assert "gpu 0" not in facts
    assert found.problems == ()


def test_commands_that_cannot_run() -> None:
    assert "No such file" in diagnosis._first_line(["/no/such/program"])
