"""Probes: what is run and kept when a plan is built, always the same bits, and never a reason for a build to fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import enginewright as ew
from enginewright.compiler import probes
from enginewright.compiler.probes import Wanted, compare_probes, read_probes, run_probes, sampled, wanted_probes
from enginewright.plan.artifact import Section
from enginewright.tensors import TensorSpec
from enginewright_compat.passport import Tolerance
from tests.golden.plans import golden_plan
from tests.sdk.tools.small_models import chain, lookup

QUICK = ew.BuilderConfig(threads=1, level=1, timing_cache="")
EXACT = Tolerance(0.0, 0.0)


def kept(plan: ew.Plan) -> list[probes.Probe]:
    """The probes of a plan."""
    return read_probes(plan.origin[Section.PROBES])[0] if Section.PROBES in plan.origin else []


def large(rows: int = 64) -> ew.Network:
    """A network with matrix products, a softmax and a convolution that several threads share."""
    rng = np.random.default_rng(0)
    net = ew.Network("large")
    x = net.input("x", ew.float32, (rows, 256))
    hidden = net.gelu(net.matmul(x, net.constant(rng.standard_normal((256, 512)).astype(np.float32))))
    net.output("y", net.softmax(net.matmul(hidden, net.constant(rng.standard_normal((512, 384)).astype(np.float32)))))
    image = net.input("image", ew.float32, (1, 8, 40, 40))
    kernel = net.constant(rng.standard_normal((16, 8, 3, 3)).astype(np.float32))
    net.output("z", net.reduce_sum(net.conv(image, kernel), net.constant(np.array([2, 3]))))
    return net


def test_two_probes_at_sizes_that_the_model_accepts() -> None:
    plan = ew.build(chain(), QUICK)
    found = kept(plan)
    assert [probe.seed for probe in found] == [0, 1]
    assert [record.shape for probe in found for record in probe.outputs] == [[1, 3], [1, 3]]
    assert all(output.error == 0 for output in compare_probes(plan, plan.origin[Section.PROBES], EXACT))


def test_indices_lie_inside_their_table() -> None:
    (first, _) = kept(ew.build(lookup(), QUICK))
    assert [(rule.kind, rule.limit) for rule in first.inputs][:1] == [("integers", 5)]


def test_one_probe_for_each_profile_and_at_most_four() -> None:
    net = ew.Network("profiles")
    net.output("y", net.relu(net.input("x", ew.float32, ("N",))))
    profiles = tuple(ew.Profile({"x": ((n,), (n + 1,), (n + 9,))}) for n in range(1, 7))
    config = ew.BuilderConfig(threads=1, level=1, timing_cache="", profiles=profiles)
    assert [probe.inputs[0].shape for probe in kept(ew.build(net, config))] == [[2], [3], [4], [5]]


def test_fewer_for_a_large_plan_and_none_for_large_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "LARGE_WEIGHTS", 10)
    assert len(kept(ew.build(chain(), QUICK))) == 1
    monkeypatch.setattr(probes, "MOST_INPUT_BYTES", 10)
    assert kept(ew.build(chain(), QUICK)) == []


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_the_bits_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    plan = ew.build(large(), ew.BuilderConfig(threads=2, level=1, timing_cache=""))
    wanted = [Wanted(probe.seed, probe.inputs) for probe in kept(plan)]
    assert wanted
    with ew.Engine(plan) as tuned, ew.Engine(plan, threads=threads) as engine:
        for item in wanted:
            expected, found = tuned.run(item.arrays()), engine.run(item.arrays())
            assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_two_builds_give_the_same_bytes() -> None:
    assert ew.build(large(), QUICK).to_bytes() == ew.build(large(), QUICK).to_bytes()


def test_a_model_that_cannot_run_on_generated_inputs() -> None:
    """It reshapes to sizes that it reads, and generated ones do not fit."""
    plan = golden_plan("dynamic")
    assert Section.PROBES not in plan.origin
    assert any("no probes" in note for note in plan.report.notes)


@ew.operator("probetest::Fails")
class Fails:
    """An operator whose reference raises what is no error of ours."""

    def infer(self, x: TensorSpec) -> TensorSpec:
        """The same."""
        return x

    def reference(self, x: Any) -> Any:
        """Always fails."""
        raise ZeroDivisionError("on purpose")


def test_a_python_step_that_raises() -> None:
    net = ew.Network("fails")
    net.output("y", net.add(Fails(), net.input("x", ew.float32, (3,)))[0])
    plan = ew.build(net, QUICK)
    assert Section.PROBES not in plan.origin
    (note,) = (note for note in plan.report.notes if "no probes" in note)
    assert "ZeroDivisionError" in note
    assert 'layer "' in note


def test_no_probes_with_a_tactic_that_is_not_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from enginewright.registry.registry import Key, registry

    key, config = Key("ew", "MatMul"), replace(QUICK, allow_nondeterministic=True)
    assert kept(ew.build(chain(), config))
    tactics = [replace(tactic, deterministic=False) for tactic in registry.tactics[key]]
    monkeypatch.setitem(registry.tactics, key, tactics)
    assert kept(ew.build(chain(), config)) == []


def test_large_outputs_are_sampled() -> None:
    small, big = np.arange(2**18, dtype=np.float32), np.arange(2**18 + 1, dtype=np.float32).reshape(1, -1)
    assert sampled(small) is not None
    assert sampled(small).size == small.size
    assert sampled(big).size == 4096
    assert (sampled(big)[0], sampled(big)[-1]) == (0, 2**18)
    assert np.ptp(np.diff(sampled(big))) <= 1


def test_a_sampled_output_is_compared() -> None:
    net = ew.Network("big")
    net.output("y", net.relu(net.input("x", ew.float32, (600, 600))))
    plan = ew.build(net, QUICK)
    section = plan.origin[Section.PROBES]
    assert len(section) < 40_000
    assert [output.passed for output in compare_probes(plan, section, EXACT)] == [True]
    other = ew.Network("big")
    other.output("y", other.abs(other.input("x", ew.float32, (600, 600))))
    assert [output.passed for output in compare_probes(ew.build(other, QUICK), section, EXACT)] == [False]


@pytest.mark.parametrize("dtype", [ew.float16, ew.bfloat16, ew.int8, ew.int4, ew.bool_, ew.float64, ew.complex64])
def test_every_type_is_kept(dtype: ew.DataType) -> None:
    net = ew.Network("types")
    net.output("y", net.identity(net.input("x", dtype, (5,))))
    plan = ew.build(net, QUICK)
    assert [output.passed for output in compare_probes(plan, plan.origin[Section.PROBES], EXACT)] == [True]


def test_probes_of_a_network_without_inputs() -> None:
    net = ew.Network("constant")
    net.output("y", net.random_normal(shape=(4,), seed=3.0))
    assert len(kept(ew.build(net, QUICK))) == 2


def head(**changes: Any) -> bytes:
    """A section with one probe, whose parts are changed."""
    rule = {"dtype": 1, "kind": "normal", "name": "x", "shape": [2, 8]} | changes.pop("rule", {})
    record = {"count": 6, "dtype": 1, "name": "y", "offset": 0, "shape": [2, 3]} | changes.pop("record", {})
    probe = {"inputs": [rule], "outputs": [record], "seed": 0} | changes
    text = json.dumps({"probes": [probe], "schema": 1}, sort_keys=True, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + bytes(24)


BAD = {
    "empty": b"",
    "short": b"\1",
    "length": (2**63).to_bytes(8, "little") + b"{}",
    "no JSON": (2).to_bytes(8, "little") + b"{]",
    "spaces": head().replace(b'"schema":1}', b'"schema": 1').replace(head()[:8], head()[:8]),
    "seed": head(seed=-1),
    "type": head(rule={"dtype": 99}),
    "rank": head(rule={"shape": [1] * 9}),
    "size": head(rule={"shape": [-1]}),
    "much": head(rule={"shape": [2**30]}),
    "no limit": head(rule={"kind": "integers", "limit": -1}),
    "a position in a scalar": head(rule={"kind": "positions", "limit": 2, "shape": []}),
    "texts": head(record={"dtype": 8}),
    "count": head(record={"count": 7}),
    "offset": head(record={"offset": 1}),
    "negative offset": head(record={"offset": -4}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sections_are_refused(name: str) -> None:
    read_probes(head())
    with pytest.raises(ValueError, match=r"."):
        read_probes(BAD[name])


def test_a_build_is_cancelled_between_probes(tmp_path: Path) -> None:
    plan = ew.build(chain(), QUICK)

    def stop(done: int, total: int) -> None:
        assert total == 2
        raise ew.BuildCancelled("enough", hint="none")

    with pytest.raises(ew.BuildCancelled):
        run_probes(plan, wanted_probes(ew.parse(chain()), []), stop)
