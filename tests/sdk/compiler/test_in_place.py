"""Choices that are made by the time of the whole network: which are tried, what is kept in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import enginewright.ops
import enginewright.tactics
from enginewright.compiler import in_place
from enginewright.compiler.choice import Choice
from enginewright.compiler.in_place import choose_in_place
from enginewright.compiler.tuning import Tuner
from enginewright.graph.network import Layer, Network
from enginewright.plan.timing_cache import TimingCache
from enginewright.tensors import float32

enginewright.ops.load()
enginewright.tactics.load()
RNG = np.random.default_rng(0)
WEIGHTS = [RNG.standard_normal((16, 16, 3, 3)).astype(np.float32) for _ in range(2)]


@dataclass
class Timed:
    """A session that takes a time that was told."""

    nanoseconds: int

    def time(self) -> int:
        return self.nanoseconds


class Machine:
    """Networks in which one tactic, wherever it runs, takes `times` nanoseconds more; counts what is timed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: dict[str, int]) -> None:
        self.times, self.tried = times, 0
        monkeypatch.setattr(in_place._Whole, "_session", lambda _, choices: self.session(choices))
        monkeypatch.setattr(in_place, "CLOSE", 1e9)
        monkeypatch.setattr(in_place, "MOST_OF_A_KERNEL", 99)

    def session(self, choices: Mapping[Layer, Choice]) -> Timed | None:
        self.tried += 1
        total = sum(self.times.get(choice.tactic, 1000) for choice in choices.values())
        return Timed(total) if total < 10**6 else None


def network() -> Network:
    net = Network()
    x = net.input("x", float32, (1, 16, 12, 12))
    for weight in WEIGHTS:
        x = net.conv(x, net.constant(weight), padding=1)
    net.output("y", x)
    return net


def tuned(cache: TimingCache, *, strict: bool = False) -> tuple[Network, Tuner]:
    """A tuner that has chosen, as if all ran on a device."""
    net = network()
    tuner = Tuner(3, 2, cache)
    tuner.run(net)
    tuner.strict = strict
    tuner.choices = {layer: replace(choice, device=1) for layer, choice in tuner.choices.items()}
    return net, tuner


@pytest.fixture
def others() -> list[str]:
    """The tactics of the two convolutions but the one that is fastest alone, in a cache that is known."""
    _, tuner = tuned(CACHE)
    weighed = next(iter(tuner.weighed.values()))
    timed = [name for name, time in weighed.entry.timings.items() if time.samples]
    present = next(iter(tuner.choices.values())).tactic
    return [name for name in timed if name != present]


CACHE = TimingCache()


def choose(tuner_of: tuple[Network, Tuner]) -> list[str]:
    net, tuner = tuner_of
    choose_in_place(net, tuner, lambda done, total: None)
    reported = [report.tactic for report in tuner.reports]
    assert reported == [tuner.choices[layer].tactic for layer in net.layers]
    return reported


def test_the_tactic_with_which_the_network_is_fastest_is_taken(
    monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    machine = Machine(monkeypatch, {others[-1]: 900})
    assert choose(tuned(CACHE)) == [others[-1]] * 2
    tried = machine.tried
    assert choose(tuned(CACHE)) == [others[-1]] * 2
    assert machine.tried == tried, "the cache knows"


def test_a_little_faster_is_not_enough_and_what_does_not_run_is_out(
    monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    cache = TimingCache()
    cache.merge(CACHE)
    for entry in cache.values():
        if "in" in entry.description.fields:
            del cache._entries[entry.key]
    Machine(monkeypatch, dict.fromkeys(others[1:], 999) | {others[0]: 10**6})
    before = [choice.tactic for choice in tuned(cache)[1].choices.values()]
    assert choose(tuned(cache)) == before


def test_a_strict_build_misses_what_the_cache_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {})
    net, tuner = tuned(TimingCache(), strict=True)
    before = dict(tuner.choices)
    choose_in_place(net, tuner, lambda done, total: None)
    assert tuner.missing == ["Conv"]
    assert (tuner.choices, machine.tried) == (before, 0)


def test_steps_on_the_host_have_no_time_on_the_device(monkeypatch: pytest.MonkeyPatch, others: list[str]) -> None:
    machine = Machine(monkeypatch, {others[0]: 1})
    net, tuner = tuned(CACHE)
    tuner.choices = {layer: replace(choice, device=0) for layer, choice in tuner.choices.items()}
    before = dict(tuner.choices)
    choose_in_place(net, tuner, lambda done, total: None)
    assert (tuner.choices, machine.tried) == (before, 0)


def test_the_sessions_compute_what_the_choices_say() -> None:
    """On the host, as nothing here needs a device but the clock."""
    net = network()
    tuner = Tuner(3, 2, CACHE)
    tuner.run(net)
    packed: dict[Any, Any] = {}
    whole = in_place._Whole(net, tuner, packed)
    session = whole._session(tuner.choices)
    assert session is not None
    assert session.time() > 0
    kept = dict(packed)
    assert whole._session(tuner.choices) is not None
    assert kept
    assert packed.keys() == kept.keys(), "weights are packed once"
