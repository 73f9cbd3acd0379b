"""Products stay in float32 where bfloat16 would change what comes out, and only there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import enginewright as ew
import enginewright.tactics
from enginewright.compiler import sensitive_products, trials
from enginewright.compiler.sensitive_products import find_sensitive, optimize_measured
from enginewright.compiler.trials import AIM, ALLOWED, UNMEASURED
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network, Tensor
from enginewright.optimize import pipeline
from enginewright.optimize.autocast import BETWEEN, MEASURED, autocast_bf16
from enginewright.tensors import bfloat16, float32

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def _tactics() -> None:
    enginewright.tactics.load()


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def inputs(*shape: int) -> list[dict[str, Array]]:
    return [{"x": random(*shape, seed=seed)} for seed in (5, 6)]


def difference_of_products(net: Network, x: Tensor) -> Tensor:
    """What is left of two products that are nearly equal: bfloat16 keeps hardly a digit of it."""
    weight = random(16, 16)
    return net.sub(
        net.matmul(x, net.constant(weight)), net.matmul(x, net.constant(weight + 0.01 * random(16, 16, seed=1)))
    )


def sensitive(rows: int | str = 8, width: int = 256) -> Network:
    """A large product, by a weight of `width` columns, that does not matter much, and two small ones that do."""
    net = Network()
    x = net.input("x", float32, (rows, 16))
    large = net.relu(net.matmul(net.matmul(x, net.constant(random(16, width))), net.constant(random(width, 16) / 64)))
    net.output("y", net.matmul(difference_of_products(net, large), net.constant(np.eye(16, dtype=np.float32))))
    return net


def error(network: Network, keep: frozenset[str], given: Mapping[str, Array]) -> float:
    """Of the network in bfloat16 by the operators' references."""
    narrow = copy_network(network)
    autocast_bf16(narrow, keep)
    narrow.infer()
    found, wanted = narrow.evaluate(given)["y"], network.evaluate(given)["y"]
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def test_small_products_that_matter_stay() -> None:
    net = sensitive()
    kept = find_sensitive(net, inputs(8, 16), threads=1)
    sizes = {layer.name: layer.inputs[1].shape for layer in net.layers if layer.kind == "MatMul"}  # type: ignore[union-attr]
    assert {sizes[name] for name in kept} == {(16, 16)}
    fresh = {"x": random(8, 16, seed=9)}
    assert error(net, frozenset(), fresh) > ALLOWED
    assert error(net, kept, fresh) <= 1.5 * AIM
    (note,) = net.notes
    assert note.startswith(f"{len(kept)} of 5 products stay in float32")


def test_sizes_of_any_length_are_those_of_the_inputs() -> None:
    net = sensitive("rows")
    assert find_sensitive(net, inputs(8, 16), threads=1) == find_sensitive(sensitive(), inputs(8, 16), threads=1)
    assert net.inputs[0].shape[0] != 8  # the network itself keeps its name


def test_a_network_that_hides_errors_is_bfloat16_throughout() -> None:
    net = Network()
    x = net.input("x", float32, (8, 16))
    net.output("y", net.matmul(net.relu(net.matmul(x, net.constant(random(16, 16)))), net.constant(random(16, 16))))
    assert not find_sensitive(net, inputs(8, 16), threads=1)
    assert not net.notes


def test_what_products_do_not_cause_they_do_not_pay_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers differ from run to run, whatever their type."""
    monkeypatch.setattr(sensitive_products._Trial, "error", lambda trial, kept: 1.0)
    net = sensitive()
    assert not find_sensitive(net, inputs(8, 16), threads=1)
    assert not net.notes


@pytest.mark.parametrize("limit", ["MOST_MULTIPLICATIONS", "MOST_BYTES"])
def test_large_networks_and_those_without_inputs_are_not_tried(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    for given, why in (([], "there are no inputs to try it on"), (inputs(8, 16), "it is large")):
        net = sensitive()
        assert not find_sensitive(net, given, threads=1)
        assert net.notes == [f"{UNMEASURED}: {why}"]
        monkeypatch.setattr(trials, limit, 1000)


def test_inputs_that_a_network_refuses_are_no_failure() -> None:
    net = Network()
    index = net.input("x", ew.int64, (4,))
    table = net.gather(net.constant(random(3, 16)), index)
    net.output("y", difference_of_products(net, table))
    assert not find_sensitive(net, [{"x": np.full(4, 7)}], threads=1)
    (note,) = net.notes
    assert note.startswith(f"{UNMEASURED}: generated inputs fail (")


def test_the_optimized_network_has_both_types() -> None:
    net = sensitive()
    (layout,) = optimize_measured(net, pipeline("cuda", "bf16"), inputs(8, 16), threads=1)
    products = [layer for layer in layout.network.layers if layer.kind == "MatMul"]
    assert {layer.inputs[0].dtype for layer in products} == {float32, bfloat16}  # type: ignore[union-attr]
    assert [record.name for record in layout.records] == [run.__name__ for run in pipeline("cuda", "bf16")]
    assert autocast_bf16 not in layout.passes  # what stayed is not cast when they run again
    stay = {item.layer: item.reason for item in layout.network.wide}
    assert {name for name, reason in stay.items() if reason == MEASURED} == find_sensitive(
        sensitive(), inputs(8, 16), threads=1
    )
    assert set(stay.values()) == {MEASURED, BETWEEN}  # the difference of two that stay


@pytest.mark.cuda
@pytest.mark.usefixtures("gpu")
def test_a_plan_for_a_gpu_tells_what_stayed() -> None:
    net = sensitive()
    given = {"x": random(8, 16, seed=9)}
    plan = ew.build(net, ew.BuilderConfig(target="cuda", precision="bf16", timing_cache=""))
    assert any("products stay in float32" in note for note in plan.report.notes)
    assert MEASURED in {item.reason for item in plan.report.wide}
    found, wanted = ew.load(plan).run(given)["y"], net.evaluate(given)["y"]
    assert np.linalg.norm(found - wanted) <= 1.5 * AIM * np.linalg.norm(wanted)
