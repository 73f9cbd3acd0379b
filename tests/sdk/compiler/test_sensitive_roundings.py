"""On a CPU small products stay in float32 where bfloat16 would change what comes out, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import enginewright as ew
import enginewright.tactics
from enginewright.compiler import sensitive_roundings, trials
from enginewright.compiler.layouts import Layout
from enginewright.compiler.probes import wanted_probes
from enginewright.compiler.sensitive_roundings import Trials, optimize_rounded
from enginewright.compiler.trials import AIM, ALLOWED, UNMEASURED
from enginewright.graph.copying import copy_network
from enginewright.graph.network import Network
from enginewright.optimize import pipeline
from enginewright.optimize.autocast import MEASURED
from enginewright.optimize.round_products import round_products
from enginewright.plan.timing_cache import TimingCache
from enginewright.plan.timing_entries import RoundingTrial
from enginewright.tensors import float32
from tests.sdk.compiler.test_sensitive_products import difference_of_products, random, sensitive

PASSES = pipeline("cpu", "bf16")
WIDTH = 1024
"""Then the small products of `sensitive` have 2 % of all multiplications."""


@pytest.fixture(autouse=True)
def _tactics() -> None:
    enginewright.tactics.load()


def harmless() -> Network:
    net = Network()
    x = net.input("x", float32, (8, 16))
    net.output("y", net.matmul(net.relu(net.matmul(x, net.constant(random(16, 16)))), net.constant(random(16, 16))))
    return net


def optimized(net: Network, known: Trials | None = None) -> list[Layout]:
    """In all ways; `net` is left as it is."""
    return optimize_rounded(copy_network(net), PASSES, wanted_probes(net, []), known or Trials(TimingCache(), 1))


def products(layout: Layout) -> list[tuple[str, int]]:
    """Which products it has, and the columns of their weights."""
    anchors = [(layer.op.anchor if layer.kind == "Fused" else layer.op, layer) for layer in layout.network.layers]
    wanted = [(op, layer) for op, layer in anchors if op.KEY.name in ("Rounded", "MatMul")]
    return [(op.KEY.name, layer.inputs[1].shape[1]) for op, layer in wanted]  # type: ignore[union-attr, misc]


def test_small_products_that_matter_stay() -> None:
    rounding, *_, exact = optimized(sensitive(width=WIDTH))
    assert sorted(products(rounding)) == [("MatMul", 16)] * 3 + [("Rounded", 16), ("Rounded", WIDTH)]
    assert {item.reason for item in rounding.network.wide} == {MEASURED}
    assert len(rounding.network.wide) == 3
    (note,) = rounding.network.notes
    assert note.startswith("3 of 5 products stay in float32")
    assert exact.exact
    assert not (exact.network.wide or exact.network.notes)
    assert {kind for kind, _ in products(exact)} == {"MatMul"}


def test_outputs_are_right_on_other_inputs() -> None:
    net, given = sensitive(width=WIDTH), {"x": random(8, 16, seed=9)}
    wanted = net.evaluate(given)["y"]

    def error(layout: Layout) -> float:
        found = layout.network.evaluate(given)["y"]
        return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))

    usual = copy_network(net)
    round_products(usual)
    assert np.linalg.norm(usual.evaluate(given)["y"] - wanted) > ALLOWED * np.linalg.norm(wanted)
    for layout in optimized(net):
        assert error(layout) <= 1.5 * AIM


def test_what_stays_is_not_looked_at_again() -> None:
    for layout in optimized(sensitive(width=WIDTH)):
        assert layout.exact or round_products.__name__ not in [run.__name__ for run in layout.passes]


def test_a_network_that_hides_errors_is_as_it_would_be_untried() -> None:
    for layout in optimized(harmless()):
        assert layout.exact or round_products in layout.passes
        assert not (layout.network.wide or layout.network.notes)


def test_products_in_branches_are_rounded_untried_and_a_note_says_so() -> None:
    net = ew.Network()
    x, cond = net.input("x", ew.float32, (32, 64)), net.input("c", ew.bool_, ())
    branches = [ew.Network("branch", parent=net) for _ in range(2)]
    for branch in branches:
        branch.output("v", branch.matmul(branch.input("x", ew.float32, (32, 64)), branch.constant(random(64, 64))))
    (y,) = net.if_(cond, x, then_branch=branches[0], else_branch=branches[1])
    net.output("y", y)
    config = ew.BuilderConfig(precision="bf16", timing_cache="", level=2)
    assert f"{UNMEASURED} in branches and loops" in ew.build(net, config).report.notes


def test_where_too_many_would_stay_nothing_changes_and_a_note_says_so() -> None:
    """Here the small products have 8 % of all multiplications."""
    rounding, *_ = optimized(sensitive())
    assert {kind for kind, _ in products(rounding)} == {"Rounded"}
    assert not rounding.network.wide
    (note,) = rounding.network.notes
    assert note.startswith("outputs differ from those of float32 by ")


def test_a_trial_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Trials(TimingCache(), 1)
    first = optimized(sensitive(width=WIDTH), known)
    (entry,) = known.cache.values()
    assert entry.rounding is not None
    assert (entry.rounding.products, entry.rounding.kept, entry.rounding.largest_kept) == (5, 3, 8 * 16 * 16)
    assert entry.rounding.left <= AIM * 1e6 < ALLOWED * 1e6 < entry.rounding.without
    monkeypatch.setattr(sensitive_roundings, "run_untimed", None)
    again = optimized(sensitive(width=WIDTH), known)
    assert [products(layout) for layout in again] == [products(layout) for layout in first]
    assert [layout.network.notes for layout in again] == [layout.network.notes for layout in first]
    (failed, *_) = optimized(harmless(), known)  # another network needs one of its own
    assert failed.network.notes[0].startswith(f"{UNMEASURED}: generated inputs fail (TypeError")


def test_trials_tell_the_same_again() -> None:
    first, second = (Trials(TimingCache(), 2) for _ in range(2))
    optimized(sensitive(width=WIDTH), first)
    optimized(sensitive(width=WIDTH), second)
    assert dict(first.cache) == dict(second.cache)


def test_strict_builds_name_the_trial_that_is_missing(tmp_path: Path) -> None:
    net, path = sensitive(width=WIDTH), tmp_path / "t.timing"

    def build(*, strict: bool) -> ew.Plan:
        config = ew.BuilderConfig(precision="bf16", threads=1, timing_cache=path, error_on_timing_cache_miss=strict)
        return ew.build(net, config)

    with pytest.raises(ew.TimingCacheMiss) as caught:
        build(strict=True)
    assert caught.value.details.layers[-1] == "the whole network, whether bfloat16 is exact enough"
    build(strict=False).save(tmp_path / "0.plan")
    for name in ("1.plan", "2.plan"):
        build(strict=True).save(tmp_path / name)
    assert (tmp_path / "1.plan").read_bytes() == (tmp_path / "2.plan").read_bytes()
    assert ew.Plan.load(tmp_path / "0.plan").meta == ew.Plan.load(tmp_path / "1.plan").meta


def test_a_plan_tells_what_stayed() -> None:
    plan = ew.build(sensitive(width=WIDTH), ew.BuilderConfig(precision="bf16", threads=1, level=1))
    assert any("products stay in float32" in note for note in plan.report.notes)
    assert [item.reason for item in plan.report.wide] == [MEASURED] * 3


@pytest.mark.parametrize("limit", ["MOST_MULTIPLICATIONS", "MOST_BYTES"])
def test_large_networks_are_not_tried(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(trials, limit, 1000)
    known = Trials(TimingCache(), 1)
    rounding, *_ = optimized(sensitive(width=WIDTH), known)
    assert rounding.network.notes == [f"{UNMEASURED}: it is large"]
    assert not rounding.network.wide
    assert not known.cache


def test_without_products_there_is_nothing_to_try_or_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Network()
    net.output("y", net.relu(net.input("x", float32, (8, 16))))
    known = Trials(TimingCache(), 1)
    (layout,) = optimized(net, known)
    assert not layout.network.notes
    assert [entry.rounding for entry in known.cache.values()] == [RoundingTrial(0, 0, 0, 0)]
    monkeypatch.setattr(trials, "MOST_BYTES", -1)
    (layout,) = optimized(net, known)
    assert not layout.network.notes


def test_sizes_of_any_length_are_those_of_the_inputs() -> None:
    rounding, *_ = optimized(sensitive("rows", width=WIDTH))
    assert len(rounding.network.wide) == 3
    assert rounding.network.inputs[0].shape[0] != 8  # the network itself keeps its name


def test_inputs_that_a_network_refuses_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Network()
    table = net.gather(net.constant(random(3, 16)), net.input("x", ew.int64, (8,)))
    net.output("y", difference_of_products(net, table))
    monkeypatch.setattr("enginewright.compiler.probes.Wanted.arrays", lambda _: {"x": np.full(8, 7)})
    known = Trials(TimingCache(), 1)
    (layout, *_) = optimized(net, known)
    assert layout.network.notes[0].startswith(f"{UNMEASURED}: generated inputs fail (")
    assert not known.cache
