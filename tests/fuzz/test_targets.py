"""The fuzzer's own parts: its changes are accepted and refused, its limits bite; some hundred inputs a test run."""

from __future__ import annotations

import json
import random
import time

import numpy as np
import pytest

from enginewright.plan.artifact import Kind, Section, open_artifact
from tests.fuzz.mutation import Choices, mutated, places
from tests.fuzz.targets import TARGETS, LimitBroken, accepts, limits, load_cache, load_plan, timing_cache
from tests.golden.plans import MORE, NETWORKS, OBJECTS, golden


@pytest.mark.parametrize("name", [*NETWORKS, *MORE, *OBJECTS])
def test_base_plans_load(name: str) -> None:
    assert accepts(golden(name), load_plan)


def test_base_cache_loads() -> None:
    assert accepts(timing_cache(), load_cache)


@pytest.mark.parametrize("name", TARGETS)
def test_random_inputs_are_accepted_or_refused(name: str) -> None:
    """Whatever is neither of these raises. One in ten begins with zeros, which change little."""
    rng, outcomes = random.Random(7), {True: 0, False: 0}
    for number in range(300):
        data = rng.randbytes(rng.randrange(1, 48))
        outcomes[accepts(*TARGETS[name](bytes(4) + data if number % 10 == 0 else data))] += 1
    assert min(outcomes.values()) > 0


def test_changes_are_repeatable_and_stay_json() -> None:
    text = bytes(open_artifact(golden("mlp"), Kind.PLAN).sections[Section.META])
    for seed in range(200):
        data = random.Random(seed).randbytes(20)
        assert mutated(text, Choices(data)) == mutated(text, Choices(data))
        json.loads(mutated(text, Choices(data)))


def test_places_are_all_places() -> None:
    value = {"a": [1, {"b": 2}], "c": 3}
    assert [key for _, key in places(value)] == ["a", 0, 1, "b", "c"]


def test_limit_of_time() -> None:
    with pytest.raises(LimitBroken, match=" s for"), limits(10):
        _work(2.05)


def test_limit_of_memory() -> None:
    with pytest.raises(LimitBroken, match="memory"), limits(10):
        np.ones(9 << 20)
    with limits(10):
        np.ones(5 << 20)


def _work(seconds: float) -> None:
    """Take CPU time."""
    start = time.process_time()
    while time.process_time() < start + seconds:
        pass
